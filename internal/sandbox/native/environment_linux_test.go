package native

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
)

func TestExit(t *testing.T) {
	d := newDriver(t)
	for _, c := range []struct {
		name, script string
		want         sandbox.Exit
	}{
		{"zero", "true", sandbox.Exit{}},
		{"status", "exit 3", sandbox.Exit{Code: 3}},
		{"killed by itself", "kill -9 $$", sandbox.Exit{Code: -1, Signal: "killed"}},
		{"fault", "kill -SEGV $$", sandbox.Exit{Code: -1, Signal: "segmentation fault"}},
		{"left a child behind", "sleep 100 & exit 4", sandbox.Exit{Code: 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out, x := shell(t, d, usual, c.script); x != c.want || out != "" {
				t.Errorf("exit %+v, output %q; want %+v", x, out, c.want)
			}
		})
	}
}

func TestOutputHasBothStreams(t *testing.T) {
	out, _ := shell(t, newDriver(t), usual, "echo one; echo two >&2; echo three >/dev/stderr; echo four >/dev/stdout; cat")
	if out != "one\ntwo\nthree\nfour\n" {
		t.Errorf("output %q", out)
	}
}

func TestCommandThatCannotStart(t *testing.T) {
	d := newDriver(t)
	code := emptyCode(t)
	for name, mode := range map[string]fs.FileMode{"plain": 0o644, "junk": 0o755} {
		if err := os.WriteFile(filepath.Join(code, name), []byte("\x00\x01"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]error{
		"/var/task/missing": fs.ErrNotExist,
		"/var/task/plain":   fs.ErrPermission,
		"/var/task/junk":    syscall.ENOEXEC,
	} {
		e := boot(t, d, provided, usual)
		err := e.Assign(t.Context(), sandbox.Assignment{Code: code, Command: []string{path}})
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", path, err, want)
		}
	}
}

func TestAssignRefuses(t *testing.T) {
	d := newDriver(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{"missing": "/no/such/dir", "file": "/etc/passwd", "link": link} {
		e := boot(t, d, provided, usual)
		if err := e.Assign(t.Context(), sandbox.Assignment{Code: code, Command: []string{"/bin/true"}}); err == nil {
			t.Errorf("%s was taken as code", name)
		}
	}
	e := boot(t, d, provided, usual)
	assign(t, e, emptyCode(t), "/bin/true")
	if err := e.Assign(t.Context(), sandbox.Assignment{Code: emptyCode(t), Command: []string{"/bin/true"}}); err == nil {
		t.Error("a second assignment was taken")
	}
}

func TestRestart(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	output := collect(t, e)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", "cat /tmp/kept; echo x >>/tmp/kept; sleep 100 & sleep 100; :")
	for range 3 {
		waitFor(t, "two sleepers", func() bool { return len(pids(t, e)) == 3 })
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "two sleepers", func() bool { return len(pids(t, e)) == 3 })
	select {
	case x := <-e.Exits():
		t.Errorf("restart was reported as exit %+v", x)
	default:
	}
	if got := strings.Count(output(), "x\n"); got != 1+2+3 {
		t.Errorf("/tmp was seen with %d lines", got)
	}
}

// TestRestartOutlivesCollections makes init's garbage collector run: what init still needs then
// must be held, descriptors among it.
func TestRestartOutlivesCollections(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	err := e.Assign(t.Context(), sandbox.Assignment{Code: emptyCode(t), Command: []string{"/bin/sh", "-c", ":"}, Env: []string{"BIG=" + strings.Repeat("x", 50<<10)}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		waitExit(t, e)
		if err := e.Restart(t.Context()); err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
	}
	waitExit(t, e)
}

func TestRestartAfterExitAndWhileFrozen(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", "exit 7")
	for range 3 {
		if x := waitExit(t, e); x.Code != 7 {
			t.Errorf("exit %+v", x)
		}
		if err := e.Freeze(); err != nil {
			t.Fatal(err)
		}
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFreezeStopsAndThawGoesOn(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	assign(t, e, emptyCode(t), "/bin/sh", "-c", "while :; do echo .; done")
	buf := make([]byte, 64<<10)
	readSome(t, e, buf)
	if err := e.Freeze(); err != nil {
		t.Fatal(err)
	}
	for e.unread() > 0 {
		readSome(t, e, buf)
	}
	if err := e.Output().SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := e.Output().Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a frozen process wrote %d bytes: %v", n, err)
	}
	if err := e.Thaw(); err != nil {
		t.Fatal(err)
	}
	readSome(t, e, buf)
	if err := e.Freeze(); err != nil { // a frozen environment must go away all the same
		t.Fatal(err)
	}
	destroy(t, e)
	if _, ok := <-e.Exits(); ok {
		t.Error("destroy was reported as an exit")
	}
}

func readSome(t *testing.T, e *environment, buf []byte) {
	t.Helper()
	if err := e.Output().SetReadDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Output().Read(buf); err != nil {
		t.Fatal(err)
	}
}

func TestDestroyWhileAssigning(t *testing.T) {
	d := newDriver(t)
	code := emptyCode(t)
	for range 10 {
		e := boot(t, d, provided, usual)
		go e.Destroy()
		// Either outcome is right; what counts is that it ends and that nothing stays.
		_ = e.Assign(t.Context(), sandbox.Assignment{Code: code, Command: []string{"/bin/sleep", "100"}})
		destroy(t, e)
	}
	atBaseline(t, d)
}

func TestBootObeysItsContext(t *testing.T) {
	d := newDriver(t)
	tm := prepare(t, d, provided)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Boot(ctx, tm, usual); err == nil {
		t.Error("booted for a caller that had gone")
	}
	atBaseline(t, d)
}

func TestListeners(t *testing.T) {
	d := newDriver(t)
	e := boot(t, d, provided, usual)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path+"\n")
	})}
	done := make(chan error, 2)
	for _, l := range e.Listeners() {
		go func(l net.Listener) { done <- server.Serve(l) }(l)
	}
	output := collect(t, e)
	rt, exe := python(t)
	_ = rt
	if _, err := os.Stat("/usr/bin/curl"); err != nil {
		t.Skipf("no curl: %v (%s)", err, exe)
	}
	assign(t, e, emptyCode(t), "/bin/sh", "-c",
		"curl -s http://"+e.Endpoint().Address+"/tcp; curl -s --unix-socket "+e.Endpoint().Socket+" http://x/unix")
	if x := waitExit(t, e); x.Code != 0 {
		t.Errorf("exit %+v", x)
	}
	if out := output(); out != "/tcp\n/unix\n" {
		t.Errorf("output %q", out)
	}
	server.Close()
	<-done
	<-done
}

