package sandboxtest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/sandboxtest/agent"
)

func (s *suite) life(t *testing.T) {
	d := s.open(t)
	if a, b := s.template(t, d), s.template(t, d); a == nil || b == nil {
		t.Fatal("Prepare answers no template")
	}
	b := s.boot(t, d)
	line := b.assign(t)
	line.must(t, agent.Request{Op: agent.Ping})
	begin := time.Now()
	b.Destroy()
	if took := time.Since(begin); took > prompt {
		t.Errorf("Destroy blocked for %v", took)
	}
	b.Destroy()
	b.wait(t)
	b.Destroy()
	line.closed(t)
	for _, l := range b.Listeners() {
		if c, err := l.Accept(); err == nil {
			c.Close()
			t.Error("a listener accepts after Destroy")
		}
	}
	if err := b.Assign(t.Context(), b.assignment()); err == nil {
		t.Error("Assign after Destroy is not refused")
	}
	if err := b.Restart(t.Context()); err == nil {
		t.Error("Restart after Destroy is not refused")
	}
}

func (s *suite) exitCode(t *testing.T) {
	for _, code := range []int{0, 7, 255} {
		b := s.boot(t, s.open(t))
		line := b.assign(t)
		if err := line.send(agent.Request{Op: agent.Exit, N: code}); err != nil {
			t.Fatal(err)
		}
		if x := b.ended(t); x != (sandbox.Exit{Code: code}) {
			t.Errorf("exit %d: %+v", code, x)
		}
	}
}

func (s *suite) signal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		b := s.boot(t, s.open(t))
		line := b.assign(t)
		if err := line.send(agent.Request{Op: agent.Kill, N: int(sig)}); err != nil {
			t.Fatal(err)
		}
		if x := b.ended(t); x != (sandbox.Exit{Code: -1, Signal: sig.String()}) {
			t.Errorf("%v: %+v", sig, x)
		}
	}
}

func (s *suite) environment(t *testing.T) {
	b := s.boot(t, s.open(t))
	a := b.assignment()
	a.Env = append(a.Env, "EMPTY=", "EQUALS=a=b", "LINES=a\nb", "UNICODE=ä→")
	if err := b.Assign(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	have := b.connect(t).must(t, agent.Request{Op: agent.Env}).List
	slices.Sort(have)
	slices.Sort(a.Env)
	if !slices.Equal(have, a.Env) {
		t.Errorf("the environment is %q, want %q", have, a.Env)
	}
}

func (s *suite) workingDirectory(t *testing.T) {
	b := s.boot(t, s.open(t))
	have, want := b.assign(t).must(t, agent.Request{Op: agent.Cwd}).Text, b.Root(sandbox.TaskRoot)
	if have == want {
		return
	}
	if real, err := filepath.EvalSymlinks(want); err != nil || real != have {
		t.Errorf("the working directory is %s, want %s", have, want)
	}
}

func (s *suite) output(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	line.must(t, agent.Request{Op: agent.Print, N: 1, Text: "to stdout\n"})
	b.printed(t, "to stdout\n")
	line.must(t, agent.Request{Op: agent.Print, N: 2, Text: "to stderr\n"})
	b.printed(t, "to stderr\n")
	long := strings.Repeat("x", 300_000) // more than a pipe holds
	line.must(t, agent.Request{Op: agent.Print, N: 1, Text: long + "\n"})
	b.printed(t, long)
	line.must(t, agent.Request{Op: agent.Print, N: 1, Text: "last words"})
	if err := line.send(agent.Request{Op: agent.Exit}); err != nil {
		t.Fatal(err)
	}
	b.ended(t)
	b.printed(t, "last words")
}

func (s *suite) listeners(t *testing.T) {
	b := s.boot(t, s.open(t))
	e := b.Endpoint()
	if e.Address == "" || len(b.Listeners()) == 0 {
		t.Fatalf("no Runtime API: %+v with %d listeners", e, len(b.Listeners()))
	}
	line := b.assign(t)
	dial := func(network, address string) {
		t.Helper()
		line.must(t, agent.Request{Op: agent.Dial, Text: network, Path: address})
		select {
		case c := <-b.conns:
			c.Close()
		case <-time.After(patience):
			t.Errorf("nothing arrived that was dialled at %s", address)
		}
	}
	dial("tcp", e.Address)
	if e.Socket != "" {
		dial("unix", e.Socket)
	} else if !s.can.NoSocket {
		t.Error("there is no unix socket")
	}
}

func (s *suite) restart(t *testing.T) {
	b := s.boot(t, s.open(t))
	line, note := b.assign(t), b.Root(sandbox.TempRoot)+"/note"
	if !s.can.Scripted {
		line.must(t, agent.Request{Op: agent.Write, Path: note, Text: "kept"})
	}
	for range 3 {
		if err := b.Restart(t.Context()); err != nil {
			t.Fatalf("Restart: %v", err)
		}
		line.closed(t)
		line = b.connect(t)
		line.must(t, agent.Request{Op: agent.Ping})
	}
	if !s.can.Scripted {
		if have := line.must(t, agent.Request{Op: agent.Read, Path: note}).Text; have != "kept" {
			t.Errorf("/tmp did not stay: %q", have)
		}
	}
	select {
	case x := <-b.Exits():
		t.Errorf("an Exit of what Restart ended: %+v", x)
	case <-time.After(moment):
	}
}

func (s *suite) restartAfterExit(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	for code := range 3 {
		if err := line.send(agent.Request{Op: agent.Exit, N: code}); err != nil {
			t.Fatal(err)
		}
		if x := b.ended(t); x.Code != code {
			t.Errorf("exit %d: %+v", code, x)
		}
		if err := b.Restart(t.Context()); err != nil {
			t.Fatalf("Restart: %v", err)
		}
		line = b.connect(t)
	}
	line.must(t, agent.Request{Op: agent.Ping})
}

func (s *suite) freeze(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	for range 2 {
		if err := b.Freeze(); err != nil {
			t.Fatalf("Freeze: %v", err)
		}
		if err := line.send(agent.Request{Op: agent.Ping}); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := line.receive()
			answered <- err
		}()
		select {
		case err := <-answered:
			t.Fatalf("a frozen environment answers: %v", err)
		case <-time.After(moment):
		}
		if err := b.Thaw(); err != nil {
			t.Fatalf("Thaw: %v", err)
		}
		if err := <-answered; err != nil {
			t.Fatalf("after Thaw: %v", err)
		}
	}
}

