package native

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/sandbox"
)

const ownMounts = "LAMBENT_TEST_OWN_MOUNTS"

// inOwnMounts runs the calling test once more, in a process with a mount namespace of its own,
// where it may mount what it likes. It answers whether this is that process.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownMounts) != "" {
		return true
	}
	newDriver(t) // skips where it must
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// mountTmpfs mounts one at dir until the test ends. The caller is in its own mounts.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill leaves no room in dir; the answer makes some again.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := 1 << 20; block > 0; block >>= 1 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, block))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func writable(path string) bool {
	err := os.WriteFile(path, []byte("x"), 0o600)
	return errors.Join(err, os.Remove(path)) == nil
}

// Environments are made while the disk of the state directory is full: of a size that is known,
// and of one that is not. /tmp has its size, and ends there.
func TestFullDisk(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	disk := t.TempDir()
	mountTmpfs(t, disk, "size=192m,mode=700")
	state := filepath.Join(disk, "state")
	var log bytes.Buffer
	d := newDriver(t, func(o *Options) {
		o.StateDir = state
		o.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(&log, t.Output()), nil))
	})
	if len(d.records.memory) == 0 {
		t.Skip("this host has no tmpfs for records")
	}
	size := func(mb int) sandbox.Shape { return sandbox.Shape{Account: "1", MemoryMB: 64, EphemeralMB: mb} }
	episodes := func(want int) {
		t.Helper()
		if n := strings.Count(log.String(), "the disk is full"); n != want {
			t.Errorf("a full disk was said %d times, not %d:\n%s", n, want, log.String())
		}
	}
	attached := func(e *environment) {
		t.Helper()
		if loops, err := d.disks.loops(); err != nil || len(loops) != 1 || loops[e.disk.path] != e.disk.loop {
			t.Errorf("loop devices %v, want %d of %s: %v", loops, e.disk.loop, e.disk.path, err)
		}
	}
	before := boot(t, d, provided, size(64))
	attached(before)
	if !before.disk.kept {
		t.Errorf("with room on the disk, /tmp is at %s", before.disk.path)
	}
	destroy(t, before)
	episodes(0)
	empty := fill(t, disk)
	for _, mb := range []int{64, 48, 64, 48} {
		if writable(filepath.Join(disk, "more")) {
			t.Fatal("the disk is not full")
		}
		e := boot(t, d, provided, size(mb))
		if e.disk.kept {
			t.Errorf("on a full disk, /tmp is at %s", e.disk.path)
		}
		attached(e)
		if n, err := d.Recover(t.Context()); n != 0 || err != nil {
			t.Errorf("recovered %d: %v", n, err)
		}
		checkTemp(t, e)
		atBaseline(t, d)
	}
	episodes(1)
	empty()
	after := boot(t, d, provided, size(48))
	if !after.disk.kept {
		t.Errorf("with room again, /tmp is at %s", after.disk.path)
	}
	fill(t, disk)
	boot(t, d, provided, size(64))
	episodes(2)
}

// checkTemp fills /tmp, which is the function's own and empty, takes all but its last megabyte and
// ends there.
func checkTemp(t *testing.T, e *environment) {
	t.Helper()
	mb := e.shape.EphemeralMB
	output := collect(t, e)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", fmt.Sprintf("id -u; stat -c %%u:%%a /tmp; ls -A /tmp; dd if=/dev/zero of=/tmp/a bs=1M count=%d 2>&1 | grep copied; dd if=/dev/zero of=/tmp/b bs=1M count=20 2>&1", mb-1))
	waitExit(t, e)
	out := output()
	if want := fmt.Sprintf("993\n993:700\n%d bytes", (mb-1)<<20); !strings.HasPrefix(out, want) || !strings.Contains(out, "No space left on device") {
		t.Errorf("/tmp of %d MB:\n%s", mb, out)
	}
}

// What a killed server made on a full disk is found and ended by the next.
func TestRecoverOnAFullDisk(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	disk, code := t.TempDir(), emptyCode(t)
	mountTmpfs(t, disk, "size=192m,mode=700")
	state := filepath.Join(disk, "state")
	own := func(o *Options) { o.StateDir = state }
	if first := newDriver(t, own); len(first.records.memory) == 0 {
		t.Skip("this host has no tmpfs for records")
	} else if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, disk)
	killParent(t, state, code, "frozen")
	d := newDriver(t, own)
	if survivors, err := d.records.all(); err != nil || len(survivors) != 5 {
		t.Errorf("records %+v: %v", survivors, err)
	}
	if n, err := d.Recover(t.Context()); n != 5 || err != nil {
		t.Errorf("recovered %d: %v", n, err)
	}
	atBaseline(t, d)
	boot(t, d, provided, usual)
}