// The interpreters of this host, and what its binaries need, run inside.
func TestInterpreters(t *testing.T) {
	d := newDriver(t)
	rt, exe := python(t)
	shape := usual
	shape.MemoryMB = 512
	cases := []struct {
		name    string
		runtime sandbox.Runtime
		command []string
		want    string
	}{
		{"python", rt, []string{exe, "-c", "import ssl, json, sqlite3, multiprocessing as m, threading, os, socket, random\nssl.create_default_context()\nm.Lock()\nt = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\nprint(os.getcwd(), os.getuid())"}, "thread\n/var/task 993\n"},
		{"node", provided, []string{"/usr/bin/node", "-e", "const os = require('os'); new (require('worker_threads').Worker)('0', {eval: true}); let n = 0; for (let i = 0; i < 1e7; i++) n += i; console.log(n, os.cpus().length > 0, os.totalmem() > 0, os.userInfo().username)"}, "49999995000000 true true sbx_user1051\n"},
		{"java", provided, []string{"/usr/bin/java", "-version"}, ""},
		{"go", provided, []string{"/var/task/bootstrap", "role", "copy"}, "copied\n"},
	}
	code := selfCode(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.command[0] != "/var/task/bootstrap" {
				if _, err := exec.LookPath(c.command[0]); err != nil {
					t.Skipf("not on this host: %v", err)
				}
			}
			out, x := run(t, d, c.runtime, shape, code, c.command...)
			if x != (sandbox.Exit{}) || !strings.HasSuffix(out, c.want) {
				t.Errorf("exit %+v, output:\n%s", x, out)
			}
		})
	}
}

