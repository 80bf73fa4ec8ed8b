package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// settleAgain is the wait before what could not be written for want of room is written again.
const settleAgain = time.Second

// work carries one claim to its end.
func (q *Queue) work(claims, work context.Context, l *line, c entry) {
	how, again, err := q.attempt(work, l.fn, c)
	if err != nil && work.Err() == nil {
		q.fail(fmt.Errorf("queue: event %s of %s: %w", c.id, l.fn.ARN(), err))
	}
	if err != nil || work.Err() != nil {
		return // the claim is not given back: the event stays as it is until the next start
	}
	q.mu.Lock()
	q.schedule.release(l, c, how, again, at(q.o.Clock()))
	q.mu.Unlock()
	if claims.Err() == nil {
		q.signal()
	}
}

// attempt runs a claimed event and settles it. again is its next place in time, if it has one.
func (q *Queue) attempt(work context.Context, fn lambda.FunctionID, c entry) (how ending, again *entry, err error) {
	e, s, err := q.read(fn, c.id)
	if errors.Is(err, kv.ErrNotFound) {
		return ended, nil, nil // it ended, and what the dispatcher knew was old
	}
	if errors.Is(err, errUnreadable) {
		q.unreadable(fmt.Errorf("event %s of %s: %w", c.id, fn.ARN(), err))
		return ended, nil, nil
	}
	if err != nil {
		return ended, nil, err
	}
	if due := at(s.Due); due != c.due {
		return ended, &entry{due: due, id: c.id, size: c.size}, nil // moved meanwhile
	}
	config := q.config(e)
	now := q.o.Clock()
	if rules := q.o.rules(config); Expired(rules, now, e) {
		err := q.settle(work, e, c, config, now, Result{}, Verdict{Action: Bury, Condition: lambda.EventAgeExceeded})
		return ended, nil, err
	}
	begin(e, now)
	if err := q.commit(work, q.started(e, c), kv.Ordered); err != nil {
		return ended, nil, err
	}
	outcome, err := q.Invoker.Invoke(work, e)
	r := Result{Err: err}
	if err == nil {
		r.Outcome = &outcome
	} else if work.Err() != nil {
		return ended, nil, err
	}
	return q.judge(work, e, c, r)
}

// config answers what an event's function is set to do. Where that cannot be read, AWS's defaults hold.
func (q *Queue) config(e *lambda.Event) lambda.AsyncConfig {
	c, err := q.Settings.AsyncConfig(e.Function, e.Qualifier)
	if err != nil && lambda.KindOf(err) != lambda.ResourceNotFound {
		q.o.Log.Warn("A function's retry settings cannot be read; the defaults are used", "function", e.Function.ARN(), "error", err)
	}
	if err != nil {
		return lambda.AsyncConfig{}
	}
	return c
}

// started is the batch that says that an attempt begins.
func (q *Queue) started(e *lambda.Event, c entry) *kv.Batch {
	b := &kv.Batch{Urgency: kv.Progress}
	b.Set(kv.FunctionKey(kv.EventState, e.Function, e.ID),
		encodeState(&state{Due: time.Unix(0, c.due).UTC(), Backoffs: e.Backoffs, Attempts: e.Attempts}))
	return b
}

// judge decides about an event that was tried, and settles it.
func (q *Queue) judge(work context.Context, e *lambda.Event, c entry, r Result) (how ending, again *entry, err error) {
	end(e, r)
	config := q.config(e) // as it stands now
	now := q.o.Clock()
	v := Decide(q.o.rules(config), now, e, r)
	if r.Err != nil && (v.Action == Retry || v.Condition == lambda.EventAgeExceeded) {
		how = refused
	}
	if v.Action == Retry {
		if r.Err != nil {
			e.Backoffs++
			q.o.Log.Debug("An event waits", "function", e.Function.ARN(), "request", e.RequestID, "until", v.At, "error", r.Err)
		}
		next := entry{due: at(v.At), id: e.ID, size: c.size}
		return how, &next, q.commit(work, q.moved(e, c, next), kv.Synced)
	}
	return how, nil, q.settle(work, e, c, config, now, r, v)
}

// moved is the batch that gives an event its next place in time.
func (q *Queue) moved(e *lambda.Event, from, to entry) *kv.Batch {
	b := &kv.Batch{Urgency: kv.Progress}
	b.Delete(dueKey(e.Function, from.due, e.ID))
	b.Set(dueKey(e.Function, to.due, e.ID), sizeValue(len(e.Payload)))
	b.Set(kv.FunctionKey(kv.EventState, e.Function, e.ID),
		encodeState(&state{Due: time.Unix(0, to.due).UTC(), Backoffs: e.Backoffs, Attempts: e.Attempts}))
	return b
}