// Records are of one state directory alone, and are not left lying about.
func TestRecordsInMemory(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	const parent = "/run/lambent"
	mountTmpfs(t, "/run", "size=1m,mode=755")
	at := func(dir string) func(*Options) { return func(o *Options) { o.StateDir = dir } }
	state := t.TempDir()
	d, other := newDriver(t, at(state)), newDriver(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(state, link); err != nil {
		t.Fatal(err)
	}
	if again, err := openRecords(d.options.StateDir, "another"); err != nil || again.memory[0] == d.records.memory[0] {
		t.Errorf("a folder of the same path but another content has the records %+v: %v", again, err)
	} else {
		again.close()
	}
	e := boot(t, d, provided, usual)
	assign(t, e, emptyCode(t), "/bin/sleep", "1000")
	dir := d.records.memory[0]
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(dir) != parent {
		t.Errorf("records at %s: %v %v", dir, info, err)
	}
	if _, err := os.Stat(recordPath(dir, e.name)); err != nil {
		t.Error(err)
	}
	if n, err := other.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("another server recovered %d: %v", n, err)
	}
	if len(pids(t, e)) == 0 {
		t.Error("another server's environment was ended")
	}
	if err := errors.Join(other.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(parent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s stays behind: %v", parent, err)
	}
	same := newDriver(t, at(link))
	if same.records.memory[0] != dir {
		t.Errorf("by way of a link, the records are at %s and not at %s", same.records.memory[0], dir)
	}
}

// A reboot takes the records; the files of disks are found all the same. Records that an earlier
// process had to keep on the disk are read, too.
func TestRecoverAfterAReboot(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	mountTmpfs(t, "/run", "size=1m,mode=755")
	state, code := t.TempDir(), emptyCode(t)
	killParent(t, state, code, "running")
	mountTmpfs(t, "/run", "size=1m,mode=755") // another one, over the first
	d := newDriver(t, func(o *Options) { o.StateDir = state })
	if survivors, err := d.records.all(); err != nil || len(survivors) != 0 {
		t.Errorf("records %+v: %v", survivors, err)
	}
	if err := writeRecord(recordPath(d.records.disk, "older"), []byte(`{"name":"older","slot":3}`)); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Recover(t.Context()); n != 6 || err != nil {
		t.Errorf("recovered %d: %v", n, err)
	}
	atBaseline(t, d)
}

// A folder that others could have put there is not believed, and a full one hinders nobody.
func TestRecordsGoElsewhere(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	mountTmpfs(t, "/run", "size=64k,mode=755")
	mountTmpfs(t, "/dev/shm", "size=1m,mode=1777")
	if err := os.Mkdir("/dev/shm/lambent", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown("/dev/shm/lambent", 1000, 1000); err != nil {
		t.Fatal(err)
	}
	d := newDriver(t)
	fill(t, "/run")
	e := boot(t, d, provided, usual)
	if len(d.records.memory) != 1 || filepath.Dir(d.records.memory[0]) != "/run/lambent" {
		t.Errorf("records at %v", d.records.memory)
	}
	if _, err := os.Stat(recordPath(d.records.disk, e.name)); err != nil {
		t.Error(err)
	}
	destroy(t, e)
	atBaseline(t, d)
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if none := newDriver(t); len(none.records.memory) != 0 {
		t.Errorf("records at %v", none.records.memory)
	}
}

// An interpreter is shown, and what lies beside and above it on the host is not told.
func TestFoldersAboveInterpretersAreNotListed(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	mountTmpfs(t, "/srv", "mode=755")
	for _, dir := range []string{"/srv/own/versions/1", "/srv/own/versions/2"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "program"), []byte("#!/bin/sh\necho ran "+filepath.Base(dir)+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := newDriver(t)
	shown := sandbox.Runtime{Name: "own", Interpreters: []string{"/srv/own/versions/1", "/srv/own/versions/2"}}
	out, _ := run(t, d, shown, usual, emptyCode(t), "/bin/sh", "-c", `
for v in 1 2; do ls /srv/own/versions/$v; /srv/own/versions/$v/program; done
for dir in /srv /srv/own /srv/own/versions; do ls $dir 2>/dev/null && echo listed $dir; done
ls /home /opt /mnt /usr/bin >/dev/null && ls / | grep srv`)
	if out != "program\nran 1\nprogram\nran 2\nsrv\n" {
		t.Errorf("output:\n%s", out)
	}
}
