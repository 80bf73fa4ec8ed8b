package compute_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/lambda"
)

const counter = `
import os
n = 0
def handler(e, c):
    global n
    n += 1
    if e and e.get('exit_after'):
        import threading, time
        threading.Timer(e['exit_after'], lambda: os._exit(9)).start()
    return [os.getpid(), n]
`

// until waits for a condition, with a deadline.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestReuseNewestFirst(t *testing.T) {
	f := newPool(t, optionsForTest(), nil)
	c := function(t, python, "app.handler", py(counter)...)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() { f.call(t, c, "id", "{}") })
	}
	wait.Wait()
	boots := f.seen.boots.Load()
	first := strings.SplitN(string(f.call(t, c, "a", "{}").Payload), ",", 2)[0]
	for range 5 {
		again := string(f.call(t, c, "b", "{}").Payload)
		if !strings.HasPrefix(again, first+",") {
			t.Errorf("another environment: %s after %s", again, first)
		}
	}
	if f.seen.boots.Load() != boots {
		t.Errorf("%d boots, had %d", f.seen.boots.Load(), boots)
	}
}

func TestNoReuseAcrossKeys(t *testing.T) {
	f := newPool(t, optionsForTest(), nil)
	base := function(t, python, "app.handler", py(counter)...)
	changes := map[string]func(*lambda.Configuration){
		"account":                func(c *lambda.Configuration) { c.Function.Account = "210987654321" },
		"region":                 func(c *lambda.Configuration) { c.Function.Region = "eu-west-1" },
		"name":                   func(c *lambda.Configuration) { c.Function.Name = "g" },
		"version":                func(c *lambda.Configuration) { c.Version = "1" },
		"revision":               func(c *lambda.Configuration) { c.RevisionID = "r2" },
		"memory":                 func(c *lambda.Configuration) { c.MemoryMB = 256 },
		"environment":            func(c *lambda.Configuration) { c.Environment = map[string]string{"AB": "C"} },
		"environment, other cut": func(c *lambda.Configuration) { c.Environment = map[string]string{"A": "BC"} },
	}
	f.call(t, base, "id", "{}")
	for name, change := range changes {
		c := *base
		change(&c)
		if got := string(f.call(t, &c, "id", "{}").Payload); !strings.HasSuffix(got, " 1]") {
			t.Errorf("%s: an environment was shared: %s", name, got)
		}
	}
	if got := string(f.call(t, base, "id", "{}").Payload); !strings.HasSuffix(got, " 2]") {
		t.Errorf("no reuse: %s", got)
	}
}

func TestIdleDeathIsNotMet(t *testing.T) {
	f := newPool(t, compute.Options{MaxMemoryMB: 4096, FreezeAfter: -1}, nil)
	c := function(t, python, "app.handler", py(counter)...)
	for i := range 6 {
		delay, soon := "0.05", i%2 == 1
		if soon {
			delay = "0.001" // dies while the next call may be taking it
		}
		out := f.call(t, c, "id", `{"exit_after": `+delay+`}`)
		// A runtime may take an event and then die of its own doing: that is the function's.
		if out.FunctionError != "" && (soon || out.Attempt.ErrorType != "Runtime.ExitError") {
			t.Errorf("call %d: %s", i, out.Payload)
		}
		if !soon {
			until(t, "the idle one is buried", func() bool { return f.seen.alive.Load() == 0 })
		}
	}
}

func TestFreezeThawRetire(t *testing.T) {
	f := newPool(t, compute.Options{MaxMemoryMB: 4096, FreezeAfter: 10 * time.Millisecond}, nil)
	c := function(t, python, "app.handler", py(counter)...)
	f.call(t, c, "id", "{}")
	until(t, "frozen", func() bool { return f.seen.freeze.Load() == 1 })
	if got := string(f.call(t, c, "id", "{}").Payload); !strings.HasSuffix(got, " 2]") {
		t.Errorf("not the same environment: %s", got)
	}
	if f.seen.thaw.Load() != 1 {
		t.Errorf("%d thaws", f.seen.thaw.Load())
	}
	other := function(t, python, "app.handler", py(counter)...)
	other.Function.Name = "other"
	f.call(t, other, "id", "{}")
	f.Retire(c.Function)
	until(t, "retired", func() bool { return f.seen.alive.Load() == 1 })
}

func TestRetireBusy(t *testing.T) {
	f := newPool(t, optionsForTest(), nil)
	c := function(t, python, "app.handler", py("import time\ndef handler(e, c):\n    time.sleep(0.3)\n    return 1\n")...)
	done := make(chan lambda.Outcome)
	go func() { done <- f.call(t, c, "id", "{}") }()
	until(t, "started", func() bool { return strings.Contains(f.logs.String(), "START RequestId: id") })
	f.Retire(c.Function)
	if out := <-done; string(out.Payload) != "1" {
		t.Errorf("a busy environment was ended: %s", out.Payload)
	}
	until(t, "ended after its call", func() bool { return f.seen.alive.Load() == 0 })
}

