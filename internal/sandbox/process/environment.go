package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

const (
	exitsKept = 64                     // Exits that nobody has read yet
	lookEvery = 200 * time.Millisecond // at the resident memory
	endWithin = 30 * time.Second       // for processes that are killed; what is left is Recover's
)

// environment is one sandbox.
type environment struct {
	driver  *Driver
	life    context.Context // Boot's without its end: it ends when nothing of this is left
	runtime sandbox.Runtime
	shape   sandbox.Shape
	dir     string // Root's place: tmp, task, the socket, the record

	tcp, socket    net.Listener // socket: nil where its path would be too long
	output, writer *os.File
	null           *os.File
	exits          chan sandbox.Exit
	gone           chan struct{}
	forks          chan func() // run on the thread that children belong to

	order sync.Mutex // one start or end at a time

	mu        sync.Mutex
	assigned  *sandbox.Assignment
	run       *run // the last one started
	frozen    bool
	destroyed bool
	peakMB    int
}

// run is one started command.
type run struct {
	process *os.Process
	over    bool          // reaped: its number may be another's. Guarded by mu
	ending  bool          // Restart or Destroy ends it: no Exit. Guarded by mu
	oom     bool          // killed for its memory. Guarded by mu
	done    chan struct{} // closed when it is over and its Exit is told
}

func (e *environment) open() error {
	err := os.MkdirAll(filepath.Join(e.dir, "tmp"), 0o700)
	if err != nil {
		return err
	}
	if e.tcp, e.socket, err = listen(e.dir); err != nil {
		return err
	}
	if e.null, err = os.Open(os.DevNull); err != nil {
		return err
	}
	e.output, e.writer, err = os.Pipe()
	return err
}

// closeFiles closes all but the read end of the output, which belongs to its reader.
func (e *environment) closeFiles() {
	for _, l := range e.Listeners() {
		l.Close()
	}
	for _, f := range []*os.File{e.writer, e.null} {
		if f != nil {
			f.Close()
		}
	}
}

// keep runs forks on one thread, as long as the environment lives.
func (e *environment) keep() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // no child is left to depend on it
	for fork := range e.forks {
		fork()
	}
}

// Root answers where a path inside really is.
func (e *environment) Root(path string) string {
	for inside, real := range map[string]string{
		sandbox.TaskRoot:    filepath.Join(e.dir, "task"),
		sandbox.TempRoot:    filepath.Join(e.dir, "tmp"),
		sandbox.RuntimeRoot: e.runtime.Client,
	} {
		if rest, ok := strings.CutPrefix(path, inside); ok && real != "" && (rest == "" || rest[0] == '/') {
			return real + rest
		}
	}
	return path
}

// Endpoint answers the Runtime API's address.
func (e *environment) Endpoint() sandbox.Endpoint {
	p := sandbox.Endpoint{Address: e.tcp.Addr().String()}
	if e.socket != nil {
		p.Socket = e.socket.Addr().String()
	}
	return p
}

