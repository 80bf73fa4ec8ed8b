package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// These tests are about what scripts can't reach: terminals, an editor, Ctrl-C, and pages and
// jobs that a quick server never shows. What stands for the server gives recorded answers.

// run runs a command line against h.
func run(ctx context.Context, t *testing.T, h http.HandlerFunc, streams IO, args ...string) (code int, out, said string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	server := httptest.NewServer(h)
	defer server.Close()
	env := streams.Env
	streams.Env = func(name string) string {
		if name == "LAMBENT_ENDPOINT" {
			return server.URL
		}
		if env != nil {
			return env(name)
		}
		return ""
	}
	var stdout, stderr safeBuffer
	streams.Out, streams.Err, streams.Clock = &stdout, &stderr, func() time.Time { return time.Now().UTC() }
	if streams.In == nil {
		streams.In = strings.NewReader("")
	}
	code = Main(ctx, args, streams, Deps{})
	return code, stdout.String(), stderr.String()
}

// safeBuffer is written to by a progress bar's goroutine too.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// jobs answers one state of a job after the other, and stays at the last.
func jobs(states ...string) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(w, states[0])
		if len(states) > 1 {
			states = states[1:]
		}
	}
}

func job(state string, moved, failed int) string {
	return fmt.Sprintf(`{"id":"j1","kind":"redrive","state":%q,"matched":3,"moved":%d,"failed":%d,"dryRun":false,"reason":%q}`, state, moved, failed, map[bool]string{true: "payload too large"}[failed > 0])
}

func TestWaitInAPipe(t *testing.T) {
	h := jobs(job("running", 0, 0), job("running", 2, 0), job("running", 2, 0), job("paused", 2, 0), job("completed", 3, 0))
	code, out, said := run(t.Context(), t, h, IO{}, "deadletter", "redrive", "--all", "--wait")
	if code != 0 || out != "job j1 completed: 3 of 3 dead letters queued again, 0 failed\n\nNext:\n  lambent health --drained 60s\n  lambent deadletter list\n" {
		t.Errorf("code %d, out %q", code, out)
	}
	want := "running: 0 of 3 queued again, 0 failed\nrunning: 2 of 3 queued again, 0 failed\npaused: 2 of 3 queued again, 0 failed\ncompleted: 3 of 3 queued again, 0 failed\n"
	if said != want {
		t.Errorf("said\n%s", said)
	}
}

func TestWaitForFailures(t *testing.T) {
	h := jobs(job("running", 0, 0), job("completed", 2, 1))
	code, out, said := run(t.Context(), t, h, IO{}, "deadletter", "redrive", "--all", "--wait", "--output", "json")
	if code != 1 || out != job("completed", 2, 1)+"\n" || !strings.Contains(said, "1 dead letter could not be queued again and stayed (payload too large)") {
		t.Errorf("code %d, out %q, said %q", code, out, said)
	}
}

func TestJobShow(t *testing.T) {
	h := jobs(job("completed", 2, 1))
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"deadletter", "job", "j1"}, 0}, {[]string{"deadletter", "job", "j1", "--wait"}, 1}} {
		code, out, said := run(t.Context(), t, h, IO{}, c.args...)
		if code != c.code || !strings.Contains(out, "Reason         payload too large\n") || !strings.Contains(out, "Kind           redrive\n") {
			t.Errorf("%v: code %d, out %q, said %q", c.args, code, out, said)
		}
	}
	code, out, _ := run(t.Context(), t, jobs(job("running", 0, 0)), IO{}, "deadletter", "redrive", "--all")
	if code != 0 || out != "job j1 is running on the server, for 3 dead letters\n\nNext:\n  lambent deadletter job j1 --wait\n" {
		t.Errorf("code %d, out %q", code, out)
	}
}

