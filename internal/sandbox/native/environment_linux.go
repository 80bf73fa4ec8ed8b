package native

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"lambent.dev/lambent/internal/cgroup"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// environment is one sandbox. The fields above mu are set by Boot and then only read, or owned
// by the one caller of its methods; release, which runs last, closes what is open.
type environment struct {
	driver   *Driver
	template *template
	shape    sandbox.Shape
	name     string

	slot, initUID, functionUID int
	record                     record
	group                      *cgroup.Group
	output, outputWriter       *os.File
	control                    *channel
	words                      *os.File // init's standard error
	pid                        int
	pidfd                      *os.File
	disk                       *disk
	root                       *os.File
	passed                     []*os.File
	listeners                  []net.Listener
	task                       *os.File // the place for code, until it is taken
	mountNS                    *os.File
	oomEvent                   *os.File
	setUpSteps                 []string
	peakMB                     int

	answers  chan message // init's, to orders to start
	exits    chan sandbox.Exit
	dead     chan struct{} // init is reaped
	gone     chan struct{}
	watching sync.WaitGroup
	watched  bool // listenToInit runs, and reaps
	destroy  sync.Once

	mu         sync.Mutex
	order      sync.Mutex // one order to init at a time
	assigned   *sandbox.Assignment
	generation int
	running    bool // the started command has not ended, as far as is known
	destroyed  bool
	oomKills   int64 // seen so far
}

func newEnvironment(d *Driver, t *template, s sandbox.Shape) *environment {
	e := &environment{
		driver: d, template: t, shape: s, name: randomName(), slot: -1,
		answers: make(chan message, 1),
		exits:   make(chan sandbox.Exit, 64),
		dead:    make(chan struct{}),
		gone:    make(chan struct{}),
	}
	d.mu.Lock()
	d.live[e.name] = e
	d.mu.Unlock()
	return e
}

// Root is the identity: the environment has a file system of its own.
func (e *environment) Root(path string) string { return path }

// Endpoint answers where code inside finds its Runtime API.
func (e *environment) Endpoint() sandbox.Endpoint {
	return sandbox.Endpoint{Address: apiAddress, Socket: "/run/" + socketDir + "/" + socketName}
}

// Listeners answers the host's ends: TCP, then unix.
func (e *environment) Listeners() []net.Listener { return e.listeners }

// Output answers the read end of stdout and stderr.
func (e *environment) Output() *os.File { return e.output }

// Exits yields ends of the command.
func (e *environment) Exits() <-chan sandbox.Exit { return e.exits }

// Gone is closed when nothing is left.
func (e *environment) Gone() <-chan struct{} { return e.gone }

// Assign shows the code at /var/task and starts the command. An error that is
// fs.ErrNotExist, fs.ErrPermission or ENOEXEC is about the command.
func (e *environment) Assign(ctx context.Context, a sandbox.Assignment) error {
	if err := e.driver.enter(); err != nil {
		return err
	}
	defer e.driver.busy.Done()
	e.mu.Lock()
	again := e.assigned != nil
	e.assigned = &a
	gone := e.destroyed
	e.mu.Unlock()
	if again {
		return lambda.Errorf(lambda.Internal, "assign: this environment has its code already")
	}
	if gone {
		return lambda.Errorf(lambda.Internal, "assign: the environment is destroyed")
	}
	if err := e.attachCode(a.Code); err != nil {
		return lambda.Errorf(lambda.Internal, "assign: %w", err)
	}
	if err := e.group.ResetPeak(); err != nil {
		return lambda.Errorf(lambda.Internal, "assign: %w", err)
	}
	return e.start(ctx, "assign")
}

func (e *environment) attachCode(dir string) error {
	e.order.Lock() // release closes what is used here
	defer e.order.Unlock()
	code, err := e.driver.mounts.cloneDir(dir)
	if err != nil {
		return err
	}
	defer code.Close()
	if e.task == nil {
		return errInitGone
	}
	err = e.driver.mounts.attachIn(e.mountNS, code, e.task)
	closeAll([]*os.File{e.task, e.mountNS})
	e.task, e.mountNS = nil, nil
	return err
}

