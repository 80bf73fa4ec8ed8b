package process_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/process"
	"lambent.dev/lambent/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) sandbox.Driver {
	t.Helper()
	d, err := process.New(process.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// short makes a folder whose name leaves room for a socket's.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "process")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestConformance(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver { return open(t, short(t)) },
		sandboxtest.Capabilities{LimitsMemory: runtime.GOOS == "linux", EndsStrays: runtime.GOOS == "linux", Reopen: open})
}

func TestNewWarns(t *testing.T) {
	var log bytes.Buffer
	_, err := process.New(process.Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "ISOLATES NOTHING") {
		t.Errorf("%v %q", err, log.String())
	}
	if _, err := process.New(process.Options{Dir: "relative"}); err == nil {
		t.Error("a relative folder is not refused")
	}
}

// A folder too deep for a socket's name leaves TCP alone, and nothing fails.
func TestLongFolder(t *testing.T) {
	d := open(t, filepath.Join(short(t), strings.Repeat("x", 120)))
	b := boot(t, d)
	if b.Endpoint().Socket != "" || b.Endpoint().Address == "" || len(b.Listeners()) != 1 {
		t.Errorf("%+v with %d listeners", b.Endpoint(), len(b.Listeners()))
	}
}

func TestRoot(t *testing.T) {
	d := open(t, short(t))
	b := boot(t, d)
	for path, want := range map[string]bool{
		"/var/task": true, "/var/task/a/b": true, "/tmp": true, "/tmp/x": true, "/var/runtime/bootstrap.py": true,
		"/var/tasks": false, "/tmpfs": false, "/opt": false, "/usr/bin/python3": false,
	} {
		if got := b.Root(path); (got != path) != want {
			t.Errorf("Root(%s) is %s", path, got)
		}
	}
	if got := b.Root("/var/runtime/x"); got != "/client/x" {
		t.Errorf("the client is at %s", got)
	}
}

func boot(t *testing.T, d sandbox.Driver) sandbox.Sandbox {
	t.Helper()
	b, err := d.Boot(t.Context(), sandbox.Runtime{Name: "provided", Client: "/client"}, sandbox.Shape{MemoryMB: 128, EphemeralMB: 512})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Destroy()
		<-b.Gone()
		b.Output().Close()
	})
	return b
}

func TestAssignRefuses(t *testing.T) {
	code := t.TempDir()
	for name, a := range map[string]sandbox.Assignment{
		"no command":       {Code: code},
		"relative command": {Code: code, Command: []string{"true"}},
		"no code":          {Code: code + "/missing", Command: []string{"/bin/sh"}},
	} {
		b := boot(t, open(t, short(t)))
		if err := b.Assign(t.Context(), a); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}