func TestWaitOnATerminal(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	h := jobs(job("running", 0, 0), job("running", 2, 0), job("completed", 3, 0))
	code, out, said := run(t.Context(), t, h, IO{ErrTTY: true}, "deadletter", "purge", "--all", "--yes", "--wait")
	if code != 0 || !strings.HasPrefix(out, "job j1 completed") {
		t.Errorf("code %d, out %q", code, out)
	}
	if !strings.Contains(said, "job j1") || !strings.Contains(said, "3 of 3") {
		t.Errorf("the bar was %q", said)
	}
}

func TestInterruptedWait(t *testing.T) {
	for _, tty := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		looks := 0
		h := func(w http.ResponseWriter, _ *http.Request) {
			if looks++; looks == 3 {
				cancel()
			}
			_, _ = io.WriteString(w, job("running", 1, 0))
		}
		code, _, said := run(ctx, t, h, IO{ErrTTY: tty}, "deadletter", "redrive", "--all", "--wait")
		if code != 1 || !strings.Contains(said, `the job goes on without you: "lambent deadletter job j1 --wait" shows it again`) {
			t.Errorf("terminal %v: code %d, said %q", tty, code, said)
		}
		cancel()
	}
}

func TestFollowEndsWithCtrlC(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("follow") != "true" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"at":"2026-01-02T03:04:05.6789Z","stream":"s","version":"1","message":"hello\n"}`+"\n")
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}
	code, _, said := run(ctx, t, h, IO{}, "logs", "f", "--follow")
	if code != 0 || said != "" {
		t.Errorf("code %d, said %q", code, said)
	}
}

func TestFollowedLogThatEnds(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"at":"2026-01-02T03:04:05.6789Z","stream":"s","version":"1","message":"hello\n"}`+"\n")
	}
	code, out, said := run(t.Context(), t, h, IO{}, "logs", "f", "--follow")
	if code != 1 || out != "2026-01-02T03:04:05.678Z  hello\n" || !strings.Contains(said, "the server ended the log") {
		t.Errorf("code %d, out %q, said %q", code, out, said)
	}
}

func TestFunctionListJoinsPages(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		page := `{"Functions": [{"FunctionName":"a","Odd":1.0}], "NextMarker":"m"}`
		if r.URL.Query().Get("Marker") == "m" {
			page = `{"Functions": [{"FunctionName":"b"}], "NextMarker":null}`
		}
		_, _ = io.WriteString(w, page)
	}
	code, out, said := run(t.Context(), t, h, IO{}, "function", "list", "--output", "json")
	if code != 0 || out != `{"Functions":[{"FunctionName":"a","Odd":1.0},{"FunctionName":"b"}]}`+"\n" {
		t.Errorf("code %d, out %q, said %q", code, out, said)
	}
}

func TestInvokeOnATerminal(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `{"a":1.0}`) }
	if _, out, _ := run(t.Context(), t, h, IO{OutTTY: true}, "invoke", "f"); out != `{"a":1.0}`+"\n" {
		t.Errorf("on a terminal: %q", out)
	}
	if _, out, _ := run(t.Context(), t, h, IO{}, "invoke", "f"); out != `{"a":1.0}` {
		t.Errorf("in a pipe: %q", out)
	}
}

