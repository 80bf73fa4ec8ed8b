package probe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Result is what one check saw.
type Result struct {
	ID     string `json:"id"`   // stable; its letter is the family
	Name   string `json:"name"` // what it looks for
	Hit    bool   `json:"hit"`  // found: code can reach what it must not
	Detail string `json:"detail"`
}

// Report is the outcome of all checks.
type Report struct {
	Checks []Result `json:"checks"`
	Hits   int      `json:"hits"`
}

// check is one thing to look for.
type check struct {
	id, name string
	find     func(*world) finding
}

type finding struct {
	hit    bool
	detail string
}

func hit(format string, args ...any) finding   { return finding{true, fmt.Sprintf(format, args...)} }
func clean(format string, args ...any) finding { return finding{false, fmt.Sprintf(format, args...)} }

// found is a hit if anything was.
func found(what []string, nothing string) finding {
	if len(what) == 0 {
		return clean("%s", nothing)
	}
	const shown = 8
	more := ""
	if len(what) > shown {
		more = fmt.Sprintf(" and %d more", len(what)-shown)
	}
	return hit("%s%s", strings.Join(what[:min(shown, len(what))], ", "), more)
}

// perform runs checks in order. One that panics has seen something that it can't explain: a hit.
func perform(checks []check, w *world) Report {
	r := Report{Checks: make([]Result, 0, len(checks))}
	for _, c := range checks {
		f := attempt(c, w)
		r.Checks = append(r.Checks, Result{ID: c.id, Name: c.name, Hit: f.hit, Detail: f.detail})
		if f.hit {
			r.Hits++
		}
	}
	return r
}

func attempt(c check, w *world) (f finding) {
	defer func() {
		if p := recover(); p != nil {
			f = hit("the check failed: %v", p)
		}
	}()
	return c.find(w)
}

// world is what the checks share: what the process sees of itself.
type world struct {
	status map[string]string // /proc/self/status
	mounts []mount
	files  []string // descriptors that were open at the start, "number target"
	temp   string   // a folder that may be written
	task   string   // the folder of the code
	api    string   // AWS_LAMBDA_RUNTIME_API: the one thing that listens by right
}

// mount is a line of /proc/self/mountinfo.
type mount struct {
	point, options, kind string
}

func (m mount) has(option string) bool {
	return slices.Contains(strings.Split(m.options, ","), option)
}

// parseStatus reads /proc/PID/status.
func parseStatus(text string) map[string]string {
	status := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			status[key] = strings.TrimSpace(value)
		}
	}
	return status
}

// parseMounts reads /proc/PID/mountinfo. Lines of another form are left out.
func parseMounts(text string) []mount {
	var all []mount
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		fields, source := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 6 || len(source) < 1 {
			continue
		}
		all = append(all, mount{point: fields[4], options: fields[5], kind: source[0]})
	}
	return all
}

// parseListening reads /proc/net/tcp or tcp6 and answers the ports on which something listens.
func parseListening(text string) []int {
	const listening = "0A"
	var ports []int
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listening {
			continue
		}
		_, hex, ok := strings.Cut(fields[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if ok && err == nil && !slices.Contains(ports, int(port)) {
			ports = append(ports, int(port))
		}
	}
	return ports
}

// parseAbstract reads /proc/net/unix and answers the names of abstract sockets.
func parseAbstract(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) >= 8 && strings.HasPrefix(fields[7], "@") && !slices.Contains(names, fields[7]) {
			names = append(names, fields[7])
		}
	}
	return names
}

// wholeMap answers whether a uid_map or gid_map is the initial one: every id is the host's own.
func wholeMap(text string) bool {
	fields := strings.Fields(text)
	return len(fields) == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == "4294967295"
}

// mapsRoot answers whether a map makes an id the host's root.
func mapsRoot(text string) bool {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[1] == "0" {
			return true
		}
	}
	return false
}
