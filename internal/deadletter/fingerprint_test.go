package deadletter

import (
	"testing"

	"lambent.dev/lambent/internal/lambda"
)

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"order 17 of 204 failed":      "order # of # failed",
		"list index out of range":     "list index out of range",
		"'order_id'":                  "'order_id'",
		"no user 'u-8842' in \"db7\"": "no user '*' in \"*\"",
		"can't open it, won't retry":  "can't open it, won't retry",
		"took 1.5s at 0x7f00ff":       "took #.#s at *",
		"RequestId: 4be1c0ff-1111-2222-3333-444455556666 Error: exit": "RequestId: * Error: exit",
		"commit 9fceb02d0ae5 is gone":                                 "commit * is gone",
		"deadbeef is a word, cafe too":                                "deadbeef is a word, cafe too",
		"token eyJhbGciOiJIUzI1NiJ9abc expired":                       "token * expired",
		"at 2026-11-25T10:00:00Z":                                     "at #-#-#T#:#:#Z",
		"a\r\n\tb\x00 c":                                              "a b c",
		"caf\xc3\xa9 \xff!":                                           "café \uFFFD!",
		"well-known name-with-dashes-but-no-num":                      "well-known name-with-dashes-but-no-num",
		"user123 table_9":                                             "user# table_#",
		"unclosed 'quote 5":                                           "unclosed 'quote #",
	} {
		if got := normalise(in); got != want {
			t.Errorf("normalise(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTopFrame(t *testing.T) {
	for name, c := range map[string]struct {
		stack []string
		want  string
	}{
		"none": {nil, ""},
		"python, innermost of the user's code last": {[]string{
			"  File \"/var/task/app.py\", line 3, in handler\n    go()\n",
			"  File \"/var/task/work.py\", line 9, in go\n    json.loads(x)\n",
			"  File \"/usr/lib/python3.11/json/__init__.py\", line 346, in loads\n",
		}, `File "/var/task/work.py", line #, in go`},
		"node, innermost first": {[]string{
			"TypeError: x is not a function",
			"    at parse (/var/task/node_modules/lib/a.js:1:2)",
			"    at work (/var/task/index.js:33:7)",
			"    at exports.handler (/var/task/index.js:3:7)",
		}, "at work (/var/task/index.js:#:#)"},
		"no frame of the user's":     {[]string{"main.go:12 main.run", "main.go:3 main.main"}, "main.go:# main.run"},
		"python, none of the user's": {[]string{`File "/usr/a.py", line 1, in a`, `File "/usr/b.py", line 2, in b`}, `File "/usr/b.py", line #, in b`},
	} {
		if got := topFrame(c.stack); got != c.want {
			t.Errorf("%s: topFrame = %q, want %q", name, got, c.want)
		}
	}
}

func TestFingerprintTellsApart(t *testing.T) {
	f := lambda.FunctionID{Account: account, Region: "us-east-1", Name: "f"}
	g := f
	g.Name = "g"
	base := Fingerprint(f, "ValueError", "order 1", []string{"at a (/var/task/a.js:1:2)"})
	if got := Fingerprint(f, "ValueError", "order 2", []string{"at a (/var/task/a.js:9:9)"}); got != base {
		t.Errorf("numbers tell failures apart")
	}
	if len(base) != 16 {
		t.Errorf("fingerprint %q", base)
	}
	for name, other := range map[string]string{
		"function": Fingerprint(g, "ValueError", "order 1", []string{"at a (/var/task/a.js:1:2)"}),
		"type":     Fingerprint(f, "KeyError", "order 1", []string{"at a (/var/task/a.js:1:2)"}),
		"message":  Fingerprint(f, "ValueError", "bill 1", []string{"at a (/var/task/a.js:1:2)"}),
		"frame":    Fingerprint(f, "ValueError", "order 1", []string{"at b (/var/task/a.js:1:2)"}),
	} {
		if other == base {
			t.Errorf("another %s gives the same fingerprint", name)
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add("a 'b1' 0x1", "at x (/var/task/i.js:1:1)")
	f.Fuzz(func(t *testing.T, message, frame string) {
		if n := normalise(message); len(n) > 3*maxPrintBytes+3 {
			t.Errorf("%d bytes", len(n))
		}
		topFrame([]string{frame})
	})
}
