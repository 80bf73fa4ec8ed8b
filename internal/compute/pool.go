package compute

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// stopTimeout bounds how long Run waits for environments to be gone.
const stopTimeout = 5 * time.Second

// Pool holds the execution environments of this host.
type Pool struct {
	options  Options
	driver   sandbox.Driver
	runtimes Runtimes
	code     Code
	logs     Logs
	clock    clock.Clock
	logger   *slog.Logger

	prepare   sync.Mutex // one Prepare at a time
	templates sync.Map   // of a runtime's description -> sandbox.Template
	watching  sync.WaitGroup
	wake      chan struct{} // the janitor has something to do
	starts    *starts

	mu     sync.Mutex
	all    map[*environment]struct{}
	idle   map[Key][]*environment      // newest last
	wanted map[Key][]chan *environment // calls that take the next one to be released, first come first
	usedMB int
	closed bool
}

// New makes a pool. Run must be running for idle environments to be frozen and retired.
func New(o Options, driver sandbox.Driver, runtimes Runtimes, code Code, logs Logs, now clock.Clock, logger *slog.Logger) *Pool {
	return &Pool{
		options: o.withDefaults(), driver: driver, runtimes: runtimes, code: code, logs: logs,
		clock: now, logger: logger, wake: make(chan struct{}, 1),
		starts: newStarts(maxStarts()),
		all:    map[*environment]struct{}{}, idle: map[Key][]*environment{}, wanted: map[Key][]chan *environment{},
	}
}

// Run freezes and retires idle environments until ctx is done, then ends all of them. Calls
// should have ended before: those that have not lose their environment.
func (p *Pool) Run(ctx context.Context) error {
	timer := time.NewTimer(p.options.IdleTimeout)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return p.stop()
		case <-p.wake: // an environment became idle: look when it has been so for a moment
			timer.Reset(max(p.options.FreezeAfter, time.Millisecond))
			select {
			case <-ctx.Done():
				return p.stop()
			case <-timer.C:
			}
		case <-timer.C:
		}
		timer.Reset(p.sweep())
	}
}

func (p *Pool) stop() error {
	p.mu.Lock()
	p.closed = true
	all := make([]*environment, 0, len(p.all))
	for e := range p.all {
		all = append(all, e)
	}
	clear(p.idle)
	p.mu.Unlock()
	for _, e := range all {
		p.end(e)
	}
	gone := make(chan struct{})
	go func() {
		p.watching.Wait()
		close(gone)
	}()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-gone:
		return nil
	case <-timer.C:
		return fmt.Errorf("some of %d execution environments were not gone after %s", len(all), stopTimeout)
	}
}

// sweep does what is due for idle environments and answers when to look again.
func (p *Pool) sweep() time.Duration {
	now := p.clock()
	var cold, old []*environment
	next := p.options.IdleTimeout
	p.mu.Lock()
	for _, list := range p.idle {
		for _, e := range list {
			rested := now.Sub(e.idleSince)
			switch {
			case rested >= p.options.IdleTimeout:
				old = append(old, e)
				continue
			case e.checked || p.options.FreezeAfter < 0:
			case rested >= p.options.FreezeAfter && (e.session.Waiting() || rested >= time.Second):
				e.checked = true
				cold = append(cold, e)
			default:
				next = min(next, max(p.options.FreezeAfter-rested, p.options.FreezeAfter/4, time.Millisecond))
			}
			next = min(next, p.options.IdleTimeout-rested)
		}
	}
	for _, e := range old {
		p.removeIdle(e)
	}
	p.mu.Unlock()
	for _, e := range old {
		p.end(e)
	}
	for _, e := range cold {
		e.freeze(p, p.logger)
	}
	return next
}

// Retire ends a function's environments: idle ones now, busy ones after their call.
func (p *Pool) Retire(fn lambda.FunctionID) {
	var ended []*environment
	p.mu.Lock()
	for e := range p.all {
		if e.key.Function != fn {
			continue
		}
		e.retired = true
		if p.removeIdle(e) {
			ended = append(ended, e)
		}
	}
	p.mu.Unlock()
	for _, e := range ended {
		p.end(e)
	}
}

// take answers the environment of a key that was idle last, ready for use; nil where there is none.
func (p *Pool) take(key Key) *environment {
	for {
		p.mu.Lock()
		list := p.idle[key]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		e := list[len(list)-1]
		p.removeIdle(e)
		p.mu.Unlock()
		if err := e.thaw(); err == nil {
			return e
		}
		p.end(e)
	}
}