func TestIdleTimeout(t *testing.T) {
	f := newPool(t, compute.Options{MaxMemoryMB: 4096, IdleTimeout: 100 * time.Millisecond}, nil)
	c := function(t, python, "app.handler", py(counter)...)
	f.call(t, c, "id", "{}")
	until(t, "ended", func() bool { return f.seen.alive.Load() == 0 })
}

func TestMemoryBound(t *testing.T) {
	f := newPool(t, compute.Options{MaxMemoryMB: 256}, nil)
	sleeper := "import time\ndef handler(e, c):\n    time.sleep(e.get('s', 0))\n"
	a, b, x := function(t, python, "app.handler", py(sleeper)...), function(t, python, "app.handler", py(sleeper)...), function(t, python, "app.handler", py(sleeper)...)
	a.Function.Name, b.Function.Name, x.Function.Name = "a", "b", "x"
	f.call(t, a, "id", "{}")
	f.call(t, b, "id", "{}")
	f.call(t, a, "id", "{}") // b is now the least recently used
	f.call(t, x, "id", "{}")
	boots := f.seen.boots.Load()
	if f.call(t, a, "id", "{}"); f.seen.boots.Load() != boots {
		t.Error("the wrong one was ended")
	}
	var full atomic.Int64
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			_, err := f.Invoke(context.Background(), compute.Invocation{Config: b, RequestID: "id", Payload: []byte(`{"s": 1}`)})
			var e *lambda.Error
			if errors.As(err, &e) {
				full.Add(1)
				if e.Kind != lambda.TooManyRequests || e.Reason != lambda.ReasonConcurrency || e.RetryAfter <= 0 {
					t.Errorf("error %+v", e)
				}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if full.Load() != 2 {
		t.Errorf("%d of 4 refused, want 2", full.Load())
	}
	huge := *a
	huge.MemoryMB = 10240
	until(t, "room for one that is larger than all", func() bool {
		_, err := f.Invoke(context.Background(), compute.Invocation{Config: &huge, RequestID: "id", Payload: []byte("{}")})
		return err == nil
	})
}

func TestInitTimeoutIsRunAgain(t *testing.T) {
	f := newPool(t, compute.Options{MaxMemoryMB: 1024, InitTimeout: 200 * time.Millisecond}, nil)
	code := "import time, os, tempfile\nseen = tempfile.gettempdir() + '/seen'\nif not os.path.exists(seen):\n    open(seen, 'w').close()\n    time.sleep(60)\ndef handler(e, c): return 'second'\n"
	c := function(t, python, "app.handler", py(code)...)
	out := f.call(t, c, "id", "{}")
	if string(out.Payload) != `"second"` {
		t.Errorf("payload %s", out.Payload)
	}
	if log := f.logs.String(); !strings.Contains(log, "Phase: init\tStatus: timeout\n") {
		t.Errorf("log %s", log)
	}
	always := function(t, python, "app.handler", py("import time\ntime.sleep(60)\n")...)
	always.TimeoutSec = 1
	if out := f.call(t, always, "id", "{}"); string(out.Payload) != timedOut || out.Attempt.Status != lambda.StatusTimeout {
		t.Errorf("payload %s", out.Payload)
	}
}

func TestJSONLogs(t *testing.T) {
	f := newPool(t, optionsForTest(), nil)
	for runtime, c := range map[string]*lambda.Configuration{
		python: function(t, python, "app.handler", py("import logging\nlogging.getLogger().setLevel('INFO')\ndef handler(e, c):\n    logging.info('hello', extra={'n': 1})\n    if e: raise KeyError('k')\n")...),
		node:   function(t, node, "index.handler", js("exports.handler = async (e) => { console.log('hello'); console.debug('no'); if (e.fail) throw new Error('k'); };")...),
	} {
		c.Logging.Format = "JSON"
		tail := string(f.call(t, c, "id", `{"fail": true}`).LogTail)
		for _, want := range []string{`"type":"platform.start","record":{"requestId":"id","version":"$LATEST"}}`, `"type":"platform.report","record":{"requestId":"id","metrics":{"durationMs":`, `"status":"error"`, "hello", `"level":`, `"requestId":`} {
			if !strings.Contains(tail, want) {
				t.Errorf("%s: no %s in\n%s", runtime, want, tail)
			}
		}
		if strings.Contains(tail, "START RequestId") || strings.Contains(tail, `"no"`) {
			t.Errorf("%s: text in JSON log\n%s", runtime, tail)
		}
	}
	if log := f.logs.String(); !strings.Contains(log, `"type":"platform.initStart"`) {
		t.Errorf("log %s", log)
	}
}

func TestSandboxFailureIsInternal(t *testing.T) {
	f := newPool(t, optionsForTest(), nil)
	c := function(t, python, "app.handler", py(counter)...)
	f.seen.broken.Store(true)
	_, err := f.Invoke(context.Background(), compute.Invocation{Config: c, RequestID: "id", Payload: []byte("{}")})
	if lambda.KindOf(err) != lambda.Internal || !strings.Contains(err.Error(), "broken by the test") {
		t.Errorf("error %v", err)
	}
	f.seen.broken.Store(false)
	c.Runtime = "java21"
	_, err = f.Invoke(context.Background(), compute.Invocation{Config: c, RequestID: "id", Payload: []byte("{}")})
	if lambda.KindOf(err) != lambda.InvalidRuntime {
		t.Errorf("error %v", err)
	}
	c.Runtime = python
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = f.Invoke(ctx, compute.Invocation{Config: c, RequestID: "id", Payload: []byte("{}")}); lambda.KindOf(err) != lambda.Internal {
		t.Errorf("error %v", err)
	}
	f.call(t, c, "id", "{}") // nothing of it counts against the host's memory
}

func TestLogsThatCannotBeKept(t *testing.T) {
	f := newPool(t, optionsForTest(), nil)
	f.logs.fail = errors.New("disk full")
	c := function(t, python, "app.handler", py("def handler(e, c): print('seen')\n")...)
	if out := f.call(t, c, "id", "{}"); out.FunctionError != "" || !strings.Contains(string(out.LogTail), "seen\nEND") {
		t.Errorf("outcome %+v", out)
	}
}

func TestLogFloodIsBounded(t *testing.T) {
	f := newPool(t, compute.Options{MaxMemoryMB: 1024, LogBurstBytes: 1 << 20, LogBytesPerSecond: 1 << 10}, nil)
	c := function(t, python, "app.handler", py("import sys\ndef handler(e, c):\n    for i in range(5000): sys.stdout.write('y' * 999 + '\\n')\n    print('last')\n")...)
	c.TimeoutSec = 20
	out := f.call(t, c, "id", "{}")
	if !strings.Contains(string(out.LogTail), "last\nEND") {
		t.Errorf("tail %s", out.LogTail)
	}
	f.logs.mu.Lock()
	defer f.logs.mu.Unlock()
	end := strings.Join(f.logs.lines[len(f.logs.lines)-4:], "")
	if f.logs.bytes > 2<<20 || !strings.Contains(end, "bytes of log dropped here") {
		t.Errorf("%d bytes were logged, then %q", f.logs.bytes, end)
	}
}

func TestStopEndsAll(t *testing.T) {
	driver := &counting{Driver: newProcess(t)}
	p := compute.New(optionsForTest(), driver, finder(), folders{}, &memoryLogs{}, clock.System, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	c := function(t, python, "app.handler", py("import time\ndef handler(e, c):\n    time.sleep(e)\n")...)
	busy := make(chan error)
	go func() {
		_, err := p.Invoke(context.Background(), compute.Invocation{Config: c, RequestID: "id", Payload: []byte("60")})
		busy <- err
	}()
	if _, err := p.Invoke(context.Background(), compute.Invocation{Config: c, RequestID: "id", Payload: []byte("0")}); err != nil {
		t.Fatal(err)
	}
	until(t, "both started", func() bool { return driver.boots.Load() == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-busy; lambda.KindOf(err) != lambda.Internal && lambda.KindOf(err) != lambda.Unavailable || err == nil {
		t.Errorf("the busy call ended with %v", err)
	}
	if _, err := p.Invoke(context.Background(), compute.Invocation{Config: c, RequestID: "id", Payload: []byte("0")}); lambda.KindOf(err) != lambda.Unavailable {
		t.Errorf("a call after the stop ended with %v", err)
	}
	if driver.alive.Load() != 0 {
		t.Errorf("%d are left", driver.alive.Load())
	}
}

func BenchmarkWarm(b *testing.B) {
	for name, c := range map[string]*lambda.Configuration{
		"python": function(b, python, "app.handler", py("def handler(e, c): return e\n")...),
		"node":   function(b, node, "index.handler", js("exports.handler = async (e) => e;")...),
	} {
		b.Run(name, func(b *testing.B) {
			f := newPool(b, optionsForTest(), nil)
			f.call(b, c, "id", "{}")
			b.ReportAllocs()
			for b.Loop() {
				f.call(b, c, "id", `{"key": "value"}`)
			}
		})
	}
}

func BenchmarkCold(b *testing.B) {
	c := function(b, python, "app.handler", py("def handler(e, c): return e\n")...)
	f := newPool(b, optionsForTest(), nil)
	for b.Loop() {
		f.call(b, c, "id", "{}")
		f.Retire(c.Function)
	}
}
