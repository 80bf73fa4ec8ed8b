package interpreter

import (
	"slices"
	"strings"
	"testing"

	"lambent.dev/lambent/internal/lambda"
)

func TestChoose(t *testing.T) {
	found := tidy([]Interpreter{
		{Family: "python", Version: "3.9.18", Executable: "/a/3.9"},
		{Family: "python", Version: "3.11.2", Executable: "/usr/bin/python3.11"},
		{Family: "python", Version: "3.11.7", Executable: "/a/3.11"},
		{Family: "python", Version: "3.13.0", Executable: "/a/3.13"},
		{Family: "python", Version: "2.7.18", Executable: "/a/2.7"},
		{Family: "nodejs", Version: "20.20.2", Executable: "/usr/bin/node"},
		{Family: "nodejs", Version: "14.0.0", Executable: "/a/node14"},
		{Family: "python", Version: "3.13.0", Executable: "/a/3.13"},
	})
	if len(found) != 5 {
		t.Fatalf("kept %v", found)
	}
	for _, c := range []struct{ runtime, want, note string }{
		{"python3.11", "/a/3.11", ""},
		{"python3.9", "/a/3.9", ""},
		{"python3.10", "/a/3.11", "python3.10 is not on this host; Python 3.11.7 serves it"},
		{"python3.12", "/a/3.13", "python3.12 is not on this host; Python 3.13.0 serves it"},
		{"python3.15", "/a/3.13", "python3.15 is not on this host; Python 3.13.0 serves it"},
		{"python3.8", "/a/3.9", "python3.8 is not on this host; Python 3.9.18 serves it"},
		{"nodejs20.x", "/usr/bin/node", ""},
		{"nodejs18.x", "/usr/bin/node", "nodejs18.x is not on this host; Node.js 20.20.2 serves it"},
		{"nodejs24.x", "/usr/bin/node", "nodejs24.x is not on this host; Node.js 20.20.2 serves it"},
	} {
		family, want, ok := parseRuntime(c.runtime)
		if !ok {
			t.Fatalf("%s was not understood", c.runtime)
		}
		got, note, err := choose(c.runtime, family, want, found, false)
		if err != nil || got.Executable != c.want || note != c.note {
			t.Errorf("%s: %s %q %v", c.runtime, got.Executable, note, err)
		}
		_, _, err = choose(c.runtime, family, want, found, true)
		if (err != nil) != (c.note != "") {
			t.Errorf("%s, strict: %v", c.runtime, err)
		}
		if err != nil && (lambda.KindOf(err) != lambda.InvalidRuntime || !strings.Contains(err.Error(), "interpreters")) {
			t.Errorf("%s, strict: %v", c.runtime, err)
		}
	}
	if _, _, err := choose("python3.12", "python", version{3, 12}, nil, false); lambda.KindOf(err) != lambda.InvalidRuntime {
		t.Errorf("with none: %v", err)
	}
}

func TestParseRuntime(t *testing.T) {
	for id, want := range map[string]string{
		"python3.12": "python", "nodejs22.x": "nodejs", "nodejs": "", "provided.al2023": "provided", "provided.al2": "provided", "provided": "provided",
		"java21": "", "ruby3.3": "", "dotnet8": "", "go1.x": "", "": "", "python": "", "pythonx": "", "providedx": "",
	} {
		if family, _, ok := parseRuntime(id); family != want && ok || ok != (want != "") {
			t.Errorf("%s: %s %v", id, family, ok)
		}
	}
}

func TestFolders(t *testing.T) {
	for _, c := range []struct {
		name string
		a    answer
		want []string
	}{
		{"system", answer{Family: "python", Version: "3.11.2", Executable: "/usr/bin/python3.11", Prefixes: []string{"/usr", "/usr"},
			Files: []string{"/usr/bin/python3.11", "/lib/x86_64-linux-gnu/libc.so.6", "[heap]", "[vdso]"}}, nil},
		{"own folder", answer{Family: "python", Version: "3.12.1", Executable: "/home/u/.pyenv/versions/3.12.1/bin/python3.12",
			Prefixes: []string{"/home/u/.pyenv/versions/3.12.1", "/home/u/.pyenv/versions/3.12.1"},
			Files:    []string{"/home/u/.pyenv/versions/3.12.1/lib/libpython3.12.so.1.0", "/opt/ssl/lib/libssl.so.3", "/var/log/not-a-library"}},
			[]string{"/home/u/.pyenv/versions/3.12.1", "/opt/ssl/lib/libssl.so.3"}},
		{"in the home folder itself", answer{Family: "python", Version: "3.12.1", Executable: "/home/u/bin/python3.12", Prefixes: []string{"/home/u"}},
			[]string{"/home/u/lib/python3.12", "/home/u/bin/python3.12"}},
		{"in the root", answer{Family: "python", Version: "3.12.1", Executable: "/bin2/python3.12", Prefixes: []string{"/"}},
			[]string{"/lib/python3.12", "/bin2/python3.12"}},
		{"node without a folder", answer{Family: "nodejs", Version: "20.0.0", Executable: "/home/u/bin/node"}, []string{"/home/u/bin/node"}},
	} {
		want := slices.DeleteFunc(c.want, system)
		if got := foldersOf(c.a, "/home/u"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"3.11.7", "v20.20.2", "3.13.0rc1", "20", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := parseVersion(s); ok && (v[0] < 0 || v[1] < 0 || v[2] < 0) {
			t.Errorf("%q: %v", s, v)
		}
	})
}
