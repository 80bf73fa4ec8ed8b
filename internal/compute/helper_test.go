package compute_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/interpreter"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/native"
)

var dataDir string // shared: interpreters are asked once

func TestMain(m *testing.M) {
	if native.IsInit(os.Args) {
		native.InitMain()
	}
	dir, err := os.MkdirTemp("", "compute")
	if err != nil {
		panic(err)
	}
	dataDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// folders answers code by the folder's own name.
type folders struct{}

func (folders) Dir(sha string) (string, error) { return sha, nil }

// memoryLogs keeps all lines of all streams.
type memoryLogs struct {
	mu    sync.Mutex
	lines []string
	bytes int
	fail  error
}

func (l *memoryLogs) Open(lambda.FunctionID, string) (string, io.WriteCloser, error) {
	return "2026/11/25/[$LATEST]0123", l, l.fail
}
func (l *memoryLogs) Close() error { return nil }
func (l *memoryLogs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Count(string(p), "\n") != 1 || p[len(p)-1] != '\n' {
		return 0, fmt.Errorf("not one line: %q", p)
	}
	l.bytes += len(p)
	if l.bytes < 1<<20 {
		l.lines = append(l.lines, string(p))
	}
	return len(p), nil
}
func (l *memoryLogs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

type fixture struct {
	*compute.Pool
	logs *memoryLogs
	seen *counting // nil where the test brought its own driver
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// finder is shared by all tests of the package.
var finder = sync.OnceValue(func() *interpreter.Finder {
	return interpreter.New(interpreter.Options{DataDir: dataDir, Path: os.Getenv("PATH"), Home: os.Getenv("HOME")}, quiet())
})

// newPool starts a pool on a driver and ends it with the test; nil is plain processes, counted.
func newPool(t testing.TB, o compute.Options, driver sandbox.Driver) *fixture {
	t.Helper()
	f := &fixture{logs: &memoryLogs{}}
	if driver == nil {
		f.seen = &counting{Driver: newProcess(t)}
		driver = f.seen
	}
	f.Pool = compute.New(o, driver, finder(), folders{}, f.logs, clock.System, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if f.seen != nil && f.seen.alive.Load() != 0 {
			t.Errorf("%d environments are left", f.seen.alive.Load())
		}
	})
	return f
}

// function writes files into a folder and answers a configuration that runs them.
func function(t testing.TB, runtime, handler string, files ...string) *lambda.Configuration {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(files[i], "bootstrap") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(files[i+1]), mode); err != nil {
			t.Fatal(err)
		}
	}
	return &lambda.Configuration{
		Function: lambda.FunctionID{Account: "123456789012", Region: "us-east-1", Name: "f"},
		Version:  "$LATEST", Runtime: runtime, Handler: handler, TimeoutSec: 3, MemoryMB: 128, EphemeralMB: 512,
		CodeSHA256: dir, RevisionID: "r1", Logging: lambda.Logging{Format: "Text", Group: "/aws/lambda/f"},
	}
}

func (f *fixture) call(t testing.TB, c *lambda.Configuration, id, payload string) lambda.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	out, err := f.Invoke(ctx, compute.Invocation{Config: c, RequestID: id, Payload: []byte(payload)})
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	return out
}

func optionsForTest() compute.Options { return compute.Options{MaxMemoryMB: 4096} }
