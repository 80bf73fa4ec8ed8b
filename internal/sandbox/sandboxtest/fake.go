package sandboxtest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// Program is what a Fake's environments run in place of a process. It must return soon after ctx
// ends, which is how Restart and Destroy end it; what it answers then is not told to anyone.
type Program func(ctx context.Context, p *Process) sandbox.Exit

// Process is one run of a Program.
type Process struct {
	sandbox.Assignment
	Start  int       // 1 for the run that Assign began, one more for each Restart
	Output io.Writer // the environment's stdout and stderr
	box    *fakeBox
}

// Dial connects to the environment's Runtime API. The connection stands still while the
// environment is frozen, and closes when the run ends.
func (p *Process) Dial(ctx context.Context) (net.Conn, error) { return p.box.dial(ctx) }

// Fake is a driver whose environments run a Go function, in this process and in memory alone but
// for the pipe of the output. It is safe for concurrent use. Program must be set.
type Fake struct {
	Program Program
	// Script is asked before each step: "prepare", "boot", "assign", "restart", "freeze", "thaw".
	// An error is the step's answer. nil lets everything pass.
	Script func(step string) error
	// Readings is what Stats answers.
	Readings sandbox.Stats

	mu     sync.Mutex
	live   map[*fakeBox]struct{}
	booted []sandbox.Shape
}

// Live answers how many environments are booted and not gone.
func (f *Fake) Live() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

// Booted answers the shapes of all environments ever booted, oldest first.
func (f *Fake) Booted() []sandbox.Shape {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.booted)
}

// Prepare answers the runtime itself as its template.
func (f *Fake) Prepare(ctx context.Context, r sandbox.Runtime) (sandbox.Template, error) {
	return r, f.step(ctx, "prepare")
}

// Recover finds nothing: a Fake leaves nothing behind.
func (f *Fake) Recover(ctx context.Context) (int, error) { return 0, ctx.Err() }

func (f *Fake) step(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.Script == nil {
		return nil
	}
	return f.Script(name)
}

// Boot makes an environment.
func (f *Fake) Boot(ctx context.Context, _ sandbox.Template, s sandbox.Shape) (sandbox.Sandbox, error) {
	if err := f.step(ctx, "boot"); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, lambda.Errorf(lambda.Internal, "boot: %w", err)
	}
	b := &fakeBox{
		fake: f, life: context.WithoutCancel(ctx), output: r, writer: w, listener: newPipeListener(), gate: make(chan struct{}),
		exits: make(chan sandbox.Exit, 64), gone: make(chan struct{}),
	}
	close(b.gate)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live == nil {
		f.live = map[*fakeBox]struct{}{}
	}
	f.live[b] = struct{}{}
	f.booted = append(f.booted, s)
	return b, nil
}

type fakeBox struct {
	fake           *Fake
	life           context.Context // of the caller of Boot, without its end: only values
	output, writer *os.File
	listener       *pipeListener
	exits          chan sandbox.Exit
	gone           chan struct{}

	mu        sync.Mutex
	assigned  *sandbox.Assignment
	starts    int
	end       context.CancelFunc // of the current run
	ended     chan struct{}      // closed when the current run has returned
	gate      chan struct{}      // closed: running; open: frozen
	frozen    bool
	destroyed bool
}

func (b *fakeBox) Root(path string) string       { return path }
func (b *fakeBox) Endpoint() sandbox.Endpoint    { return sandbox.Endpoint{Address: "127.0.0.1:9001"} }
func (b *fakeBox) Listeners() []net.Listener     { return []net.Listener{b.listener} }
func (b *fakeBox) Output() *os.File              { return b.output }
func (b *fakeBox) Exits() <-chan sandbox.Exit    { return b.exits }
func (b *fakeBox) Gone() <-chan struct{}         { return b.gone }
func (b *fakeBox) Stats() (sandbox.Stats, error) { return b.fake.Readings, nil }

func (b *fakeBox) Assign(ctx context.Context, a sandbox.Assignment) error {
	if err := b.fake.step(ctx, "assign"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.assigned != nil {
		return lambda.Errorf(lambda.Internal, "assign: this environment has its code already")
	}
	b.assigned = &a
	return b.start()
}

func (b *fakeBox) Restart(ctx context.Context) error {
	if err := b.fake.step(ctx, "restart"); err != nil {
		return err
	}
	b.mu.Lock()
	if b.assigned == nil || b.destroyed {
		b.mu.Unlock()
		return lambda.Errorf(lambda.Internal, "restart: nothing runs here")
	}
	b.thaw()
	end, ended := b.end, b.ended
	b.mu.Unlock()
	end()
	<-ended
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.start()
}

// start runs the program once. The caller holds mu.
func (b *fakeBox) start() error {
	if b.destroyed {
		return lambda.Errorf(lambda.Internal, "the environment is destroyed")
	}
	ctx, end := context.WithCancel(b.life)
	b.starts++
	b.end, b.ended = end, make(chan struct{})
	p := &Process{Assignment: *b.assigned, Start: b.starts, Output: b.writer, box: b}
	ended := b.ended
	go func() {
		defer close(ended)
		exit := b.fake.Program(ctx, p)
		b.mu.Lock()
		defer b.mu.Unlock()
		if ctx.Err() == nil {
			b.exits <- exit
		}
		end()
	}()
	return nil
}

func (b *fakeBox) Freeze() error {
	if err := b.fake.step(b.life, "freeze"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.frozen {
		b.frozen, b.gate = true, make(chan struct{})
	}
	return nil
}

func (b *fakeBox) Thaw() error {
	if err := b.fake.step(b.life, "thaw"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.thaw()
	return nil
}

func (b *fakeBox) thaw() {
	if b.frozen {
		b.frozen = false
		close(b.gate)
	}
}

func (b *fakeBox) Destroy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.destroyed {
		return
	}
	b.destroyed = true
	b.thaw()
	end, ended := b.end, b.ended
	go func() {
		if end != nil {
			end()
			<-ended
		}
		b.release()
	}()
}

func (b *fakeBox) release() {
	b.listener.Close()
	b.writer.Close()
	b.fake.mu.Lock()
	delete(b.fake.live, b)
	b.fake.mu.Unlock()
	close(b.exits)
	close(b.gone)
}

// dial connects to the listener. The connection ends with ctx.
func (b *fakeBox) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case b.listener.conns <- there:
	case <-b.listener.done:
		return nil, errors.Join(net.ErrClosed, here.Close(), there.Close())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), here.Close(), there.Close())
	}
	c := &gated{Conn: here, box: b}
	c.stop = context.AfterFunc(ctx, func() { here.Close() })
	return c, nil
}

// gated is a connection of code that can be frozen: then nothing comes out of it.
type gated struct {
	net.Conn
	box  *fakeBox
	stop func() bool
}

func (c *gated) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.box.pass()
	return n, err
}

func (c *gated) Write(p []byte) (int, error) {
	c.box.pass()
	return c.Conn.Write(p)
}

func (c *gated) Close() error {
	c.stop()
	return c.Conn.Close()
}

// pass waits while the environment is frozen.
func (b *fakeBox) pass() {
	b.mu.Lock()
	gate := b.gate
	b.mu.Unlock()
	<-gate
}

// pipeListener accepts connections in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "memory" }
func (pipeAddr) String() string  { return "memory" }
