package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/cli/client"
)

// piped is a session without terminals.
func piped(in string) (*session, *strings.Builder, *strings.Builder) {
	var out, err strings.Builder
	return &session{IO: IO{
		In: strings.NewReader(in), Out: &out, Err: &err, Env: func(string) string { return "" },
		Clock: func() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) },
	}}, &out, &err
}

func TestReadJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "event.json")
	exact := " {\"a\": 1.0 ,\"é\":[]}\n"
	if err := os.WriteFile(file, []byte(exact), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, value, want, wrong string }{
		{"", `{"a":1}`, `{"a":1}`, ""},
		{"", `  7 `, `  7 `, ""},
		{"", "@" + file, exact, ""},
		{"\"x\"\n", "-", "\"x\"\n", ""},
		{"", "@" + file + ".none", "", "--event can't be read"},
		{"", "hello", "", "is not JSON (byte 1"},
		{"", "", "", "is not JSON"},
		{"{", "-", "", "is not JSON"},
		{"", `{} {}`, "", "is not JSON (byte 4"},
	} {
		s, _, _ := piped(c.in)
		got, err := s.readJSON(t.Context(), "event", c.value)
		var usage *usageError
		switch {
		case c.wrong == "" && (err != nil || string(got) != c.want):
			t.Errorf("%q: %q, %v", c.value, got, err)
		case c.wrong != "" && (!errors.As(err, &usage) || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%q: %v, want %q", c.value, err, c.wrong)
		}
	}
}

func TestReadPatch(t *testing.T) {
	s, _, _ := piped("")
	if got, err := s.readPatch(t.Context(), "patch", `{"a":null}`); err != nil || string(got) != `{"a":null}` {
		t.Errorf("got %s, %v", got, err)
	}
	for _, value := range []string{"[]", "null", "7", `"x"`} {
		if _, err := s.readPatch(t.Context(), "patch", value); err == nil || !strings.Contains(err.Error(), "takes a JSON object") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestReadEndsWithContext(t *testing.T) {
	s, _, _ := piped("")
	r, w := io.Pipe()
	defer w.Close()
	s.In = r
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.readArgument(ctx, "event", "-"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]string{
		"": "", "2026-01-30T10:00:00Z": "2026-01-30T10:00:00Z", "2026-01-30T10:00:00.25+02:00": "2026-01-30T08:00:00.25Z",
		"90s": "2026-01-31T11:58:30Z", "2h30m": "2026-01-31T09:30:00Z", "7d": "2026-01-24T12:00:00Z", "0s": "2026-01-31T12:00:00Z",
	} {
		if got, err := parseTime("since", value, now); err != nil || got != want {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
	for _, value := range []string{"yesterday", "-5m", "7", "1.5d", "-1d", "2026-01-30", "99999d"} {
		if got, err := parseTime("since", value, now); err == nil {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("7d")
	f.Add("2026-01-30T10:00:00.25+02:00")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := parseTime("since", value, time.Unix(0, 0))
		if err != nil || got == "" {
			return
		}
		if _, err := time.Parse(time.RFC3339, got); err != nil && !strings.HasPrefix(got, "-") {
			t.Errorf("%q became %q: %v", value, got, err)
		}
	})
}

func TestParseTimeout(t *testing.T) {
	for value, want := range map[string]int32{"1": 1, "30": 30, "30s": 30, "5m": 300, "900": 900, "1.5m": 90} {
		if got, err := parseTimeout(value); err != nil || got != want {
			t.Errorf("%q: %d, %v", value, got, err)
		}
	}
	for _, value := range []string{"0", "", "x", "500ms", "16m", "1.5s", "-3"} {
		if got, err := parseTimeout(value); err == nil {
			t.Errorf("%q: %d", value, got)
		}
	}
}

func TestConfirm(t *testing.T) {
	for answer, done := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yes": true} {
		s, _, said := piped(answer)
		s.InTTY, s.ErrTTY = true, true
		if err := s.confirm(t.Context(), false, "Delete it?"); (err == nil) != done {
			t.Errorf("%q: %v", answer, err)
		}
		if said.String() != "Delete it? [y/N] " {
			t.Errorf("asked %q", said.String())
		}
	}
	s, _, _ := piped("y\n")
	var usage *usageError
	if err := s.confirm(t.Context(), false, "Delete it?"); !errors.As(err, &usage) {
		t.Errorf("without a terminal: %v", err)
	}
	if err := s.confirm(t.Context(), true, "Delete it?"); err != nil {
		t.Errorf("with --yes: %v", err)
	}
}

func TestSelection(t *testing.T) {
	filter := client.Filter{Function: "f"}
	for _, c := range []struct {
		ids    []string
		filter client.Filter
		all    bool
		ok     bool
	}{
		{nil, client.Filter{}, false, false}, {[]string{"1"}, client.Filter{}, false, true}, {nil, filter, false, true},
		{nil, client.Filter{}, true, true}, {[]string{"1"}, filter, false, false}, {nil, filter, true, false}, {[]string{"1"}, client.Filter{}, true, false},
	} {
		got, err := selection(c.ids, c.filter, c.all, "redrive")
		if (err == nil) != c.ok {
			t.Errorf("%v: %v", c, err)
		}
		if c.ok && (got.All != c.all || len(got.IDs) != len(c.ids) || (got.Filter != nil) != (c.filter != client.Filter{})) {
			t.Errorf("%v: %+v", c, got)
		}
	}
}

func TestSameEnd(t *testing.T) {
	for _, c := range []struct{ before, edited, want string }{
		{"{}", "{1}\n", "{1}"}, {"{}", "{1}\r\n", "{1}"}, {"{}\n", "{1}\n", "{1}\n"}, {"{}", "{1}", "{1}"}, {"{}\n", "{1}", "{1}"},
	} {
		if got := sameEnd(c.before, []byte(c.edited)); got != c.want {
			t.Errorf("%q: %q", c, got)
		}
	}
}
