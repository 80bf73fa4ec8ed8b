package native

import (
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
)

// deadline is how long a test waits for something that should happen at once.
const deadline = 30 * time.Second

var usual = sandbox.Shape{Account: "123456789012", MemoryMB: 128, EphemeralMB: 64}

// newDriver answers a driver for the test, or skips it where the host cannot have one.
func newDriver(t testing.TB, change ...func(*Options)) *Driver {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	o := Options{StateDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, c := range change {
		c(&o)
	}
	d, err := New(o)
	if err != nil {
		t.Skipf("this host cannot isolate: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func prepare(t testing.TB, d *Driver, r sandbox.Runtime) sandbox.Template {
	t.Helper()
	tm, err := d.Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

// boot answers an environment without code that ends with the test.
func boot(t testing.TB, d *Driver, r sandbox.Runtime, s sandbox.Shape) *environment {
	t.Helper()
	sb, err := d.Boot(t.Context(), prepare(t, d, r), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, sb) })
	e, ok := sb.(*environment)
	if !ok {
		t.Fatalf("boot answered a %T", sb)
	}
	return e
}

func destroy(t testing.TB, sb sandbox.Sandbox) {
	t.Helper()
	sb.Destroy()
	select {
	case <-sb.Gone():
	case <-time.After(deadline):
		t.Fatal("the environment does not go away")
	}
}

// emptyCode is a world-readable directory of code.
func emptyCode(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// selfCode is code with the test binary as bootstrap.
func selfCode(t testing.TB) string {
	t.Helper()
	dir := emptyCode(t)
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func assign(t testing.TB, e *environment, code string, command ...string) {
	t.Helper()
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	if err := e.Assign(t.Context(), sandbox.Assignment{Code: code, Command: command, Env: env}); err != nil {
		t.Fatal(err)
	}
}

func waitExit(t testing.TB, e *environment) sandbox.Exit {
	t.Helper()
	select {
	case x, ok := <-e.Exits():
		if !ok {
			t.Fatal("exits are closed")
		}
		return x
	case <-time.After(deadline):
		t.Fatal("the process does not end")
	}
	return sandbox.Exit{}
}

// collect reads all output of an environment in the background; the answer waits for its end.
func collect(t testing.TB, e *environment) func() string {
	t.Helper()
	done := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(e.Output())
		done <- string(b)
	}()
	return func() string {
		t.Helper()
		destroy(t, e)
		return <-done
	}
}

// run runs a command in an environment of its own and answers its output and end.
func run(t testing.TB, d *Driver, r sandbox.Runtime, s sandbox.Shape, code string, command ...string) (string, sandbox.Exit) {
	t.Helper()
	e := boot(t, d, r, s)
	output := collect(t, e)
	assign(t, e, code, command...)
	x := waitExit(t, e)
	return output(), x
}

// shell is run with a shell script.
func shell(t testing.TB, d *Driver, s sandbox.Shape, script string) (string, sandbox.Exit) {
	t.Helper()
	return run(t, d, provided, s, emptyCode(t), "/bin/sh", "-c", script)
}

var provided = sandbox.Runtime{Name: "provided.al2023"}

// python answers the host's interpreter as a runtime, and its path.
func python(t testing.TB) (sandbox.Runtime, string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.prefix); print(sys.executable)").Output()
	if err != nil {
		t.Skipf("no python3 on this host: %v", err)
	}
	lines := strings.Fields(string(out))
	return sandbox.Runtime{Name: "python3", Interpreters: lines[:1]}, lines[1]
}