// obtain answers an environment of the key that is ready for use, or, when it is this call's turn
// to start one, nil and the place in the row of starts, which the caller must leave.
func (p *Pool) obtain(ctx context.Context, key Key) (*environment, *start, error) {
	if e := p.take(key); e != nil {
		return e, nil, nil
	}
	next := make(chan *environment, 1)
	p.mu.Lock()
	p.wanted[key] = append(p.wanted[key], next)
	p.mu.Unlock()
	place := p.starts.enter(key.Function.Account)
	select {
	case e := <-next:
		p.starts.leave(place)
		return e, nil, nil
	case <-place.granted:
	case <-ctx.Done():
	}
	if e := p.unwant(key, next); e != nil {
		p.starts.leave(place)
		return e, nil, nil
	}
	if ctx.Err() != nil {
		p.starts.leave(place)
		return nil, nil, interrupted(ctx)
	}
	if e := p.take(key); e != nil { // released between the first look and the wait
		p.starts.leave(place)
		return e, nil, nil
	}
	return nil, place, nil
}

// unwant takes a call out of those that wait for an environment. It answers the one that was
// given to it meanwhile.
func (p *Pool) unwant(key Key, next chan *environment) *environment {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.wanted[key]
	if i := slices.Index(list, next); i >= 0 {
		if p.wanted[key] = slices.Delete(list, i, i+1); len(p.wanted[key]) == 0 {
			delete(p.wanted, key)
		}
		return nil
	}
	return <-next
}

// hand gives a busy environment to a call that waits for one. The caller holds mu.
func (p *Pool) hand(e *environment) bool {
	list := p.wanted[e.key]
	if len(list) == 0 {
		return false
	}
	if p.wanted[e.key] = list[1:]; len(list) == 1 {
		delete(p.wanted, e.key)
	}
	list[0] <- e
	return true
}

// removeIdle takes an environment out of the idle ones; false says that it was not there. Caller
// holds mu.
func (p *Pool) removeIdle(e *environment) bool {
	if e.state != idle {
		return false
	}
	list := p.idle[e.key]
	i := slices.Index(list, e)
	if i < 0 {
		return false
	}
	e.state = busy
	if len(list) == 1 {
		delete(p.idle, e.key)
	} else {
		p.idle[e.key] = slices.Delete(list, i, i+1)
	}
	return true
}

// release gives an environment back after a call that left it whole.
func (p *Pool) release(e *environment) {
	p.mu.Lock()
	_, alive := p.all[e]
	keep := alive && !e.retired && !p.closed
	if keep && p.hand(e) {
		p.mu.Unlock()
		return
	}
	if keep {
		e.state, e.idleSince, e.checked = idle, p.clock(), false
		p.idle[e.key] = append(p.idle[e.key], e)
	}
	p.mu.Unlock()
	if !keep {
		p.end(e)
		return
	}
	select {
	case <-e.exits: // it died between its answer and now, while nobody could bury it
		p.bury(e)
	default:
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// reserve makes room for an environment, ending idle ones that were used least recently.
func (p *Pool) reserve(memoryMB int) error {
	var ended []*environment
	p.mu.Lock()
	for !p.closed && p.usedMB > 0 && p.usedMB+memoryMB > p.options.MaxMemoryMB {
		e := p.oldest()
		if e == nil {
			break
		}
		p.removeIdle(e)
		delete(p.all, e)
		p.usedMB -= e.memoryMB
		ended = append(ended, e)
	}
	closed := p.closed
	full := p.usedMB > 0 && p.usedMB+memoryMB > p.options.MaxMemoryMB
	if !closed && !full {
		p.usedMB += memoryMB
	}
	p.mu.Unlock()
	for _, e := range ended {
		p.end(e)
	}
	switch {
	case closed:
		return lambda.Errorf(lambda.Unavailable, "The server is stopping.")
	case full:
		err := lambda.Errorf(lambda.TooManyRequests, "Rate Exceeded.")
		err.Reason, err.RetryAfter = lambda.ReasonConcurrency, time.Second
		return err
	}
	return nil
}

// oldest answers the idle environment that was used least recently. Caller holds mu.
func (p *Pool) oldest() *environment {
	var oldest *environment
	for _, list := range p.idle {
		// A list is in the order of release: its first is its oldest.
		if e := list[0]; oldest == nil || e.idleSince.Before(oldest.idleSince) {
			oldest = e
		}
	}
	return oldest
}

func (p *Pool) unreserve(memoryMB int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usedMB -= memoryMB
}

// template prepares a runtime once.
func (p *Pool) template(ctx context.Context, r sandbox.Runtime) (sandbox.Template, error) {
	id := fmt.Sprintf("%q", r)
	if t, ok := p.templates.Load(id); ok {
		return t, nil
	}
	p.prepare.Lock()
	defer p.prepare.Unlock()
	if t, ok := p.templates.Load(id); ok {
		return t, nil
	}
	t, err := p.driver.Prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	p.templates.Store(id, t)
	return t, nil
}
