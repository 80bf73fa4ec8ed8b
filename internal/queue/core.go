package queue

import (
	"errors"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// AWS's defaults for asynchronous invocations.
const (
	DefaultMaxRetries = 2
	DefaultMaxAge     = 6 * time.Hour
	minBackoff        = time.Second
	maxBackoff        = 5 * time.Minute
)

// Rules are what an event is judged by: a function's settings over the server's.
type Rules struct {
	MaxRetries int             // attempts after the first
	MaxAge     time.Duration   // from acceptance; an event is never tried later
	Delays     []time.Duration // before the second attempt, the third, ...; the last repeats
}

// rules applies what a function's owner has set.
func (o Options) rules(c lambda.AsyncConfig) Rules {
	r := Rules{MaxRetries: DefaultMaxRetries, MaxAge: DefaultMaxAge, Delays: o.RetryDelays}
	if c.MaxRetries != nil {
		r.MaxRetries = *c.MaxRetries
	}
	if c.MaxAgeSec != nil {
		r.MaxAge = time.Duration(*c.MaxAgeSec) * time.Second
	}
	return r
}

// Result is how one try of an event ended: with an outcome, or without having run.
type Result struct {
	Outcome *lambda.Outcome
	Err     error
}

// Action is what becomes of an event.
type Action uint8

// The actions.
const (
	Done  Action = iota // it succeeded
	Retry               // it is due again at Verdict.At
	Bury                // it is given up for Verdict.Condition
)

// Verdict is a decision about an event.
type Verdict struct {
	Action    Action
	At        time.Time
	Condition lambda.Condition
}

// Decide judges an event after a try. Its attempts hold the one that just ended, when it ran.
//
//   - What the function did wrong uses up an attempt; what kept it from running does not.
//   - Function errors wait for the next delay; throttles and faults of ours for 1 s, 2 s, 4 s, up to 5 min.
//   - A try that would come after the maximum age is not waited for.
//   - A function that is switched off or gone is not tried again.
func Decide(r Rules, now time.Time, e *lambda.Event, result Result) Verdict {
	var wait time.Duration
	switch {
	case result.Err == nil && result.Outcome.FunctionError == "":
		return Verdict{Action: Done}
	case result.Err == nil && len(e.Attempts) > r.MaxRetries:
		return Verdict{Action: Bury, Condition: lambda.RetriesExhausted}
	case result.Err == nil:
		wait = delay(r.Delays, len(e.Attempts))
	case errors.Is(result.Err, lambda.ErrZeroConcurrency):
		return Verdict{Action: Bury, Condition: lambda.ZeroReservedConcurrency}
	case lambda.KindOf(result.Err) == lambda.ResourceNotFound:
		return Verdict{Action: Bury, Condition: lambda.FunctionNotFound}
	default:
		wait = backoff(e.Backoffs)
	}
	at := now.Add(wait)
	if Expired(r, at, e) {
		return Verdict{Action: Bury, Condition: lambda.EventAgeExceeded}
	}
	return Verdict{Action: Retry, At: at}
}

// Expired says whether an event is too old to be tried at a time.
func Expired(r Rules, at time.Time, e *lambda.Event) bool { return at.Sub(e.AcceptedAt) > r.MaxAge }

// delay answers the wait after the n-th attempt.
func delay(delays []time.Duration, n int) time.Duration {
	if len(delays) == 0 || n < 1 {
		return 0
	}
	return delays[min(n, len(delays))-1]
}

// backoff answers the wait after n earlier ones in a row.
func backoff(n int) time.Duration {
	if n < 0 || n > 8 { // 2^9 s is beyond the maximum
		return maxBackoff
	}
	return min(minBackoff<<n, maxBackoff)
}

// begin records that an attempt starts. One that a crash cut off is closed first: it counts.
func begin(e *lambda.Event, now time.Time) {
	if n := len(e.Attempts); n > 0 && e.Attempts[n-1].Status == lambda.StatusRunning {
		a := &e.Attempts[n-1]
		a.Status, a.ErrorType, a.ErrorMessage = lambda.StatusSystem, "Interrupted", "The server stopped while this attempt ran."
	}
	e.Attempts = append(e.Attempts, lambda.Attempt{Number: len(e.Attempts) + 1, StartedAt: now, Status: lambda.StatusRunning})
}

// end records how the attempt that begin started ended. One that did not run is taken back.
func end(e *lambda.Event, r Result) {
	last := len(e.Attempts) - 1
	if r.Err != nil {
		e.Attempts = e.Attempts[:last]
		return
	}
	started := e.Attempts[last]
	a := r.Outcome.Attempt
	a.Number = started.Number
	if a.StartedAt.IsZero() {
		a.StartedAt = started.StartedAt
	}
	e.Attempts[last] = a
	e.Backoffs = 0
}
