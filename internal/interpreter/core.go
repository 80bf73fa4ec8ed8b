package interpreter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

// Oldest versions that our clients run on.
var oldest = map[string]version{"python": {3, 6, 0}, "nodejs": {16, 0, 0}}

// version is a dotted version's first three numbers.
type version [3]int

func (v version) compare(w version) int { return slices.Compare(v[:], w[:]) }

// parseVersion reads "3.11.7", "v20.20.2" or "3.12"; what follows the numbers is ignored.
func parseVersion(s string) (version, bool) {
	var v version
	parts := strings.SplitN(strings.TrimPrefix(strings.TrimSpace(s), "v"), ".", 3)
	for i, part := range parts {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			part = part[:end]
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return version{}, false
		}
		v[i] = n
	}
	return v, true
}

// parseRuntime splits a Lambda runtime id into a family and the version asked for: "python3.12",
// "nodejs20.x", "provided.al2023". ok is false for families that are not served.
func parseRuntime(id string) (family string, want version, ok bool) {
	if id == "provided" || strings.HasPrefix(id, "provided.") {
		return "provided", version{}, true
	}
	for _, family := range []string{"python", "nodejs"} {
		if rest, found := strings.CutPrefix(id, family); found {
			want, ok = parseVersion(strings.TrimSuffix(rest, ".x"))
			return family, want, ok
		}
	}
	return "", version{}, false
}

// release is what tells versions of a family apart: Python's minor, Node's major.
func release(family string, v version) int {
	if family == "python" {
		return v[0]*1000 + v[1]
	}
	return v[0]
}

// releaseName names it: "3.11", "20".
func releaseName(family string, v version) string {
	if family == "python" {
		return fmt.Sprintf("%d.%d", v[0], v[1])
	}
	return strconv.Itoa(v[0])
}

// choose answers the interpreter for a runtime: of the exact release, else of the nearest newer
// one, else of the nearest older one; the newest of a release. note says what was not exact.
func choose(runtime, family string, want version, found []Interpreter, strict bool) (chosen Interpreter, note string, err error) {
	type candidate struct {
		Interpreter
		version
		distance int // from the release asked for; older ones come after all newer ones
	}
	const olderPenalty = 1 << 20
	var all []candidate
	for _, i := range found {
		v, ok := parseVersion(i.Version)
		if i.Family != family || !ok {
			continue
		}
		d := release(family, v) - release(family, want)
		if d < 0 {
			d = olderPenalty - d
		}
		all = append(all, candidate{i, v, d})
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), b.version.compare(a.version))
	})
	switch {
	case len(all) == 0:
		return Interpreter{}, "", lambda.Errorf(lambda.InvalidRuntime,
			"No %s interpreter is on this host. Install one, or name its path in the setting \"interpreters\".", family)
	case all[0].distance == 0:
		return all[0].Interpreter, "", nil
	case strict:
		return Interpreter{}, "", lambda.Errorf(lambda.InvalidRuntime,
			"%s is not on this host (found: %s) and strict runtimes are on. Install it, or name its path in the setting \"interpreters\".",
			runtime, versionsOf(family, found))
	}
	best := all[0]
	return best.Interpreter, fmt.Sprintf("%s is not on this host; %s %s serves it", runtime, displayName(family), best.Version), nil
}

func displayName(family string) string {
	if family == "python" {
		return "Python"
	}
	return "Node.js"
}

func versionsOf(family string, found []Interpreter) string {
	var all []string
	for _, i := range found {
		if i.Family == family {
			all = append(all, i.Version)
		}
	}
	return strings.Join(all, ", ")
}

// tidy drops what can't serve and what was found twice, and sorts: newest first in each family.
func tidy(found []Interpreter) []Interpreter {
	seen := map[string]bool{}
	kept := []Interpreter{}
	for _, i := range found {
		v, ok := parseVersion(i.Version)
		if !ok || v.compare(oldest[i.Family]) < 0 || seen[i.Executable] {
			continue
		}
		seen[i.Executable] = true
		kept = append(kept, i)
	}
	slices.SortStableFunc(kept, func(a, b Interpreter) int {
		va, _ := parseVersion(a.Version)
		vb, _ := parseVersion(b.Version)
		return cmp.Or(-cmp.Compare(a.Family, b.Family), vb.compare(va), cmp.Compare(a.Executable, b.Executable))
	})
	return kept
}
