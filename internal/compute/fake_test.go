package compute_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/sandboxtest"
)

// runtimeClient is a runtime as a Go function. react answers each event, or ends the process.
func runtimeClient(react func(payload string) (answer string, end *sandbox.Exit)) sandboxtest.Program {
	return func(ctx context.Context, p *sandboxtest.Process) sandbox.Exit {
		conn, err := p.Dial(ctx)
		if err != nil {
			return sandbox.Exit{Code: 1}
		}
		defer conn.Close()
		br := bufio.NewReader(conn)
		request := "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"
		replies := 1
		for {
			if _, err := io.WriteString(conn, request); err != nil {
				return sandbox.Exit{Code: 1}
			}
			var id, payload string
			for range replies {
				r, err := http.ReadResponse(br, nil)
				if err != nil {
					return sandbox.Exit{Code: 1}
				}
				body, _ := io.ReadAll(r.Body)
				id, payload = r.Header.Get("Lambda-Runtime-Aws-Request-Id"), string(body)
			}
			answer, end := react(payload)
			if end != nil {
				return *end
			}
			request = fmt.Sprintf("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"+
				"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n", id, len(answer), answer)
			replies = 2
		}
	}
}

// steps is a script: it fails the steps that it holds, as often as it says.
type steps struct {
	mu   sync.Mutex
	fail map[string]int
	err  error
	seen map[string]int
}

func (s *steps) ask(step string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[step]++
	if s.fail[step] > 0 {
		s.fail[step]--
		if s.err != nil {
			return s.err
		}
		return errors.New("scripted")
	}
	return nil
}

func (s *steps) count(step string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[step]
}

func echoes(payload string) (string, *sandbox.Exit) { return payload, nil }

func TestScriptedFailures(t *testing.T) {
	for _, c := range []struct {
		name, step string
		err        error
		kind       lambda.Kind // of the error; or
		want       string      // the payload
	}{
		{"prepare", "prepare", nil, lambda.Internal, ""},
		{"boot", "boot", nil, lambda.Internal, ""},
		{"assign", "assign", nil, lambda.Internal, ""},
		{"no program", "assign", syscall.ENOENT, 0, `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: id Error: fork/exec /var/task/bootstrap: no such file or directory"}`},
		{"not a program", "assign", fmt.Errorf("start: %w", syscall.ENOEXEC), 0, `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: id Error: fork/exec /var/task/bootstrap: exec format error"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := &steps{fail: map[string]int{c.step: 1}, err: c.err}
			fake := &sandboxtest.Fake{Program: runtimeClient(echoes), Script: script.ask}
			f := newPool(t, optionsForTest(), fake)
			fn := function(t, "provided.al2023", "x", "bootstrap", "#!/bin/sh\n")
			out, err := f.Invoke(t.Context(), compute.Invocation{Config: fn, RequestID: "id", Payload: []byte("1")})
			if c.want != "" {
				if err != nil || string(out.Payload) != c.want {
					t.Errorf("%s %v", out.Payload, err)
				}
			} else if err == nil || lambda.KindOf(err) != c.kind {
				t.Errorf("%s %v", out.Payload, err)
			}
			until(t, "nothing is left", func() bool { return fake.Live() == 0 })
			if got := f.call(t, fn, "id", "2"); string(got.Payload) != "2" {
				t.Errorf("afterwards: %s", got.Payload)
			}
		})
	}
}

func TestFailedThawTakesAnother(t *testing.T) {
	script := &steps{fail: map[string]int{"thaw": 1}}
	fake := &sandboxtest.Fake{Program: runtimeClient(echoes), Script: script.ask}
	f := newPool(t, compute.Options{MaxMemoryMB: 1024, FreezeAfter: time.Millisecond}, fake)
	fn := function(t, "provided.al2023", "x", "bootstrap", "#!/bin/sh\n")
	f.call(t, fn, "id", "1")
	until(t, "frozen", func() bool { return script.count("freeze") == 1 })
	if got := f.call(t, fn, "id", "2"); string(got.Payload) != "2" || len(fake.Booted()) != 2 {
		t.Errorf("%s after %d boots", got.Payload, len(fake.Booted()))
	}
}

func TestFailedFreezeIsHarmless(t *testing.T) {
	script := &steps{fail: map[string]int{"freeze": 1000}}
	fake := &sandboxtest.Fake{Program: runtimeClient(echoes), Script: script.ask}
	f := newPool(t, compute.Options{MaxMemoryMB: 1024, FreezeAfter: time.Millisecond}, fake)
	fn := function(t, "provided.al2023", "x", "bootstrap", "#!/bin/sh\n")
	f.call(t, fn, "id", "1")
	until(t, "tried", func() bool { return script.count("freeze") == 1 })
	if got := f.call(t, fn, "id", "2"); string(got.Payload) != "2" || len(fake.Booted()) != 1 || script.count("thaw") != 0 {
		t.Errorf("%s after %d boots, %d thaws", got.Payload, len(fake.Booted()), script.count("thaw"))
	}
}

func TestScriptedExits(t *testing.T) {
	for want, exit := range map[string]sandbox.Exit{
		`{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: id Error: Runtime exited with error: signal: killed"}`:           {Code: -1, Signal: "killed", OOM: true},
		`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: Runtime exited with error: signal: segmentation fault"}`: {Code: -1, Signal: "segmentation fault"},
		`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: Runtime exited with error: exit status 127"}`:            {Code: 127},
		`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: Runtime exited without providing a reason"}`:             {},
	} {
		fake := &sandboxtest.Fake{Program: runtimeClient(func(string) (string, *sandbox.Exit) { return "", &exit }), Readings: sandbox.Stats{MaxMemoryMB: 99}}
		f := newPool(t, optionsForTest(), fake)
		fn := function(t, "provided.al2023", "x", "bootstrap", "#!/bin/sh\n")
		out := f.call(t, fn, "id", "1")
		if string(out.Payload) != want || out.Attempt.MaxMemoryUsedMB != 99 || !strings.Contains(string(out.LogTail), "Max Memory Used: 99 MB\t") {
			t.Errorf("%s\n%s, want %s", out.Payload, out.LogTail, want)
		}
	}
}

// Many callers of several functions at once, with deaths in between: every call gets its own answer.
func TestManyCallers(t *testing.T) {
	var n atomic.Int64
	fake := &sandboxtest.Fake{Program: runtimeClient(func(payload string) (string, *sandbox.Exit) {
		if n.Add(1)%50 == 0 {
			return "", &sandbox.Exit{Code: 3}
		}
		return payload, nil
	})}
	f := newPool(t, compute.Options{MaxMemoryMB: 10 * 128, FreezeAfter: time.Millisecond}, fake)
	fns := make([]*lambda.Configuration, 4)
	for i := range fns {
		fns[i] = function(t, "provided.al2023", "x", "bootstrap", "#!/bin/sh\n")
		fns[i].Function.Name = fmt.Sprint("f", i)
	}
	var wait sync.WaitGroup
	for caller := range 8 {
		wait.Go(func() {
			for i := range 100 {
				want := fmt.Sprintf("%d-%d", caller, i)
				out, err := f.Invoke(context.Background(), compute.Invocation{Config: fns[(caller+i/10)%4], RequestID: want, Payload: []byte(want)})
				if err != nil {
					t.Errorf("%s: %v", want, err)
				} else if string(out.Payload) != want && out.Attempt.ErrorType != "Runtime.ExitError" {
					t.Errorf("%s: %s", want, out.Payload)
				}
			}
		})
	}
	wait.Wait()
}