// Restart ends every process and starts the command again.
func (e *environment) Restart(ctx context.Context) error {
	e.mu.Lock()
	assigned := e.assigned != nil
	e.mu.Unlock()
	if !assigned {
		return lambda.Errorf(lambda.Internal, "restart: nothing was assigned")
	}
	if err := e.Thaw(); err != nil {
		return err
	}
	return e.start(ctx, "restart")
}

// start orders init to end what runs and start the command.
func (e *environment) start(ctx context.Context, what string) error {
	e.mu.Lock()
	e.generation++
	e.running = false
	order := message{Op: opStart, Generation: e.generation, Command: e.assigned.Command, Env: e.assigned.Env}
	e.mu.Unlock()
	if err := e.ask(ctx, order); err != nil {
		return lambda.Errorf(lambda.Internal, "%s: %w", what, err)
	}
	return nil
}

var errInitGone = errors.New("the environment has ended")

// ask sends an order and waits until it is done.
func (e *environment) ask(ctx context.Context, order message) error {
	e.order.Lock()
	defer e.order.Unlock()
	if err := e.control.send(order); err != nil {
		return err
	}
	for {
		select {
		case m := <-e.answers:
			if m.Generation != order.Generation {
				continue // of an order whose asker went away
			}
			if m.Errno != 0 {
				return &os.PathError{Op: "start", Path: first(order.Command), Err: syscall.Errno(m.Errno)}
			}
			if m.Error != "" {
				return errors.New(m.Error)
			}
			return nil
		case <-e.dead:
			return errInitGone
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func first(command []string) string {
	if len(command) == 0 {
		return ""
	}
	return command[0]
}

const freezeLimit = 2 * time.Second

// Freeze stops all the function's processes.
func (e *environment) Freeze() error {
	if err := e.group.Freeze(freezeLimit); err != nil {
		return lambda.Errorf(lambda.Internal, "freeze: %w", err)
	}
	return nil
}

// Thaw lets them go on.
func (e *environment) Thaw() error {
	if err := e.group.Thaw(freezeLimit); err != nil {
		return lambda.Errorf(lambda.Internal, "thaw: %w", err)
	}
	return nil
}

// Stats answers the most memory used since Assign.
func (e *environment) Stats() (sandbox.Stats, error) {
	peak, err := e.group.Peak()
	if err != nil {
		return sandbox.Stats{}, lambda.Errorf(lambda.Internal, "stats: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peakMB = max(e.peakMB, int((peak+1<<20-1)>>20))
	if e.oomKills > 0 { // what it wanted was more than all
		e.peakMB = e.shape.MemoryMB
	}
	return sandbox.Stats{MaxMemoryMB: min(e.peakMB, e.shape.MemoryMB)}, nil
}

// listenToInit takes init's messages until it is gone, then reaps it.
func (e *environment) listenToInit() {
	defer e.watching.Done()
	for {
		m, files, err := e.control.receive()
		if err != nil {
			break
		}
		closeAll(files)
		switch m.Op {
		case opDone:
			e.answered(m)
		case opExit:
			e.exited(m.Generation, sandbox.Exit{Code: m.Code, Signal: m.Signal})
		}
	}
	e.killInit() // it closed its socket, or speaks nonsense
	e.reapInit()
	e.mu.Lock()
	generation := e.generation
	e.mu.Unlock()
	e.exited(generation, sandbox.Exit{Code: -1, Signal: syscall.SIGKILL.String()})
}

func (e *environment) answered(m message) {
	e.mu.Lock()
	if m.Generation == e.generation && m.Error == "" {
		e.running = true
	}
	e.mu.Unlock()
	select {
	case e.answers <- m:
	default: // the asker of the one before went away
		select {
		case <-e.answers:
		default:
		}
		e.answers <- m
	}
}

// exited yields an Exit, once for each start.
func (e *environment) exited(generation int, x sandbox.Exit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running || generation != e.generation || e.destroyed {
		return
	}
	e.running = false
	if kills, err := e.group.OOMKills(); err == nil && kills > e.oomKills {
		e.oomKills = kills
		x.OOM = true
	}
	select {
	case e.exits <- x:
	default: // nobody has read the last 64
		e.driver.log.Warn("an exit was not read", "environment", e.name)
	}
}