// copyRole copies between sockets, for which Go uses splice where there is one.
func copyRole([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			io.WriteString(c, "copied\n")
			c.Close()
		}
	}()
	in, err := l.Accept()
	if err != nil {
		return err
	}
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		if c, err := net.Dial("tcp", echo.Addr().String()); err == nil {
			io.Copy(c, in)
			c.Close()
		}
	}()
	out, err := echo.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, out)
	return err
}

func TestSelfTest(t *testing.T) {
	d := newDriver(t)
	if err := d.SelfTest(t.Context()); err != nil {
		t.Error(err)
	}
	atBaseline(t, d)
}

// The client and interpreters appear where code looks for them, read-only, by link and by name.
func TestRuntimeIsShown(t *testing.T) {
	d := newDriver(t)
	client, err := os.MkdirTemp("/var/lib", "lambent-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(client) })
	link := client + "-link"
	if err := errors.Join(os.Chmod(client, 0o755), os.WriteFile(filepath.Join(client, "x"), []byte("shown\n"), 0o644), os.Symlink(client, link)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(link) })
	r := sandbox.Runtime{Name: "custom", Client: client, Interpreters: []string{link, "/usr/bin/env"}}
	out, x := run(t, d, r, usual, emptyCode(t), "/bin/sh", "-c", "cat /var/runtime/x "+link+"/x "+client+"/x; rm /var/runtime/x "+client+"/x; ls /var/lib | wc -l")
	if !strings.HasPrefix(out, "shown\nshown\nshown\n") || strings.Count(out, "Read-only file system") != 2 || !strings.HasSuffix(out, "\n2\n") {
		t.Errorf("exit %+v, output:\n%s", x, out)
	}
}

func TestPrepareRefuses(t *testing.T) {
	d := newDriver(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]sandbox.Runtime{
		"relative":        {Interpreters: []string{"usr/bin"}},
		"root":            {Interpreters: []string{"/"}},
		"unclean":         {Interpreters: []string{"/usr/../etc"}},
		"in tmp":          {Interpreters: []string{file}},
		"over etc":        {Interpreters: []string{"/etc"}},
		"above var task":  {Interpreters: []string{"/var"}},
		"missing":         {Interpreters: []string{"/no/such/python"}},
		"client missing":  {Client: "/no/such/client"},
		"client is file":  {Client: file},
		"client relative": {Client: "client"},
	} {
		if _, err := d.Prepare(t.Context(), r); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if a, b := prepare(t, d, provided), prepare(t, d, provided); a != b {
		t.Error("a runtime was prepared twice")
	}
}

func TestBootRefuses(t *testing.T) {
	d := newDriver(t)
	tm := prepare(t, d, provided)
	for _, s := range []sandbox.Shape{{}, {MemoryMB: 128}, {MemoryMB: 1, EphemeralMB: 512}, {Account: "../x", MemoryMB: 128, EphemeralMB: 64}, {Account: strings.Repeat("a", 300), MemoryMB: 128, EphemeralMB: 64}} {
		if _, err := d.Boot(t.Context(), tm, s); err == nil {
			t.Errorf("%+v: booted", s)
		}
	}
	if _, err := d.Boot(t.Context(), "not a template", usual); err == nil {
		t.Error("booted from a foreign template")
	}
	atBaseline(t, d)
}

func waitFor(t testing.TB, what string, yes func() bool) {
	t.Helper()
	if err := poll(deadline, yes); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func pids(t testing.TB, e *environment) []int {
	t.Helper()
	all, err := e.group.Pids()
	if err != nil {
		t.Fatal(err)
	}
	// init is one of them: it lives there, or on v1 the thread that forks does.
	return slices.DeleteFunc(all, func(pid int) bool { return pid == e.pid })
}