// settle ends an event: its keys go, and its outcome comes, in one batch.
func (q *Queue) settle(work context.Context, e *lambda.Event, c entry, config lambda.AsyncConfig, now time.Time, r Result, v Verdict) error {
	b := &kv.Batch{Urgency: kv.Progress}
	b.Delete(kv.FunctionKey(kv.Event, e.Function, e.ID))
	b.Delete(kv.FunctionKey(kv.EventState, e.Function, e.ID))
	b.Delete(dueKey(e.Function, c.due, e.ID))

	d := &Delivery{Event: e, Condition: v.Condition, At: now, Outcome: r.Outcome, Err: r.Err}
	sent, failure := q.deliver(b, d, config)
	if v.Action == Bury || failure != nil {
		burial := d.burial(failure)
		id := q.Graveyard.Bury(b, burial)
		q.o.Log.Info("An event became a dead letter", "function", e.Function.ARN(), "request", e.RequestID, "letter", id, "condition", burial.Condition)
	}
	if err := q.commit(work, b, kv.Synced); err != nil {
		return err
	}
	q.depth.Add(-1)
	for _, e := range sent {
		q.Added(e)
	}
	return nil
}

// deliver adds to the batch what the targets that are set receive. A target that takes nothing is
// a failure of the delivery, not of the queue; the first is kept.
func (q *Queue) deliver(b *kv.Batch, d *Delivery, config lambda.AsyncConfig) (sent []*lambda.Event, failure *lambda.DestinationFailure) {
	send := func(arn string, make func(string, *Delivery) (*lambda.Event, error)) {
		if arn == "" {
			return
		}
		e, err := make(arn, d)
		switch {
		case err == nil:
			q.Append(b, e)
			sent = append(sent, e)
		case failure == nil:
			failure = &lambda.DestinationFailure{ARN: arn, Error: err.Error()}
		}
	}
	if d.Condition == "" {
		send(config.OnSuccess, q.Destinations.Deliver)
		return sent, failure
	}
	target, err := q.Settings.DeadLetterTarget(d.Event.Function, d.Event.Qualifier)
	if err != nil && lambda.KindOf(err) != lambda.ResourceNotFound {
		q.o.Log.Warn("A function's dead-letter target cannot be read; the event is kept all the same", "function", d.Event.Function.ARN(), "error", err)
	}
	send(config.OnFailure, q.Destinations.Deliver)
	send(target, q.Destinations.DeadLetter)
	return sent, failure
}

// burial is the end of an event as its dead letter tells it.
func (d *Delivery) burial(failure *lambda.DestinationFailure) *lambda.Burial {
	burial := &lambda.Burial{Event: d.Event, Condition: d.Condition, Ending: d.Condition, At: d.At, Destination: failure}
	if failure != nil {
		burial.Condition = lambda.DestinationFailed
	}
	switch {
	case d.Condition == lambda.ZeroReservedConcurrency:
		burial.ErrorType = "TooManyRequestsException"
		burial.ErrorMessage = "The function was not invoked: its reserved concurrent executions are set to zero."
	case d.Err != nil && (d.Condition == lambda.FunctionNotFound || len(d.Event.Attempts) == 0):
		burial.ErrorType, burial.ErrorMessage = errorType(d.Err), d.Err.Error()
	case d.Condition == lambda.EventAgeExceeded && len(d.Event.Attempts) == 0:
		burial.ErrorType, burial.ErrorMessage = "EventAgeExceeded", "The event was not invoked before its maximum age."
	}
	return burial
}

// errorType names what kept an event from running, in AWS's words.
func errorType(err error) string {
	switch lambda.KindOf(err) {
	case lambda.TooManyRequests:
		return "TooManyRequestsException"
	case lambda.ResourceNotFound:
		return "ResourceNotFoundException"
	case lambda.ResourceConflict:
		return "ResourceConflictException"
	}
	return "ServiceException"
}

// commit writes a batch that ends or moves work. On a disk that is full beyond its reserve it
// waits for room: the outcome is known, and must not be lost.
func (q *Queue) commit(work context.Context, b *kv.Batch, d kv.Durability) error {
	for {
		err := q.Store.Commit(b, d)
		if lambda.KindOf(err) != lambda.Unavailable || err == nil {
			return err
		}
		t := time.NewTimer(settleAgain)
		select {
		case <-work.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}
