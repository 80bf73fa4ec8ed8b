package sandboxtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/sandboxtest/agent"
)

const (
	patience = 30 * time.Second        // for what must happen, on a busy machine
	moment   = 300 * time.Millisecond  // for what must not happen
	prompt   = 2000 * time.Millisecond // what "does not block" may take on a busy machine
	linux    = runtime.GOOS == "linux"
	program  = "bootstrap"
	marker   = "LAMBENT_SANDBOXTEST_MARK" // finds an environment's processes from outside
)

// buildInside builds the program that runs inside, static, into a code directory.
func buildInside(t *testing.T) string {
	t.Helper()
	dir := openFolder(t, t.TempDir())
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, program),
		"lambent.dev/lambent/internal/sandbox/sandboxtest/testdata/inside")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return dir
}

// openFolder makes a folder of t.TempDir reachable for every user: environments have uids of their own.
func openFolder(t *testing.T, dir string) string {
	t.Helper()
	for d := dir; d != filepath.Clean(os.TempDir()) && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			break // not ours: it was there before
		}
	}
	return dir
}

// box is an environment and what its program sent.
type box struct {
	sandbox.Sandbox
	suite *suite
	env   []string // what Assign was given
	conns chan net.Conn
	mark  string

	mu     sync.Mutex
	output bytes.Buffer
	more   chan struct{} // one token for "output grew or ended"
}

func (s *suite) template(t *testing.T, d sandbox.Driver) sandbox.Template {
	t.Helper()
	template, err := d.Prepare(t.Context(), sandbox.Runtime{Name: "provided.al2023"})
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	return template
}

// boot starts an environment that is destroyed with the test.
func (s *suite) boot(t *testing.T, d sandbox.Driver) *box {
	t.Helper()
	shape := sandbox.Shape{Account: "123456789012", MemoryMB: 128, EphemeralMB: 512}
	sb, err := d.Boot(t.Context(), s.template(t, d), shape)
	if err != nil {
		t.Fatalf("Boot: %v", err)
	}
	b := &box{Sandbox: sb, suite: s, conns: make(chan net.Conn, 8), mark: rand.Text(), more: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(b.read)
	for _, l := range sb.Listeners() {
		reading.Go(func() { b.accept(l) })
	}
	t.Cleanup(func() {
		sb.Destroy()
		b.wait(t)
		sb.Output().Close()
		reading.Wait()
		for range len(b.conns) {
			(<-b.conns).Close()
		}
	})
	return b
}

func (b *box) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case b.conns <- c:
		default:
			c.Close()
		}
	}
}

func (b *box) read() {
	buf := make([]byte, 4096)
	for {
		n, err := b.Output().Read(buf)
		b.mu.Lock()
		b.output.Write(buf[:n])
		b.mu.Unlock()
		select {
		case b.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// printed waits until the output holds text.
func (b *box) printed(t *testing.T, text string) {
	t.Helper()
	late := time.After(patience)
	for {
		b.mu.Lock()
		have := b.output.String()
		b.mu.Unlock()
		if strings.Contains(have, text) {
			return
		}
		select {
		case <-b.more:
		case <-late:
			t.Fatalf("the output is %q, and lacks %q", have, text)
		}
	}
}

// assignment runs the program on the first listener of the endpoint.
func (b *box) assignment() sandbox.Assignment {
	network, address := "unix", b.Endpoint().Socket
	if address == "" {
		network, address = "tcp", b.Endpoint().Address
	}
	b.env = []string{"TMPDIR=" + b.Root(sandbox.TempRoot), marker + "=" + b.mark}
	code := b.suite.program
	return sandbox.Assignment{Code: code, Command: []string{b.Root(sandbox.TaskRoot) + "/" + program, network, address}, Env: b.env}
}

// assign starts the program and answers the line to it.
func (b *box) assign(t *testing.T) *line {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.Assign(ctx, b.assignment()); err != nil {
		t.Fatalf("Assign: %v", err)
	}
	return b.connect(t)
}

// connect waits for the program's connection.
func (b *box) connect(t *testing.T) *line {
	t.Helper()
	select {
	case c := <-b.conns:
		t.Cleanup(func() { c.Close() })
		return &line{conn: c, in: json.NewDecoder(c), out: json.NewEncoder(c)}
	case x := <-b.Exits():
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("the program ended: %+v %q", x, b.output.String())
	case <-time.After(patience):
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("the program did not connect; output %q", b.output.String())
	}
	return nil
}

// ended waits for the next Exit.
func (b *box) ended(t *testing.T) sandbox.Exit {
	t.Helper()
	select {
	case x, ok := <-b.Exits():
		if !ok {
			t.Fatal("Exits is closed; want an Exit")
		}
		return x
	case <-time.After(patience):
		t.Fatal("no Exit")
	}
	return sandbox.Exit{}
}

// wait waits until the environment is gone and its Exits are closed.
func (b *box) wait(t *testing.T) {
	t.Helper()
	select {
	case <-b.Gone():
	case <-time.After(patience):
		t.Fatal("the environment is not gone")
	}
	late := time.After(patience)
	for {
		select {
		case _, ok := <-b.Exits():
			if !ok {
				return
			}
		case <-late:
			t.Fatal("Exits is not closed")
		}
	}
}

// line talks to the program inside. A request is outstanding after send, until receive.
type line struct {
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

func (l *line) send(q agent.Request) error {
	if err := l.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return l.out.Encode(q)
}

func (l *line) receive() (agent.Reply, error) {
	var r agent.Reply
	if err := l.in.Decode(&r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (l *line) ask(q agent.Request) (agent.Reply, error) {
	if err := l.send(q); err != nil {
		return agent.Reply{}, err
	}
	return l.receive()
}

// must asks and fails the test if the answer is an error.
func (l *line) must(t *testing.T, q agent.Request) agent.Reply {
	t.Helper()
	r, err := l.ask(q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return r
}

// closed waits until the program's end of the line is gone.
func (l *line) closed(t *testing.T) {
	t.Helper()
	if err := l.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return // of a pipe in memory: closed already
	}
	if _, err := io.Copy(io.Discard, l.conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the program's connection is still open")
	}
}

// processes answers the pids on this host of processes that carry the mark.
func processes(t *testing.T, mark string) []string {
	t.Helper()
	var found []string
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err == nil && bytes.Contains(env, []byte(marker+"="+mark)) {
			found = append(found, filepath.Base(filepath.Dir(path)))
		}
	}
	slices.Sort(found)
	return found
}

// eventually polls what the host shows and nothing signals.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(what)
		}
	}
}
