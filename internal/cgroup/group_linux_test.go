package cgroup

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 10 * time.Second

func openTree(t *testing.T) *Tree {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	tree, err := Open("lambent-test", "t"+filepath.Base(t.TempDir()))
	if err != nil {
		t.Skipf("no cgroups here: %v", err)
	}
	t.Cleanup(func() {
		if err := tree.Remove(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

func create(t *testing.T, tree *Tree, name string, l Limits) *Group {
	t.Helper()
	g, err := tree.Create("123456789012", name, l)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// inside starts a shell in the group that reads a line before it runs the script. The line is
// sent when it has joined.
func inside(t *testing.T, g *Group, script string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "read line; "+script)
	dir, err := g.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if dir != nil {
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	tasks, err := g.Tasks()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tasks {
		if _, err := f.WriteString(strconv.Itoa(cmd.Process.Pid)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

func TestLimitsWatchAndCount(t *testing.T) {
	tree := openTree(t)
	g := create(t, tree, "oom", ForMemory(32, 10))
	defer remove(t, g)
	event, err := g.WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	cmd, _ := inside(t, g, "x=a; while :; do x=$x$x; done")
	awaitEvent(t, event)
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("ended with %v", err)
	}
	if n, err := g.OOMKills(); n != 1 || err != nil {
		t.Errorf("%d kills: %v", n, err)
	}
	peak, err := g.Peak()
	if err != nil || peak < 16<<20 || peak > 32<<20 {
		t.Errorf("peak %d: %v", peak, err)
	}
	if err := g.ResetPeak(); err != nil {
		t.Error(err)
	}
	if after, err := g.Peak(); err != nil || !tree.v2 && after > peak/2 {
		t.Errorf("peak %d after a reset: %v", after, err)
	}
}

func awaitEvent(t *testing.T, event *os.File) {
	t.Helper()
	defer event.Close()
	if err := event.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := event.Read(make([]byte, 512)); err != nil {
		t.Errorf("no event: %v", err)
	}
}

// The way in which v2 tells of changes, on a control file that every v2 hierarchy has.
func TestWatchFile(t *testing.T) {
	g := create(t, openTree(t), "watch", ForMemory(64, 10))
	defer remove(t, g)
	if !g.hasV2() {
		t.Skip("no cgroup v2 here")
	}
	event, err := watchFile(filepath.Join(g.dirs[unified], "cgroup.events"))
	if err != nil {
		t.Fatal(err)
	}
	cmd, _ := inside(t, g, "exit 0")
	awaitEvent(t, event)
	_ = cmd.Wait()
}

func TestPidsAreLimited(t *testing.T) {
	g := create(t, openTree(t), "pids", ForMemory(64, 5))
	defer remove(t, g)
	cmd, out := inside(t, g, "for i in 1 2 3 4 5 6 7 8; do sleep 100 >/dev/null & done 2>/dev/null; wait")
	_, _ = out.ReadString('\n') // the shell gives up at the fifth process
	if err := cmd.Wait(); err == nil {
		t.Error("eight processes found room for five")
	}
	if pids, err := g.Pids(); err != nil || len(pids) != 4 {
		t.Errorf("processes %v: %v", pids, err)
	}
	if err := g.Kill(limit); err != nil {
		t.Error(err)
	}
}

func TestFreezeKillRemove(t *testing.T) {
	tree := openTree(t)
	g := create(t, tree, "freeze", ForMemory(64, 10))
	cmd, out := inside(t, g, "while read x; do echo $x; done")
	if err := g.Freeze(limit); err != nil {
		t.Fatal(err)
	}
	if err := g.Freeze(limit); err != nil {
		t.Errorf("freezing twice: %v", err)
	}
	pids, err := g.Pids()
	if err != nil || !slices.Contains(pids, cmd.Process.Pid) {
		t.Errorf("processes %v: %v", pids, err)
	}
	if err := g.Remove(50 * time.Millisecond); err == nil {
		t.Error("a group with processes was removed")
	}
	if err := g.Thaw(limit); err != nil {
		t.Fatal(err)
	}
	if err := g.Freeze(limit); err != nil {
		t.Fatal(err)
	}
	all, err := tree.Groups()
	if err != nil || len(all) != 1 || all[0].Name() != "freeze" {
		t.Fatalf("groups %v: %v", all, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if err := all[0].Kill(limit); err != nil { // frozen, and known from the directory only
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("ended by itself")
	}
	_, _ = out.ReadString('\n')
	remove(t, all[0])
	if all, err := tree.Groups(); err != nil || len(all) != 0 {
		t.Errorf("groups %v: %v", all, err)
	}
	remove(t, g) // nothing to do is no error
}

func TestCreateRefuses(t *testing.T) {
	tree := openTree(t)
	for _, name := range []string{"", "..", "a/b", strings.Repeat("x", 65)} {
		if _, err := tree.Create("1", name, ForMemory(64, 10)); err == nil {
			t.Errorf("%q was taken as a name", name)
		}
		if _, err := tree.Create(name, "1", ForMemory(64, 10)); err == nil {
			t.Errorf("%q was taken as an account", name)
		}
	}
	g := create(t, tree, "twice", ForMemory(64, 10))
	defer remove(t, g)
	if _, err := tree.Create("123456789012", "twice", ForMemory(64, 10)); err == nil {
		t.Error("a name was given twice")
	}
	if _, err := g.Pids(); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	for _, l := range []Limits{{}, {1 << 20, 2, -5, 1}, {-1, 2, 10, 1}, {1 << 20, 2, 10, -1}} {
		if _, err := tree.Create("1", "bad", l); err == nil {
			t.Errorf("%+v was taken", l)
		}
	}
	if all, err := tree.Groups(); err != nil || len(all) != 1 {
		t.Errorf("groups %v: %v", all, err)
	}
}

// Several groups of one account come and go at once; the account's directory with them.
func TestAccountsComeAndGo(t *testing.T) {
	tree := openTree(t)
	errs := make(chan error)
	const workers, rounds = 8, 20
	for w := range workers {
		go func() {
			var err error
			for range rounds {
				var g *Group
				if g, err = tree.Create("account", "g"+strconv.Itoa(w), ForMemory(64, 10)); err != nil {
					break
				}
				if err = g.Remove(limit); err != nil {
					break
				}
			}
			errs <- err
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func remove(t *testing.T, g *Group) {
	t.Helper()
	if err := g.Remove(limit); err != nil {
		t.Error(err)
	}
}
