package cli

import (
	"strings"
	"testing"
)

func TestTableIsPlainInAPipe(t *testing.T) {
	s, out, _ := piped("")
	if err := s.table([]string{"NAME", "STATE"}, [][]string{{"hello", "Active"}, {"a\x1b[31m\nb", ""}}); err != nil {
		t.Fatal(err)
	}
	want := "NAME STATE hello Active a\ufffd[31m b -"
	if got := out.String(); strings.Join(strings.Fields(got), " ") != want || strings.Contains(got, "\x1b") {
		t.Errorf("got\n%s", got)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasSuffix(line, " \n") || strings.HasPrefix(line, " ") {
			t.Errorf("line %q", line)
		}
	}
}

func TestColours(t *testing.T) {
	for _, c := range []struct {
		tty  bool
		env  map[string]string
		want bool
	}{
		{true, nil, true}, {false, nil, false}, {true, map[string]string{"NO_COLOR": "1"}, false}, {true, map[string]string{"TERM": "dumb"}, false},
	} {
		s, out, _ := piped("")
		s.OutTTY, s.Env = c.tty, func(k string) string { return c.env[k] }
		if err := s.table([]string{"NAME", "STATE"}, [][]string{{"hello", "Active"}}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "\x1b["); got != c.want {
			t.Errorf("%+v: colours %v: %q", c, got, out.String())
		}
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	s, out, _ := piped("")
	s.OutTTY, s.Width = true, 40
	s.Env = func(string) string { return "dumb" }
	if err := s.table([]string{"NAME", "ERROR"}, [][]string{{"hello", strings.Repeat("x", 100)}}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 40 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
}

// TestTimesAreNotCut: on a narrow terminal the error gives way, never an id or a time.
func TestTimesAreNotCut(t *testing.T) {
	s, out, _ := piped("")
	s.OutTTY, s.Width = true, 60
	if err := s.table([]string{"ID", "ERROR", "GIVEN UP"}, [][]string{{strings.Repeat("i", 20), strings.Repeat("x", 60), "2026-01-31 12:00:00Z"}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "xxx…   2026-01-31 12:00:00Z\n") || !strings.Contains(got, strings.Repeat("i", 20)) {
		t.Errorf("got\n%s", got)
	}
}

func TestHarmless(t *testing.T) {
	in := "[ERROR] V: no\rTraceback:\r  File \"a\"\r\nREPORT\tx \x1b[31mred\x1b[0m\x1b]0;title\x07\x07\u009b2J\u202eend"
	want := "[ERROR] V: no\nTraceback:\n  File \"a\"\nREPORT\tx red2Jend"
	if got := harmless(in); got != want {
		t.Errorf("got %q", got)
	}
	var out strings.Builder
	indent(&out, in+"\r")
	if got := out.String(); got != "  "+strings.ReplaceAll(want, "\n", "\n  ")+"\n" {
		t.Errorf("indented %q", got)
	}
}

func TestShortFault(t *testing.T) {
	for message, want := range map[string]string{
		"RequestId: 6bc28136-1d3a-4f0a-a2ec-9ae8bd9a2e65 Error: Task timed out": "T: Task timed out",
		"Error: x": "T: x", "no RequestId: here": "T: no RequestId: here",
	} {
		if got := shortFault("T", message); got != want {
			t.Errorf("%q: %q", message, got)
		}
	}
}

func TestJSONIsVerbatimInAPipe(t *testing.T) {
	raw := "{ \"a\":1.0,\"b\":\"<\\u00e9>\" }\n"
	s, out, _ := piped("")
	if err := s.json([]byte(raw)); err != nil || out.String() != raw {
		t.Errorf("got %q, %v", out.String(), err)
	}
	s, out, _ = piped("")
	s.OutTTY = true
	if err := s.json([]byte(raw)); err != nil || out.String() != "{\n  \"a\": 1.0,\n  \"b\": \"<\\u00e9>\"\n}\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestShort(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"abc", "abc"}, {"abcdef", "abcd…"}, {"ééééé", "ééééé"}, {"a\nb", "a b"}, {"\u202eabc", "\ufffdabc"}} {
		if got := short(c.in, 5); got != c.want {
			t.Errorf("%q: %q", c.in, got)
		}
	}
}

func TestCalled(t *testing.T) {
	for _, c := range []struct{ arn, qualifier, want string }{
		{"arn:aws:lambda:us-east-1:000000000000:function:hello", "", "hello"},
		{"arn:aws:lambda:us-east-1:000000000000:function:hello", "live", "hello:live"},
		{"arn:aws:lambda:us-east-1:000000000000:function:hello:3", "3", "hello:3"},
		{"odd", "", "odd"},
	} {
		if got := called(c.arn, c.qualifier); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func TestFailure(t *testing.T) {
	for document, want := range map[string]string{
		`{"errorType":"ValueError","errorMessage":"no","stackTrace":[]}`: ": ValueError: no",
		`{"errorMessage":"RequestId: x Error: Task timed out"}`:          ": RequestId: x Error: Task timed out",
		`"x"`: "", `{}`: "", `{`: "",
	} {
		if got := failure([]byte(document)); got != want {
			t.Errorf("%s: %q", document, got)
		}
	}
}