func TestInvokeOnce(t *testing.T) {
	calls := 0
	h := func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("X-Amzn-ErrorType", "ServiceException")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"Message":"broken"}`)
	}
	code, _, said := run(t.Context(), t, h, IO{}, "invoke", "f")
	if code != 1 || calls != 1 || said != "lambent: broken\n" {
		t.Errorf("code %d after %d calls, said %q", code, calls, said)
	}
}

func TestEditor(t *testing.T) {
	for name, c := range map[string]struct {
		editor     string
		code       int
		sent, says string
	}{
		"changed":   {`sed -i s/1/2/`, 0, `{"payload":"{\"a\":2}"}`, ""},
		"line end":  {`sh -c 'echo >> "$0"'`, 0, "", "Nothing was changed."},
		"unchanged": {"true", 0, "", "Nothing was changed."},
		"missing":   {"/nowhere/editor", 1, "", `the editor "/nowhere/editor" failed`},
		"failed":    {"false", 1, "", `the editor "false" failed`},
		"not JSON":  {`sed -i s/1/}/`, 1, "", "the text is not JSON and was not sent; it is kept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			sent := ""
			h := func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPatch {
					body, _ := io.ReadAll(r.Body)
					sent = string(body)
				}
				_, _ = io.WriteString(w, `{"id":"x","payload":"{\"a\":1}"}`)
			}
			env := func(name string) string { return map[string]string{"EDITOR": c.editor}[name] }
			code, _, said := run(t.Context(), t, h, IO{InTTY: true, OutTTY: true, ErrTTY: true, Env: env}, "deadletter", "edit", "x")
			if code != c.code || sent != c.sent || !strings.Contains(said, c.says) {
				t.Errorf("code %d, sent %q, said %q", code, sent, said)
			}
			left, _ := filepath.Glob(filepath.Join(os.TempDir(), "lambent-*"))
			if kept := c.code == 1 && name == "not JSON"; (len(left) > 0) != kept {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestForeignServer(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) { http.Error(w, "404 page not found", http.StatusNotFound) }
	for _, args := range [][]string{{"function", "list"}, {"deadletter", "list"}, {"invoke", "f"}} {
		code, _, said := run(t.Context(), t, h, IO{}, args...)
		if code != 1 || !strings.Contains(said, "is no Lambent server (HTTP 404): check --endpoint") {
			t.Errorf("%v: code %d, said %q", args, code, said)
		}
	}
}

func TestEvents(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	file := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(file, []byte(strings.Repeat("{\"n\":1}\r\n", 99)+"7"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, failAt := range []int64{0, 50} {
		var calls atomic.Int64
		h := func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if b := string(body); err == nil && b != `{"n":1}` && b != "7" || r.Header.Get("X-Amz-Invocation-Type") != "Event" {
				t.Errorf("sent %q", b)
			}
			if n := calls.Add(1); failAt > 0 && n >= failAt {
				w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"Message":"Function not found: f"}`)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		}
		code, out, said := run(t.Context(), t, h, IO{ErrTTY: true}, "invoke", "f", "--async", "--events", file)
		switch {
		case failAt == 0 && (code != 0 || out != "accepted 100 events\n" || !strings.Contains(said, "100 of 100")):
			t.Errorf("code %d, out %q, said %q", code, out, said)
		case failAt > 0 && (code != 1 || out != "" || !strings.Contains(said, "were accepted, then: Function not found: f")):
			t.Errorf("code %d, out %q, said %q", code, out, said)
		}
	}
}

func TestHealthWaits(t *testing.T) {
	answers := []string{`{"status":"failing","reason":"disk full"}`, `{"status":"ok","version":"1","sandbox":"native","queueDepth":2}`, `{"status":"ok","version":"1","sandbox":"native","queueDepth":0}`}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"health"}, 1, "the server is failing: disk full"},
		{[]string{"health", "--output", "json"}, 1, "the server is failing: disk full"},
		{[]string{"health", "--wait", "20s"}, 0, ""},
		{[]string{"health", "--drained", "20s"}, 0, ""},
	} {
		left := answers
		h := func(w http.ResponseWriter, _ *http.Request) {
			if strings.Contains(left[0], "failing") {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, left[0])
			left = left[min(1, len(left)-1):]
		}
		code, out, said := run(t.Context(), t, h, IO{}, c.args...)
		if code != c.code || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%v: code %d, out %q, said %q", c.args, code, out, said)
		}
		if want := "Queued    2"; c.args[len(c.args)-1] == "20s" && c.args[1] == "--wait" && !strings.Contains(out, want) {
			t.Errorf("%v: out %q", c.args, out)
		}
	}
}
