package host

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// able is a host on which everything can be had.
func able() Facts {
	return Facts{
		OS: "linux", Arch: "amd64", Kernel: "6.18.44-x", Root: true, Cgroups: "v2: memory, cpu, pids", Landlock: 7,
		Interpreters: []Interpreter{{"python", "3.11.2", "/usr/bin/python3.11"}},
	}
}

func TestAssessAble(t *testing.T) {
	r := Assess(able())
	if err := r.Native(); err != nil {
		t.Error(err)
	}
	if !r.Drivers[0].Possible || r.Drivers[0].Name != "native" || len(r.Warnings) != 0 {
		t.Errorf("%+v", r)
	}
	for _, c := range r.Checks {
		if !c.OK || c.Advice != "" || c.Value == "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestAssessMissing(t *testing.T) {
	broken := errors.New("broken by the test")
	for name, take := range map[string]func(*Facts){
		"kernel":       func(f *Facts) { f.Kernel = "5.12.9" },
		"root":         func(f *Facts) { f.Root = false },
		"namespaces":   func(f *Facts) { f.Namespaces = broken },
		"mount API":    func(f *Facts) { f.MountAPI = broken },
		"/proc":        func(f *Facts) { f.ProcMasked = []string{"/proc/kcore"} },
		"cgroups":      func(f *Facts) { f.CgroupError = broken },
		"seccomp":      func(f *Facts) { f.Seccomp = broken },
		"landlock":     func(f *Facts) { f.Landlock = 0 },
		"loop devices": func(f *Facts) { f.Loop = broken },
		"ext4":         func(f *Facts) { f.Ext4 = broken },
		"environment":  func(f *Facts) { f.Tried, f.Try = true, broken },
		"system":       func(f *Facts) { f.OS = "darwin" },
	} {
		f := able()
		take(&f)
		r := Assess(f)
		err := r.Native()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == name })
		if i < 0 || r.Checks[i].OK || r.Checks[i].Advice == "" || r.Checks[i].Value == "" {
			t.Errorf("without %s: %+v", name, r.Checks)
		}
		if r.Drivers[0].Possible || !r.Drivers[1].Possible {
			t.Errorf("without %s: %+v", name, r.Drivers)
		}
	}
}

// Without root, being refused says nothing of the host.
func TestAssessUser(t *testing.T) {
	f := able()
	f.Root, f.Loop, f.Ext4 = false, fs.ErrPermission, errors.New("broken by the test")
	for _, c := range Assess(f).Checks {
		if c.Name == "loop devices" && !strings.Contains(c.Advice, "root") || c.Name == "ext4" && strings.Contains(c.Advice, "root") {
			t.Errorf("%+v", c)
		}
	}
}

func TestAssessInterpreters(t *testing.T) {
	for _, take := range []func(*Facts){
		func(f *Facts) { f.Interpreters = nil },
		func(f *Facts) { f.InterpreterError = errors.New("broken by the test") },
	} {
		f := able()
		take(&f)
		r := Assess(f)
		c := r.Checks[len(r.Checks)-1]
		if c.Name != "interpreters" || c.OK || c.Required || c.Advice == "" || r.Native() != nil {
			t.Errorf("%+v %v", c, r.Native())
		}
	}
}

func TestWarnings(t *testing.T) {
	for word, set := range map[string]func(*Facts){
		"CVE-2026-43391": func(f *Facts) { f.Kernel = "6.18.20" },
		"piped":          func(f *Facts) { f.CorePipe = "/usr/lib/systemd/systemd-coredump" },
		"io_uring":       func(f *Facts) { f.IOUring = true },
		"swap":           func(f *Facts) { f.Swap = true },
		"SMT":            func(f *Facts) { f.SMT = true },
		"merging":        func(f *Facts) { f.KSM = true },
	} {
		f := able()
		set(&f)
		r := Assess(f)
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], word) || r.Native() != nil {
			t.Errorf("%s: %q", word, r.Warnings)
		}
	}
}

func TestParseKernel(t *testing.T) {
	for text, want := range map[string][3]int{
		"6.18.44-fc": {6, 18, 44}, "5.15": {5, 15, 0}, "5.10.0-28-amd64": {5, 10, 0}, "7": {7, 0, 0},
		"": {}, "x": {}, "6.": {6, 0, 0}, "6.1-rc3": {6, 1, 0}, "99999999999999999999.1": {},
	} {
		if have := parseKernel(text); have != want {
			t.Errorf("%q: %v, want %v", text, have, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("6.18.44-fc")
	f.Add("22 1 0:5 / /proc/kcore rw - tmpfs none rw")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range parseKernel(text) {
			if n < 0 {
				t.Errorf("%q has a negative part", text)
			}
		}
		for _, point := range masked(text) {
			if !strings.HasPrefix(point, "/proc/") {
				t.Errorf("%q", point)
			}
		}
	})
}

func TestMasked(t *testing.T) {
	const info = `22 1 8:1 / / rw - ext4 x rw
23 22 0:5 / /proc rw - proc proc rw
24 23 0:6 / /proc/sys/fs/binfmt_misc rw - binfmt_misc x rw
25 23 0:7 /null /proc/kcore rw - devtmpfs x rw
short
`
	if have := masked(info); !slices.Equal(have, []string{"/proc/kcore"}) {
		t.Errorf("%q", have)
	}
}

func TestProbeTries(t *testing.T) {
	tried := 0
	broken := errors.New("broken by the test")
	r := Probe(t.Context(), Options{Try: func(context.Context) error { tried++; return broken }})
	able := Probe(t.Context(), Options{}).Native() == nil
	if able != (tried == 1) {
		t.Errorf("able %v, tried %d times", able, tried)
	}
	if err := r.Native(); err == nil || able && !strings.Contains(err.Error(), broken.Error()) {
		t.Errorf("%v", err)
	}
}

func TestDoctorCommand(t *testing.T) {
	run := func(o Options, args ...string) (string, error) {
		var out strings.Builder
		cmd := DoctorCommand(func(*cobra.Command) (Options, error) { return o, nil })
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	able := Probe(t.Context(), Options{}).Native() == nil
	text, err := run(Options{}, "--output", "table")
	if able != (err == nil) || !strings.Contains(text, "Sandboxes:") {
		t.Errorf("%v\n%s", err, text)
	}
	text, err = run(Options{}, "--output", "json")
	var r Report
	if wrong := json.Unmarshal([]byte(text), &r); wrong != nil || able != (err == nil) || len(r.Drivers) != 2 {
		t.Errorf("%v %v\n%s", wrong, err, text)
	}
	var coder interface{ ExitCode() int }
	text, err = run(Options{Try: func(context.Context) error { return errors.New("broken by the test") }}, "--output", "table")
	if !errors.As(err, &coder) || coder.ExitCode() != 1 || err.Error() != "" || !strings.Contains(text, "MISSING") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err = run(Options{}, "--output", "xml"); !errors.As(err, &coder) || coder.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
}
