package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/runtimeapi"
	"lambent.dev/lambent/internal/sandbox"
)

const (
	// settleTime is how long answers that a dead process sent may take to be read: its
	// connections end with it, unless a child of it holds them.
	settleTime = 50 * time.Millisecond
	// exitGrace is how long a runtime that reported an init error may take to exit.
	exitGrace = 500 * time.Millisecond
	// measureEvery is how old a reading of memory may be.
	measureEvery = 50 * time.Millisecond
)

// exited is the end of a runtime's process, as an error.
type exited struct{ sandbox.Exit }

func (e *exited) Error() string {
	if e.Signal != "" {
		return "the runtime was ended by a signal: " + e.Signal
	}
	return fmt.Sprintf("the runtime exited with status %d", e.Code)
}

// state says who may use an environment.
type state uint8

const (
	busy state = iota // an Invoke has it
	idle              // in the pool
	dead              // nobody gets it any more
)

// environment is one execution environment, from Boot to Gone.
type environment struct {
	key      Key
	memoryMB int
	box      sandbox.Sandbox
	session  *runtimeapi.Session
	log      *recorder
	exits    chan struct{} // gets a token for each exit of the process

	// Guarded by Pool.mu.
	state     state
	retired   bool
	idleSince time.Time
	checked   bool // the janitor has frozen it, or tried to

	// The last reading of memory; whoever has the environment owns them.
	usedMB   int
	measured time.Time

	// use is held by whoever freezes or thaws.
	use    sync.Mutex
	frozen bool
}

// coldStart is how the initialisation outside of a call went.
type coldStart struct {
	took    time.Duration
	err     error    // nil: ready
	failure *failure // the function can't be started at all: no second try
}

// open boots an environment for a function version, binds it and lets it initialise. The caller
// has reserved its memory; on error nothing is left of it.
func (p *Pool) open(ctx context.Context, key Key, c *lambda.Configuration, r *Resolved) (*environment, *coldStart, error) {
	dir, err := p.code.Dir(c.CodeSHA256)
	if err != nil {
		p.unreserve(c.MemoryMB)
		return nil, nil, err
	}
	box, err := p.boot(ctx, c, r)
	if err != nil {
		p.unreserve(c.MemoryMB)
		return nil, nil, err
	}
	stream, w := p.openLog(c)
	e := &environment{
		key: key, memoryMB: c.MemoryMB, box: box,
		session: runtimeapi.New(box.Listeners(), runtimeapi.Options{}),
		log:     newRecorder(w, p.options, p.clock),
		exits:   make(chan struct{}, 4),
	}
	if !p.adopt(e) {
		return nil, nil, lambda.Errorf(lambda.Unavailable, "The server is stopping.")
	}
	e.log.note(systemLogOf(c.Logging).initStart(p.clock(), c, r, runtimeARN(c, r)))
	start, err := p.initialise(ctx, e, c, r, dir, stream)
	if err != nil {
		p.end(e)
		return nil, nil, err
	}
	return e, start, nil
}

// boot starts an environment that holds no code.
func (p *Pool) boot(ctx context.Context, c *lambda.Configuration, r *Resolved) (sandbox.Sandbox, error) {
	template, err := p.template(ctx, r.Runtime)
	if err != nil {
		return nil, lambda.Errorf(lambda.Internal, "The sandbox can't serve %s on this host: %w", r.Runtime.Name, err)
	}
	shape := sandbox.Shape{Account: c.Function.Account, MemoryMB: c.MemoryMB, EphemeralMB: c.EphemeralMB}
	box, err := p.driver.Boot(ctx, template, shape)
	if err != nil {
		return nil, lambda.Errorf(lambda.Internal, "No execution environment could be started: %w", err)
	}
	return box, nil
}

// initialise binds the function to its environment and waits until its runtime is ready, or not.
func (p *Pool) initialise(ctx context.Context, e *environment, c *lambda.Configuration, r *Resolved, dir, stream string) (*coldStart, error) {
	command, broken := commandOf(r, c, dir)
	if broken != "" {
		return &coldStart{failure: &failure{kind: "Runtime.InvalidEntrypoint", message: broken}}, nil
	}
	box := e.box
	program, took := command[0], clock.Stopwatch()
	for i, arg := range command {
		command[i] = translate(box.Root, arg)
	}
	err := box.Assign(ctx, sandbox.Assignment{
		Code: dir, Command: command,
		Env: environmentOf(c, r, box.Endpoint(), stream, box.Root),
	})
	if err != nil {
		if text := execFault(err, program); text != "" {
			return &coldStart{failure: &failure{kind: "Runtime.InvalidEntrypoint", message: text}}, nil
		}
		return nil, lambda.Errorf(lambda.Internal, "The function could not be started in its environment: %w", err)
	}
	limit, cancel := context.WithTimeout(ctx, p.options.InitTimeout)
	defer cancel()
	start := &coldStart{err: e.session.Ready(limit), took: took()}
	if ctx.Err() != nil {
		return nil, interrupted(ctx)
	}
	if start.err != nil {
		e.log.note(initReportOf(c, p.clock(), "init", start.took, start.err))
	}
	return start, nil
}

