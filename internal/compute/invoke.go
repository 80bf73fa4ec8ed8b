package compute

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/runtimeapi"
	"lambent.dev/lambent/internal/sandbox"
)

// Invoke runs one event in an environment of its function version and answers how that ended;
// Attempt.Number is the caller's to set. What never met an environment is an error, always a
// *lambda.Error: TooManyRequests when the host is full, InvalidRuntime, Internal when no sandbox
// could be started or ctx ended.
func (p *Pool) Invoke(ctx context.Context, inv Invocation) (lambda.Outcome, error) {
	key := keyOf(inv.Config)
	for {
		e, place, err := p.obtain(ctx, key)
		if err != nil {
			return lambda.Outcome{}, err
		}
		if e == nil {
			return p.invokeCold(ctx, key, &inv, place)
		}
		outcome, met, err := p.run(ctx, e, &inv, nil)
		if met || err != nil {
			return outcome, err
		}
		// The environment died before the event reached it: another one.
	}
}

// invokeCold starts an environment for the event. The place in the row of starts is left when it
// is ready, or takes long.
func (p *Pool) invokeCold(ctx context.Context, key Key, inv *Invocation, place *start) (lambda.Outcome, error) {
	leave := func() { p.starts.leave(place) }
	defer leave()
	defer time.AfterFunc(longStart, leave).Stop()
	c := inv.Config
	r, err := p.runtimes.Resolve(ctx, c.Runtime)
	if err != nil {
		return lambda.Outcome{}, err
	}
	if err := p.reserve(c.MemoryMB); err != nil {
		return lambda.Outcome{}, err
	}
	e, start, err := p.open(ctx, key, c, &r)
	if err != nil {
		return lambda.Outcome{}, err
	}
	leave()
	outcome, _, err := p.run(ctx, e, inv, start)
	return outcome, err
}

// run gives the event to an environment that the caller has taken, and puts that back or ends
// it. met is false when the event did not reach a living runtime and another may have it.
func (p *Pool) run(ctx context.Context, e *environment, inv *Invocation, cold *coldStart) (outcome lambda.Outcome, met bool, err error) {
	c := inv.Config
	log := systemLogOf(c.Logging)
	begun, took := p.clock(), clock.Stopwatch()
	timeout := time.Duration(c.TimeoutSec) * time.Second
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	e.log.begin(log.start(begun, inv.RequestID, c.Version), cold != nil)
	response, met, fault := p.perform(limit, e, inv, cold, begun.Add(timeout))
	duration := took()
	if ctx.Err() != nil && fault != nil {
		p.end(e)
		return lambda.Outcome{}, true, interrupted(ctx)
	}
	f, whole := judge(inv.RequestID, timeout, response, fault)
	if f == nil && fault != nil {
		p.end(e)
		return lambda.Outcome{}, true, lambda.Errorf(lambda.Internal, "The execution environment failed: %w", fault)
	}
	if !met && cold == nil && errors.As(fault, new(*exited)) {
		p.end(e)
		return lambda.Outcome{}, false, nil
	}
	if f != nil && f.status == lambda.StatusTimeout {
		duration = timeout
	}
	u := &usage{requestID: inv.RequestID, duration: duration, memoryMB: c.MemoryMB, failure: f}
	if cold != nil && cold.err == nil {
		u.init = cold.took
	}
	u.usedMB = e.measure(p.clock(), duration, f != nil)
	outcome = p.settle(e, inv, u, response, begun)
	if cold != nil {
		outcome.Attempt.Init = cold.took
	}
	if whole {
		p.release(e)
	} else {
		p.end(e)
	}
	return outcome, true, nil
}

