package probe

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPerform(t *testing.T) {
	r := perform([]check{
		{"X01", "found", func(*world) finding { return hit("a %d", 1) }},
		{"X02", "not found", func(*world) finding { return clean("none") }},
		{"X03", "broken", func(*world) finding { panic("oh") }},
	}, &world{})
	want := []Result{
		{"X01", "found", true, "a 1"}, {"X02", "not found", false, "none"}, {"X03", "broken", true, "the check failed: oh"},
	}
	if !slices.Equal(r.Checks, want) || r.Hits != 2 {
		t.Errorf("%+v", r)
	}
}

func TestFound(t *testing.T) {
	if f := found(nil, "none"); f.hit || f.detail != "none" {
		t.Errorf("%+v", f)
	}
	if f := found(slices.Repeat([]string{"a"}, 10), "none"); !f.hit || !strings.HasSuffix(f.detail, "and 2 more") {
		t.Errorf("%+v", f)
	}
}

func TestParseMounts(t *testing.T) {
	const text = `22 1 8:1 / / ro,nosuid shared:1 - ext4 /dev/sda rw
30 22 0:20 / /tmp rw,nodev - tmpfs none rw
not a line
31 22 0:20 / /x rw
`
	all := parseMounts(text)
	if len(all) != 2 || all[0] != (mount{"/", "ro,nosuid", "ext4"}) || !all[1].has("rw") || all[0].has("rw") {
		t.Errorf("%+v", all)
	}
}

func TestParseListening(t *testing.T) {
	const text = `  sl  local_address rem_address   st
   0: 0100007F:11D6 00000000:0000 0A 00000000
   1: 0100007F:2328 0100007F:0050 01 00000000
   2: 00000000000000000000000000000000:0016 0000:0000 0A 0
   3: garbage 0 0A
`
	if ports := parseListening(text); !slices.Equal(ports, []int{4566, 22}) {
		t.Errorf("%v", ports)
	}
}

func TestParseAbstract(t *testing.T) {
	const text = `Num       RefCount Protocol Flags    Type St Inode Path
0: 2 0 10000 1 1 1 /run/x
0: 2 0 10000 1 1 2 @name
0: 2 0 10000 1 1 3
0: 2 0 10000 1 1 4 @name
`
	if names := parseAbstract(text); !slices.Equal(names, []string{"@name"}) {
		t.Errorf("%v", names)
	}
}

func TestMaps(t *testing.T) {
	for text, want := range map[string][2]bool{
		"         0          0 4294967295\n": {true, true},
		"0 1879048192 1\n":                   {false, false},
		"1000 5 1\n0 0 1\n":                  {false, true},
		"":                                   {false, false},
	} {
		if got := [2]bool{wholeMap(text), mapsRoot(text)}; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add("22 1 8:1 / / ro - ext4 x rw\n")
	f.Add("0: 0100007F:11D6 00000000:0000 0A 0\n")
	f.Add("Name:\tx\n")
	f.Fuzz(func(t *testing.T, text string) {
		parseMounts(text)
		for _, port := range parseListening(text) {
			if port < 0 || port > 65535 {
				t.Errorf("port %d", port)
			}
		}
		for _, name := range parseAbstract(text) {
			if name[0] != '@' {
				t.Errorf("name %q", name)
			}
		}
		parseStatus(text)
		mapsRoot(text)
	})
}

func TestIsBootstrap(t *testing.T) {
	api := func(string) string { return "127.0.0.1:9001" }
	none := func(string) string { return "" }
	for _, c := range []struct {
		args []string
		env  func(string) string
		want bool
	}{
		{[]string{"/var/task/bootstrap"}, api, true},
		{[]string{"bootstrap"}, none, false},
		{[]string{"lambent"}, api, false},
		{[]string{"bootstrap", "serve"}, api, false},
		{nil, api, false},
	} {
		if IsBootstrap(c.args, c.env) != c.want {
			t.Errorf("%q: %v", c.args, !c.want)
		}
	}
}

func TestCommand(t *testing.T) {
	for args, want := range map[string]string{"--output=json": `"checks"`, "--output=table": "hits"} {
		var out strings.Builder
		cmd := Command(func(string) string { return "" })
		cmd.SetOut(&out)
		cmd.SetArgs([]string{args})
		if err := cmd.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v %s", args, err, out.String())
		}
	}
	cmd := Command(func(string) string { return "" })
	cmd.SetArgs([]string{"--output=xml"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var use interface{ ExitCode() int }
	if err := cmd.ExecuteContext(t.Context()); !errors.As(err, &use) || use.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
}
