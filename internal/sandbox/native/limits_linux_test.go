package native

import (
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
)

func TestOutOfMemory(t *testing.T) {
	d := newDriver(t)
	rt, exe := python(t)
	e := boot(t, d, rt, usual)
	assign(t, e, emptyCode(t), exe, "-c", "x = bytearray(10 << 20); y = bytearray(b'x') * (300 << 20)")
	if x := waitExit(t, e); x != (sandbox.Exit{Code: -1, Signal: "killed", OOM: true}) {
		t.Errorf("exit %+v", x)
	}
	s, err := e.Stats()
	if err != nil || s.MaxMemoryMB != usual.MemoryMB {
		t.Errorf("stats %+v: %v", s, err)
	}
}

// A child that is ended for want of memory takes the whole environment with it.
func TestOutOfMemoryInAChild(t *testing.T) {
	d := newDriver(t)
	rt, exe := python(t)
	begin := time.Now()
	_, x := run(t, d, rt, usual, emptyCode(t), "/bin/sh", "-c", exe+" -c 'y = bytearray(b\"x\") * (300 << 20)'; sleep 1000")
	if x != (sandbox.Exit{Code: -1, Signal: "killed", OOM: true}) {
		t.Errorf("exit %+v", x)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// Three times a small function's memory goes to /tmp; past its size there is ENOSPC.
func TestTempIsDiskNotMemory(t *testing.T) {
	d := newDriver(t)
	shape := sandbox.Shape{Account: usual.Account, MemoryMB: 128, EphemeralMB: 512}
	out, x := shell(t, d, shape, "dd if=/dev/zero of=/tmp/a bs=1M count=300 2>&1 | tail -1; dd if=/dev/zero of=/tmp/b bs=1M count=208 2>/dev/null || echo too small; dd if=/dev/zero of=/tmp/c bs=1M count=100; df -m /tmp")
	if x.OOM || x.Code != 0 || !strings.Contains(out, "314572800 bytes") || !strings.Contains(out, "No space left on device") || strings.Contains(out, "too small") {
		t.Errorf("exit %+v, output:\n%s", x, out)
	}
	e := boot(t, d, provided, shape)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", "dd if=/dev/zero of=/tmp/a bs=1M count=300 2>/dev/null")
	waitExit(t, e)
	if s, err := e.Stats(); err != nil || s.MaxMemoryMB > 100 {
		t.Errorf("stats %+v: %v", s, err)
	}
}

func TestTempCanBeExecuted(t *testing.T) {
	out, x := shell(t, newDriver(t), usual, "printf '#!/bin/sh\necho ran' >/tmp/x && chmod +x /tmp/x && /tmp/x")
	if out != "ran\n" || x.Code != 0 {
		t.Errorf("exit %+v, output %q", x, out)
	}
}

// Shared memory counts as memory.
func TestSharedMemoryIsLimited(t *testing.T) {
	_, x := shell(t, newDriver(t), usual, "dd if=/dev/zero of=/dev/shm/a bs=1M count=200; sleep 1000")
	if !x.OOM {
		t.Errorf("exit %+v", x)
	}
}

func TestForkBomb(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	collect(t, e)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", "b() { b | b & }; while :; do b; done 2>/dev/null")
	waitFor(t, "the bomb", func() bool { return len(pids(t, e)) > 500 || len(e.Exits()) > 0 })
	if n := len(pids(t, e)); n > maxProcesses {
		t.Errorf("%d processes", n)
	}
	begin := time.Now()
	destroy(t, e)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("ending it took %v", took)
	}
	atBaseline(t, d)
}

func TestProcessesAndFilesAreCounted(t *testing.T) {
	d := newDriver(t)
	rt, exe := python(t)
	shape := usual
	shape.MemoryMB = 1024
	out, _ := run(t, d, rt, shape, emptyCode(t), exe, "-c", `
import os, resource, signal
n = 0
try:
    while True:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        n += 1
except OSError as e:
    print(e.errno, n < 1024, n > 900)
fds = []
try:
    while True:
        fds.append(os.dup(0))
except OSError as e:
    print(e.errno, len(fds) < 1024)
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os._exit(0)`)
	if out != "11 True True\n24 True\n(1024, 1024) (0, 0)\n" {
		t.Errorf("output %q", out)
	}
}

// A function that writes without end, and nobody reads, stands still and harms nobody.
func TestUnreadOutputBlocksTheFunctionOnly(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")
	waitFor(t, "a full pipe", func() bool { return e.unread() > 60<<10 })
	if err := e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	destroy(t, e)
}