func (s *suite) destroyFrozen(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	if err := b.Freeze(); err != nil {
		t.Fatal(err)
	}
	b.Destroy()
	b.wait(t)
	line.closed(t)
}

func (s *suite) assignTwice(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	if err := b.Assign(t.Context(), b.assignment()); err == nil {
		t.Error("a second Assign is not refused")
	}
	line.must(t, agent.Request{Op: agent.Ping})
}

// assignCancelled: a caller that went away gets an error or a running program, and Destroy works.
func (s *suite) assignCancelled(t *testing.T) {
	b := s.boot(t, s.open(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Assign(ctx, b.assignment()); err == nil {
		b.connect(t).must(t, agent.Request{Op: agent.Ping})
	}
	b.Destroy()
	b.wait(t)
	s.nothingLeft(t, b)
}

func (s *suite) destroyUnassigned(t *testing.T) {
	b := s.boot(t, s.open(t))
	if err := b.Restart(t.Context()); err == nil {
		t.Error("Restart before Assign is not refused")
	}
	b.Destroy()
	b.wait(t)
}

func (s *suite) destroyDuringAssign(t *testing.T) {
	d := s.open(t)
	for i := range 12 {
		b := s.boot(t, d)
		done := make(chan error, 1)
		go func() { done <- b.Assign(t.Context(), b.assignment()) }()
		select {
		case <-time.After(time.Duration(i) * 500 * time.Microsecond):
		case <-b.Gone():
			t.Fatal("gone before Destroy")
		}
		b.Destroy()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("Assign does not return after Destroy")
		}
		b.wait(t)
		s.nothingLeft(t, b)
	}
}

func (s *suite) bootCancelled(t *testing.T) {
	d := s.open(t)
	template := s.template(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b, err := d.Boot(ctx, template, sandbox.Shape{Account: "123456789012", MemoryMB: 128, EphemeralMB: 512})
	if err == nil {
		b.Destroy()
		<-b.Gone()
		b.Output().Close()
	}
	if b != nil && err != nil {
		t.Error("Boot answers an environment with an error")
	}
	s.recovered(t, d, 0)
}

func (s *suite) many(t *testing.T) {
	d := s.open(t)
	boxes := make([]*box, 8)
	for i := range boxes {
		boxes[i] = s.boot(t, d)
	}
	var group sync.WaitGroup
	for _, b := range boxes {
		group.Go(func() {
			if err := b.Assign(t.Context(), b.assignment()); err != nil {
				t.Errorf("Assign: %v", err)
			}
		})
	}
	group.Wait()
	for _, b := range boxes {
		b.connect(t).must(t, agent.Request{Op: agent.Ping})
	}
	for _, b := range boxes {
		b.Destroy()
	}
	for _, b := range boxes {
		b.wait(t)
		s.nothingLeft(t, b)
	}
	s.recovered(t, d, 0)
}

func (s *suite) recoverNothing(t *testing.T) { s.recovered(t, s.open(t), 0) }

func (s *suite) recovered(t *testing.T, d sandbox.Driver, want int) {
	t.Helper()
	if n, err := d.Recover(t.Context()); err != nil || n != want {
		t.Errorf("Recover answers %d, %v; want %d", n, err, want)
	}
}

func (s *suite) nothingLeft(t *testing.T, b *box) {
	t.Helper()
	if s.can.Scripted || !linux {
		return
	}
	if left := processes(t, b.mark); len(left) != 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// badCommand: what can't be started is the caller's to explain, by the errors of package fs.
func (s *suite) badCommand(t *testing.T) {
	code := openFolder(t, t.TempDir())
	write := func(name, text string, mode fs.FileMode) {
		if err := os.WriteFile(filepath.Join(code, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(code, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "#!/bin/sh\n", 0o644)
	write("garbage", "\x00\x01garbage", 0o755)
	for name, want := range map[string]error{"missing": fs.ErrNotExist, "plain": fs.ErrPermission, "garbage": syscall.ENOEXEC} {
		b := s.boot(t, s.open(t))
		a := b.assignment()
		a.Code, a.Command = code, []string{b.Root(sandbox.TaskRoot) + "/" + name}
		if err := b.Assign(t.Context(), a); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		b.Destroy()
		b.wait(t)
	}
}

func (s *suite) temporaryFiles(t *testing.T) {
	b := s.boot(t, s.open(t))
	line, path := b.assign(t), b.Root(sandbox.TempRoot)+"/file"
	line.must(t, agent.Request{Op: agent.Write, Path: path, Text: "text"})
	if have := line.must(t, agent.Request{Op: agent.Read, Path: path}).Text; have != "text" {
		t.Errorf("read %q", have)
	}
}

// separate: two environments of one driver share neither /tmp nor endpoint.
func (s *suite) separate(t *testing.T) {
	d := s.open(t)
	one, two := s.boot(t, d), s.boot(t, d)
	a, b := one.assign(t), two.assign(t)
	a.must(t, agent.Request{Op: agent.Write, Path: one.Root(sandbox.TempRoot) + "/secret", Text: "of one"})
	if r, err := b.ask(agent.Request{Op: agent.Read, Path: two.Root(sandbox.TempRoot) + "/secret"}); err == nil {
		t.Errorf("another environment reads %q", r.Text)
	}
	one.Destroy()
	one.wait(t)
	b.must(t, agent.Request{Op: agent.Ping})
}

// openFiles: a program starts with its three standard files and nothing of the server's.
func (s *suite) openFiles(t *testing.T) {
	b := s.boot(t, s.open(t))
	for _, f := range b.assign(t).must(t, agent.Request{Op: agent.Files}).List {
		number, target, _ := strings.Cut(f, " ")
		own := strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "socket:") || strings.HasPrefix(target, "/proc/") ||
			strings.HasPrefix(target, "/sys/fs/cgroup/") // Go's runtime reads its cpu limit
		if !slices.Contains([]string{"0", "1", "2"}, number) && !own {
			t.Errorf("descriptor %s is %s", number, target)
		}
	}
}

func (s *suite) noProcessLeft(t *testing.T) {
	sessions := []string{""}
	if s.can.EndsStrays {
		sessions = append(sessions, "setsid")
	}
	for _, session := range sessions {
		b := s.boot(t, s.open(t))
		line := b.assign(t)
		line.must(t, agent.Request{Op: agent.Ignore})
		line.must(t, agent.Request{Op: agent.Spawn, N: 5, Text: session})
		eventually(t, "the children do not show", func() bool { return len(processes(t, b.mark)) == 6 })
		if err := b.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		line = b.connect(t)
		if left := processes(t, b.mark); len(left) != 1 {
			t.Errorf("%d processes after Restart, want 1", len(left))
		}
		line.must(t, agent.Request{Op: agent.Spawn, N: 5, Text: session})
		b.Destroy()
		b.wait(t)
		s.nothingLeft(t, b)
	}
}

func (s *suite) statistics(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	line.must(t, agent.Request{Op: agent.Alloc, N: 60})
	eventually(t, "60 MB do not show in MaxMemoryMB", func() bool {
		stats, err := b.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return stats.MaxMemoryMB >= 60 && stats.MaxMemoryMB <= 128
	})
}

func (s *suite) readOnlyCode(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	for _, name := range []string{"new", program} {
		if _, err := line.ask(agent.Request{Op: agent.Write, Path: b.Root(sandbox.TaskRoot) + "/" + name, Text: "x"}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func (s *suite) memoryLimit(t *testing.T) {
	b := s.boot(t, s.open(t))
	line := b.assign(t)
	if err := line.send(agent.Request{Op: agent.Alloc, N: 400}); err != nil {
		t.Fatal(err)
	}
	if x := b.ended(t); !x.OOM || x.Signal != "killed" {
		t.Errorf("400 MB in an environment of 128 MB: %+v", x)
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatalf("Restart: %v", err)
	}
	line = b.connect(t)
	if err := line.send(agent.Request{Op: agent.Exit, N: 3}); err != nil {
		t.Fatal(err)
	}
	if x := b.ended(t); x != (sandbox.Exit{Code: 3}) {
		t.Errorf("an exit after an earlier OOM: %+v", x)
	}
}

func (s *suite) tempLimit(t *testing.T) {
	b := s.boot(t, s.open(t))
	line, tmp := b.assign(t), b.Root(sandbox.TempRoot)
	line.must(t, agent.Request{Op: agent.Fill, Path: tmp + "/a", N: 300})
	if _, err := line.ask(agent.Request{Op: agent.Fill, Path: tmp + "/b", N: 300}); err == nil || !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Errorf("600 MB in a /tmp of 512 MB: %v", err)
	}
	line.must(t, agent.Request{Op: agent.Ping})
}
