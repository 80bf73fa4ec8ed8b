package compute_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox/native"
)

// newNative answers the real driver, or skips where this host can't have it.
func newNative(t testing.TB) *native.Driver {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	d, err := native.New(native.Options{StateDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Skipf("this host can't isolate: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if _, err := d.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNativePython(t *testing.T) { runScenarios(t, newNative(t), python, pythonScenarios) }
func TestNativeNode(t *testing.T)   { runScenarios(t, newNative(t), node, nodeScenarios) }
func TestNativeCustom(t *testing.T) {
	runScenarios(t, newNative(t), "provided.al2023", customScenarios)
}

// What only a driver that isolates can do.
func TestNativeLimits(t *testing.T) {
	runScenarios(t, newNative(t), python, []scenario{
		{name: "out of memory", files: py("def handler(e, c):\n    print('eating')\n    a = bytearray(300 << 20)\n    for i in range(0, len(a), 4096): a[i] = 1\n"), timeout: 10,
			kind: "Runtime.OutOfMemory", want: `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: id Error: Runtime exited with error: signal: killed"}`,
			log: []string{"eating\nEND", "Status: error\tError Type: Runtime.OutOfMemory\t\n"}},
		{name: "out of memory in init", files: py("a = bytearray(300 << 20)\nfor i in range(0, len(a), 4096): a[i] = 1\n"), timeout: 10, kind: "Runtime.OutOfMemory",
			want: `{"errorType":"Runtime.OutOfMemory",...`},
		{name: "forks without end", files: py("import os\ndef handler(e, c):\n    while True:\n        try: os.fork()\n        except OSError: pass\n"), timeout: 1, memory: 3008,
			kind: "Sandbox.Timedout", status: lambda.StatusTimeout, want: timedOut},
		{name: "fills /tmp", files: py("def handler(e, c):\n    try:\n        with open('/tmp/f', 'wb') as f:\n            for i in range(600): f.write(b'x' * (1 << 20))\n    except OSError as e: return e.errno\n"), timeout: 20, want: "28", slow: true},
		{name: "300 MB in /tmp", files: py("def handler(e, c):\n    with open('/tmp/f', 'wb') as f:\n        for i in range(300): f.write(b'x' * (1 << 20))\n    return 'whole'\n"), timeout: 20, want: `"whole"`},
		{name: "who and where", files: py("import os\ndef handler(e, c):\n    try: open('/var/task/x', 'w')\n    except OSError as x: w = x.errno\n    return [os.getuid() != 0, os.getcwd(), w, os.environ['LAMBDA_TASK_ROOT'], os.environ['AWS_LAMBDA_RUNTIME_API']]\n"),
			want: `[true, "/var/task", 30, "/var/task", "127.0.0.1:9001"]`},
	})
}

// A custom runtime finds the host's interpreters on its PATH.
func TestNativeCustomSeesInterpreters(t *testing.T) {
	f := newPool(t, optionsForTest(), newNative(t))
	c := function(t, "provided.al2023", "x", "bootstrap", shellBootstrap("response", `"$(for p in python3.9 python3.12 node; do command -v $p > /dev/null && $p --version | tr -d '\n '; done)"`))
	out := f.call(t, c, "id", "{}")
	if got := string(out.Payload); !strings.Contains(got, "Python3.12") {
		t.Errorf("payload %s\n%s", got, out.LogTail)
	}
}

func BenchmarkNative(b *testing.B) {
	for name, c := range map[string]*lambda.Configuration{
		"python": function(b, python, "app.handler", py("def handler(e, c): return e\n")...),
		"node":   function(b, node, "index.handler", js("exports.handler = async (e) => e;")...),
	} {
		f := newPool(b, optionsForTest(), newNative(b))
		b.Run(name+"/warm", func(b *testing.B) {
			f.call(b, c, "id", "{}")
			for b.Loop() {
				f.call(b, c, "id", `{"key": "value"}`)
			}
		})
		b.Run(name+"/cold", func(b *testing.B) {
			for b.Loop() {
				f.call(b, c, "id", "{}")
				f.Retire(c.Function)
			}
		})
	}
}

// BenchmarkNativeThaw is a call that finds its environment frozen.
func BenchmarkNativeThaw(b *testing.B) {
	c := function(b, python, "app.handler", py("def handler(e, c): return e\n")...)
	driver := &counting{Driver: newNative(b)}
	f := newPool(b, compute.Options{MaxMemoryMB: 1024, FreezeAfter: time.Millisecond}, driver)
	f.call(b, c, "id", "{}")
	var asleep int64
	for b.Loop() {
		b.StopTimer()
		asleep++
		until(b, "frozen", func() bool { return driver.freeze.Load() >= asleep })
		b.StartTimer()
		f.call(b, c, "id", "{}")
	}
	b.ReportMetric(float64(driver.thaw.Load())/float64(b.N), "thaws/op")
}
