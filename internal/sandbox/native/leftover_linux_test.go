package native

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
)

// leftovers answers everything on the host that belongs to the driver's environments.
func leftovers(t testing.TB, d *Driver) []string {
	t.Helper()
	var all []string
	groups, err := d.tree.Groups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		all = append(all, "cgroup "+g.Name())
	}
	for _, dir := range append(d.records.dirs(), d.disks.dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), imagePrefix) {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	loops, err := d.disks.loops()
	if err != nil {
		t.Fatal(err)
	}
	for path := range loops {
		all = append(all, "loop "+path)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, d.options.StateDir) {
			all = append(all, "mount "+line)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.live {
		all = append(all, "live "+name)
	}
	return all
}

// atBaseline says that nothing is left of any environment.
func atBaseline(t testing.TB, d *Driver) {
	t.Helper()
	if all := leftovers(t, d); len(all) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(all, "\n"))
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestChurnLeavesNothing(t *testing.T) {
	d := newDriver(t)
	code := emptyCode(t)
	round := func() {
		e := boot(t, d, provided, usual)
		assign(t, e, code, "/bin/sh", "-c", "sleep 100 & echo x >/tmp/x")
		waitExit(t, e)
		destroy(t, e)
	}
	round()
	before := openFiles(t)
	for range 20 {
		round()
	}
	atBaseline(t, d)
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// Every step of Boot fails once; each time there is an error and nothing is left.
func TestNthFailure(t *testing.T) {
	var hostSteps []string
	failing := ""
	d := newDriver(t, func(o *Options) {
		o.failAt = func(step string) error {
			if failing == "" {
				hostSteps = append(hostSteps, step)
			}
			if step == failing {
				return errors.New("made to fail")
			}
			return nil
		}
	})
	tm := prepare(t, d, provided)
	first := boot(t, d, provided, usual)
	initSteps := slices.Clone(first.setUpSteps)
	destroy(t, first)
	if len(hostSteps) < 12 || len(initSteps) < 25 {
		t.Fatalf("only %d and %d steps: %q %q", len(hostSteps), len(initSteps), hostSteps, initSteps)
	}
	before := openFiles(t)
	attempt := func(name string) {
		t.Helper()
		if _, err := d.Boot(t.Context(), tm, usual); err == nil || !strings.Contains(err.Error(), "made to fail") {
			t.Errorf("%s failed and Boot answered %v", name, err)
		}
		atBaseline(t, d)
	}
	for _, failing = range slices.Clone(hostSteps) {
		attempt(failing)
	}
	failing = "none"
	for _, d.options.failIn = range initSteps {
		attempt(d.options.failIn)
	}
	d.options.failIn = ""
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// parentRole is a server that will be killed: it boots environments and waits.
func parentRole(args []string) error {
	d, err := New(Options{StateDir: args[0]})
	if err != nil {
		return err
	}
	ctx, stop := testContext()
	defer stop()
	tm, err := d.Prepare(ctx, provided)
	if err != nil {
		return err
	}
	for range 5 {
		sb, err := d.Boot(ctx, tm, usual)
		if err != nil {
			return err
		}
		script := "trap '' TERM; echo started; while :; do sleep 1000 & sleep 1000; done"
		if err := sb.Assign(ctx, sandbox.Assignment{Code: args[1], Command: []string{"/bin/sh", "-c", script}}); err != nil {
			return err
		}
		if _, err := bufio.NewReader(sb.Output()).ReadString('\n'); err != nil {
			return err
		}
		if e, ok := sb.(*environment); ok && args[2] == "frozen" {
			if err := e.Freeze(); err != nil {
				return err
			}
		}
	}
	d.mu.Lock()
	for _, e := range d.live {
		fmt.Println(e.pid)
	}
	d.mu.Unlock()
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// readInits reads the parent's report: its environments' inits.
func readInits(t *testing.T, out io.Reader) []int {
	t.Helper()
	var inits []int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return inits
		}
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		inits = append(inits, pid)
	}
	t.Fatalf("the parent ended early: %v", lines.Err())
	return nil
}

// killParent starts a server that makes five environments, kills it and waits for their end.
func killParent(t *testing.T, state, code, how string) {
	t.Helper()
	parent := exec.CommandContext(t.Context(), "/proc/self/exe", "role", "parent", state, code, how)
	parent.Stderr = os.Stderr
	stdin, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	inits := readInits(t, out)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	begin := time.Now()
	waitFor(t, "the environments' end", func() bool {
		return !slices.ContainsFunc(inits, func(pid int) bool { return startTime(pid) != "" })
	})
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("environments outlived their parent by %v", took)
	}
}

func TestRecoverAfterKill(t *testing.T) {
	newDriver(t) // skips where it must
	for _, how := range []string{"running", "frozen"} {
		t.Run(how, func(t *testing.T) {
			state, code := t.TempDir(), emptyCode(t)
			killParent(t, state, code, how)
			begin := time.Now()
			d := newDriver(t, func(o *Options) { o.StateDir = state })
			n, err := d.Recover(t.Context())
			if err != nil || n != 5 {
				t.Errorf("recovered %d: %v", n, err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("recovery took %v", took)
			}
			atBaseline(t, d)
			if n, err := d.Recover(t.Context()); n != 0 || err != nil {
				t.Errorf("a second recovery found %d: %v", n, err)
			}
			if _, x := shell(t, d, usual, "exit 5"); x.Code != 5 {
				t.Errorf("after recovery: exit %+v", x)
			}
		})
	}
}

// Live environments are none of Recover's business; junk of an earlier crash is.
func TestRecoverSparesTheLiving(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	assign(t, e, emptyCode(t), "/bin/sleep", "1000")
	for path, text := range map[string]string{
		filepath.Join(d.records.dirs()[0], "half.json"): `{"name":"ha`,
		filepath.Join(d.records.disk, "old.json.new"):   ``,
		filepath.Join(d.records.disk, "reused.json"):    fmt.Sprintf(`{"name":"reused","slot":9,"pid":%d,"startTime":"1"}`, os.Getpid()),
		filepath.Join(d.disks.dir, "orphan"):            "x",
		filepath.Join(d.disks.dir, "image-3.new"):       "x",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.Recover(t.Context()); n != 4 || err != nil {
		t.Errorf("recovered %d: %v", n, err)
	}
	if len(pids(t, e)) == 0 {
		t.Error("a living environment was ended")
	}
	destroy(t, e)
	atBaseline(t, d)
}

func TestClosedDriverRefuses(t *testing.T) {
	d := newDriver(t)
	tm := prepare(t, d, provided)
	e := boot(t, d, provided, usual)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.Gone():
	default:
		t.Error("an environment outlived its driver")
	}
	if _, err := d.Boot(t.Context(), tm, usual); !errors.Is(err, errClosed) {
		t.Errorf("boot after close: %v", err)
	}
	if err := e.Assign(t.Context(), sandbox.Assignment{}); err == nil {
		t.Error("assigned after close")
	}
}