// Listeners answers the Runtime API's listeners.
func (e *environment) Listeners() []net.Listener {
	var all []net.Listener
	for _, l := range []net.Listener{e.tcp, e.socket} {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// Output answers the read end of stdout and stderr. It ends with io.EOF after Destroy, and is
// its reader's to close.
func (e *environment) Output() *os.File { return e.output }

// Exits yields ends of the command.
func (e *environment) Exits() <-chan sandbox.Exit { return e.exits }

// Gone is closed when nothing is left.
func (e *environment) Gone() <-chan struct{} { return e.gone }

// Assign links the code and starts the command. An error that is fs.ErrNotExist,
// fs.ErrPermission or ENOEXEC is about the command.
func (e *environment) Assign(ctx context.Context, a sandbox.Assignment) error {
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	again, destroyed := e.assigned != nil, e.destroyed
	e.assigned = &a
	e.mu.Unlock()
	switch info, err := os.Stat(a.Code); {
	case again:
		return lambda.Errorf(lambda.Internal, "assign: this environment has its code already")
	case destroyed:
		return errDestroyed
	case ctx.Err() != nil:
		return lambda.Errorf(lambda.Internal, "assign: %w", ctx.Err())
	case err != nil || !info.IsDir():
		return lambda.Errorf(lambda.Internal, "assign: %s is not a folder of code", a.Code)
	case len(a.Command) == 0 || !filepath.IsAbs(a.Command[0]):
		return lambda.Errorf(lambda.Internal, "assign: the command is not an absolute path: %q", a.Command)
	}
	if err := os.Symlink(a.Code, filepath.Join(e.dir, "task")); err != nil {
		return lambda.Errorf(lambda.Internal, "assign: %w", err)
	}
	if err := e.start(a); err != nil {
		return lambda.Errorf(lambda.Internal, "assign: %w", err)
	}
	return nil
}

var errDestroyed = lambda.Errorf(lambda.Internal, "the environment is destroyed")

// Restart ends every process and starts the command again.
func (e *environment) Restart(ctx context.Context) error {
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	assigned, destroyed := e.assigned, e.destroyed
	e.mu.Unlock()
	if assigned == nil || destroyed {
		return lambda.Errorf(lambda.Internal, "restart: there is nothing to start")
	}
	if err := e.end(ctx); err != nil {
		return lambda.Errorf(lambda.Internal, "restart: %w", err)
	}
	if err := e.start(*assigned); err != nil {
		return lambda.Errorf(lambda.Internal, "restart: %w", err)
	}
	return nil
}

// start forks the command. The caller holds order.
func (e *environment) start(a sandbox.Assignment) error {
	attr := &os.ProcAttr{
		Dir: filepath.Join(e.dir, "task"), Env: append([]string{}, a.Env...), // nil would be the server's own
		Files: []*os.File{e.null, e.writer, e.writer}, Sys: childAttributes(),
	}
	r := &run{done: make(chan struct{})}
	var err error
	forked := make(chan struct{})
	e.forks <- func() {
		r.process, err = os.StartProcess(a.Command[0], a.Command, attr)
		close(forked)
	}
	<-forked
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.run, e.frozen = r, false
	e.mu.Unlock()
	go e.wait(r)
	if err := errors.Join(limit(r.process.Pid, e.shape), writeRecord(e.dir, r.process.Pid)); err != nil {
		select {
		case <-r.done: // it has ended by itself meanwhile
		default:
			e.mu.Lock()
			r.ending = true
			e.mu.Unlock()
			e.signal(r, kill)
			<-r.done
			return fmt.Errorf("bound the process: %w", err)
		}
	}
	return nil
}

// wait reaps a run, ends the rest of its group and tells.
func (e *environment) wait(r *run) {
	watched := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(r, stop)
	}()
	state, err := r.process.Wait()
	killGroup(r.process.Pid) // a runtime that ended takes all it started along
	close(stop)
	<-watched
	e.mu.Lock()
	defer e.mu.Unlock()
	defer close(r.done)
	r.over = true
	if err != nil {
		e.driver.log.Error("the end of a process can't be seen", "pid", r.process.Pid, "error", err)
		return
	}
	e.peakMB = max(e.peakMB, peakOf(state))
	if r.ending {
		return
	}
	exit := sandbox.Exit{Code: state.ExitCode(), OOM: r.oom}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		exit.Signal = ws.Signal().String()
	}
	select {
	case e.exits <- exit:
	default: // an owner that restarts without looking; it would only learn the same again
	}
}

// watch looks at the memory of a run, and kills it when it is more than it may have.
func (e *environment) watch(r *run, stop <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		e.mu.Lock()
		frozen := e.frozen
		e.mu.Unlock()
		if frozen {
			continue // it can't grow
		}
		e.look(r)
	}
}

// look reads the memory of a run once.
func (e *environment) look(r *run) {
	used := residentMB(r.process.Pid)
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.over {
		return
	}
	e.peakMB = max(e.peakMB, used)
	if used > e.shape.MemoryMB && e.shape.MemoryMB > 0 && !r.oom {
		r.oom = true
		e.peakMB = e.shape.MemoryMB
		killGroup(r.process.Pid)
	}
}

// signal sends a signal to all processes of a run.
func (e *environment) signal(r *run, sig syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !r.over {
		signalGroup(r.process.Pid, sig)
	}
	signalStrays(e.dir, sig)
}

// end kills every process. The caller holds order.
func (e *environment) end(ctx context.Context) error {
	e.mu.Lock()
	r := e.run
	if r != nil {
		r.ending = true
	}
	e.mu.Unlock()
	if r == nil {
		return nil
	}
	e.signal(r, kill)
	<-r.done
	return endStrays(ctx, e.dir)
}

// Freeze stops all processes.
func (e *environment) Freeze() error { return e.setFrozen(true, syscall.SIGSTOP) }

// Thaw lets them go on.
func (e *environment) Thaw() error { return e.setFrozen(false, syscall.SIGCONT) }

func (e *environment) setFrozen(frozen bool, sig syscall.Signal) error {
	e.mu.Lock()
	r := e.run
	e.frozen = frozen
	e.mu.Unlock()
	if r != nil {
		e.signal(r, sig)
	}
	return nil
}

// Stats answers current readings.
func (e *environment) Stats() (sandbox.Stats, error) {
	e.mu.Lock()
	r := e.run
	e.mu.Unlock()
	if r != nil {
		e.look(r)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return sandbox.Stats{MaxMemoryMB: e.peakMB}, nil
}

// Destroy ends everything in the background.
func (e *environment) Destroy() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.destroyed {
		return
	}
	e.destroyed = true
	go e.release()
}

func (e *environment) release() {
	e.order.Lock() // an Assign or Restart in flight ends first
	defer e.order.Unlock()
	ctx, cancel := context.WithTimeout(e.life, endWithin)
	defer cancel()
	err := e.end(ctx)
	e.closeFiles()
	close(e.forks)
	if err = errors.Join(err, e.driver.forget(e.dir)); err != nil {
		e.driver.log.Error("an environment is not wholly removed", "error", err)
	}
	close(e.exits)
	close(e.gone)
}