// perform lets the runtime answer the event, within limit. An environment whose initialisation
// failed outside of the call gets another chance here, on the call's time.
func (p *Pool) perform(limit context.Context, e *environment, inv *Invocation, cold *coldStart, deadline time.Time) (runtimeapi.Response, bool, error) {
	if cold != nil && cold.failure != nil {
		return runtimeapi.Response{}, true, &unstartable{cold.failure}
	}
	if cold != nil && cold.err != nil {
		took := clock.Stopwatch()
		if err := e.restart(limit, cold.err); err != nil {
			e.log.note(initReportOf(inv.Config, p.clock(), "invoke", took(), err))
			return runtimeapi.Response{}, true, err
		}
	}
	arn := inv.InvokedARN
	if arn == "" {
		arn = inv.Config.ARN()
	}
	return e.session.Invoke(limit, &runtimeapi.Invocation{
		RequestID: inv.RequestID, InvocationID: newInvocationID(), FunctionARN: arn,
		TraceHeader: inv.TraceHeader, ClientContext: decodeClientContext(inv.ClientContext),
		Deadline: deadline, Payload: inv.Payload,
	})
}

// unstartable is a function whose entry point can't be started.
type unstartable struct{ *failure }

func (u *unstartable) Error() string { return u.message }

// judge says how an invocation ended: nil is success, or an error that is not the function's when
// there was a fault. whole says that the environment may serve again.
func judge(requestID string, timeout time.Duration, r runtimeapi.Response, fault error) (f *failure, whole bool) {
	var broken *unstartable
	var end *exited
	var init *runtimeapi.InitError
	switch {
	case fault == nil && r.TooLarge:
		return tooLargeFailure(), true
	case fault == nil && r.Failed:
		return reportedFailure(r.Payload, r.ErrorType), true
	case fault == nil:
		return nil, true
	case errors.Is(fault, context.DeadlineExceeded):
		return timeoutFailure(requestID, timeout), false
	case errors.As(fault, &broken):
		return platformFailure(lambda.StatusError, broken.kind, requestID, broken.message), false
	case errors.As(fault, &end):
		return exitFailure(requestID, end.Exit), false
	case errors.As(fault, &init):
		f = reportedFailure(init.Payload, init.ErrorType)
		f.report = true
		return f, false
	}
	return nil, false
}

// settle ends the invocation's log and makes its outcome.
func (p *Pool) settle(e *environment, inv *Invocation, u *usage, r runtimeapi.Response, begun time.Time) lambda.Outcome {
	c, f, now := inv.Config, u.failure, p.clock()
	log := systemLogOf(c.Logging)
	lines := make([]string, 0, 3)
	if f != nil && f.status == lambda.StatusTimeout {
		lines = append(lines, log.timeout(now, inv.RequestID, time.Duration(c.TimeoutSec)*time.Second))
	}
	lines = append(lines, log.end(now, u), log.report(now, u))
	tail, err := e.log.finish(lines...)
	if err != nil {
		p.logger.Warn("a function's log is incomplete", "function", c.ARN(), "error", err)
	}
	outcome := lambda.Outcome{
		Payload: r.Payload, LogTail: tail,
		Attempt: lambda.Attempt{
			StartedAt: begun, Duration: u.duration, Version: c.Version, Status: lambda.StatusSuccess,
			LogTail: string(tail), MemorySizeMB: c.MemoryMB, MaxMemoryUsedMB: u.usedMB, TimeoutSeconds: c.TimeoutSec,
		},
	}
	if f != nil {
		outcome.Payload, outcome.FunctionError = f.payload, "Unhandled"
		a := &outcome.Attempt
		a.Status, a.ErrorType, a.ErrorMessage, a.StackTrace = f.status, f.kind, f.message, asInside(f.stack, e.box.Root(sandbox.TaskRoot))
	}
	return outcome
}

// asInside names the code's folder as AWS does where a driver shows it elsewhere, in a folder that
// differs from environment to environment: failures of one kind have equal frames.
func asInside(stack []string, taskRoot string) []string {
	if taskRoot == sandbox.TaskRoot {
		return stack
	}
	for i, frame := range stack {
		stack[i] = strings.ReplaceAll(frame, taskRoot, sandbox.TaskRoot)
	}
	return stack
}

// newInvocationID answers 128 random bits as text.
func newInvocationID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