func interrupted(ctx context.Context) *lambda.Error {
	return lambda.Errorf(lambda.Internal, "The invocation was interrupted: %w", context.Cause(ctx))
}

// openLog opens the log stream. A log that can't be kept (a full disk) stops no function.
func (p *Pool) openLog(c *lambda.Configuration) (string, io.WriteCloser) {
	stream, w, err := p.logs.Open(c.Function, c.Version)
	if err != nil {
		p.logger.Warn("a function's log can't be kept", "function", c.ARN(), "error", err)
		return stream, nil
	}
	return stream, w
}

// runtimeARN identifies what runs the function, in the form of AWS's.
func runtimeARN(c *lambda.Configuration, r *Resolved) string {
	sum := sha256.Sum256([]byte(r.Runtime.Name + "\n" + r.Version + "\n" + r.Runtime.Client))
	return "arn:" + lambda.Partition(c.Function.Region) + ":lambda:" + c.Function.Region + "::runtime:" + hex.EncodeToString(sum[:])
}

func initReportOf(c *lambda.Configuration, now time.Time, phase string, took time.Duration, err error) string {
	status, kind := "error", ""
	var init *runtimeapi.InitError
	var end *exited
	switch {
	case errors.As(err, &init):
		kind = reportedFailure(init.Payload, init.ErrorType).kind
	case errors.As(err, &end):
		kind = exitFailure("", end.Exit).kind
	case errors.Is(err, context.DeadlineExceeded):
		status = "timeout"
	}
	return systemLogOf(c.Logging).initReport(now, phase, took, status, kind)
}

// adopt watches an environment until it is gone. A pool that is stopping takes none: false.
func (p *Pool) adopt(e *environment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.usedMB -= e.memoryMB
		e.box.Destroy()
		p.watching.Go(func() { p.watch(e, closedChannel()) })
		return false
	}
	p.all[e] = struct{}{}
	pumped := make(chan struct{})
	p.watching.Go(func() {
		defer close(pumped)
		if err := e.log.pump(e.box.Output()); err != nil {
			p.logger.Warn("a function's output can't be read", "error", err)
		}
	})
	p.watching.Go(func() { p.watch(e, pumped) })
	return true
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// watch waits for exits, and frees what is ours when the environment is gone.
func (p *Pool) watch(e *environment, pumped <-chan struct{}) {
	for exit := range e.box.Exits() {
		e.session.Abort(&exited{exit}, settleTime)
		select {
		case e.exits <- struct{}{}:
		default:
		}
		p.bury(e)
	}
	<-e.box.Gone()
	e.session.Close()
	e.box.Output().Close() // ends the pump where the driver has left the file open
	<-pumped
	if err := e.log.close(); err != nil {
		p.logger.Warn("a function's log could not be closed", "error", err)
	}
}

// bury ends an environment that died while idle. A busy one is its Invoke's to judge.
func (p *Pool) bury(e *environment) {
	p.mu.Lock()
	found := p.removeIdle(e)
	p.mu.Unlock()
	if found {
		p.end(e)
	}
}

// end gives an environment up. It may be repeated.
func (p *Pool) end(e *environment) {
	p.mu.Lock()
	if _, ok := p.all[e]; ok {
		delete(p.all, e)
		p.usedMB -= e.memoryMB
	}
	e.state = dead
	p.mu.Unlock()
	e.box.Destroy()
}

// restart starts the runtime again, inside of a call: its initialisation outside has failed.
func (e *environment) restart(ctx context.Context, failed error) error {
	if !errors.Is(failed, context.DeadlineExceeded) {
		// It has exited or, having reported an error, is about to: an exit noticed later would be
		// taken for the next process's.
		grace := time.NewTimer(exitGrace)
		defer grace.Stop()
		select {
		case <-e.exits:
		case <-e.box.Gone(): // the pool is stopping
			return failed
		case <-grace.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.session.Reset()
	if err := e.box.Restart(ctx); err != nil {
		return err
	}
	return e.session.Ready(ctx)
}

// measure answers the peak of memory. A reading costs as much as a short call, and a peak only
// grows: a fresh one is taken after a call that failed or was long, and each measureEvery.
func (e *environment) measure(now time.Time, duration time.Duration, failed bool) int {
	if age := now.Sub(e.measured); failed || duration >= measureEvery || age >= measureEvery || age < 0 {
		if stats, err := e.box.Stats(); err == nil {
			e.usedMB, e.measured = stats.MaxMemoryMB, now
		}
	}
	return e.usedMB
}

// thaw readies an environment that may be frozen.
func (e *environment) thaw() error {
	e.use.Lock()
	defer e.use.Unlock()
	if !e.frozen {
		return nil
	}
	if err := e.box.Thaw(); err != nil {
		return err
	}
	e.frozen = false
	return nil
}

// freeze stops an idle environment, if it is idle still.
func (e *environment) freeze(p *Pool, log *slog.Logger) {
	e.use.Lock()
	defer e.use.Unlock()
	p.mu.Lock()
	still := e.state == idle
	p.mu.Unlock()
	if !still || e.frozen {
		return
	}
	if err := e.box.Freeze(); err != nil {
		log.Debug("an idle environment could not be frozen", "error", err)
		return
	}
	e.frozen = true
}
