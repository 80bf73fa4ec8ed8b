package queue

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

func TestDecide(t *testing.T) {
	t0 := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	aws := Options{}.withDefaults().rules(lambda.AsyncConfig{})
	set := func(change func(*Rules)) Rules { r := aws; change(&r); return r }
	throttled := lambda.Errorf(lambda.TooManyRequests, "Rate Exceeded.")
	off := &lambda.Error{Kind: lambda.TooManyRequests, Message: "Rate Exceeded.", Err: lambda.ErrZeroConcurrency}
	gone := lambda.Errorf(lambda.ResourceNotFound, "gone")
	ok, failed := Result{Outcome: &lambda.Outcome{}}, Result{Outcome: &lambda.Outcome{FunctionError: "Unhandled"}}
	retry := func(d time.Duration) Verdict { return Verdict{Action: Retry, At: t0.Add(d)} }
	bury := func(c lambda.Condition) Verdict { return Verdict{Action: Bury, Condition: c} }

	for _, c := range []struct {
		name     string
		rules    Rules
		age      time.Duration // now is that long after acceptance
		attempts int
		backoffs int
		result   Result
		want     Verdict
	}{
		{"success", aws, 0, 1, 0, ok, Verdict{Action: Done}},
		{"success after the maximum age", aws, 7 * time.Hour, 1, 0, ok, Verdict{Action: Done}},
		{"first error", aws, 0, 1, 0, failed, retry(time.Minute)},
		{"second error", aws, 0, 2, 0, failed, retry(2 * time.Minute)},
		{"third error", aws, 0, 3, 0, failed, bury(lambda.RetriesExhausted)},
		{"more attempts than allowed, by crashes", aws, 0, 5, 0, failed, bury(lambda.RetriesExhausted)},
		{"no retries", set(func(r *Rules) { r.MaxRetries = 0 }), 0, 1, 0, failed, bury(lambda.RetriesExhausted)},
		{"one retry, first error", set(func(r *Rules) { r.MaxRetries = 1 }), 0, 1, 0, failed, retry(time.Minute)},
		{"one retry, second error", set(func(r *Rules) { r.MaxRetries = 1 }), 0, 2, 0, failed, bury(lambda.RetriesExhausted)},
		{"own schedule", set(func(r *Rules) { r.Delays = []time.Duration{5, 7} }), 0, 2, 0, failed, retry(7)},
		{"the last delay repeats", set(func(r *Rules) { r.Delays, r.MaxRetries = []time.Duration{5, 7}, 9 }), 0, 8, 0, failed, retry(7)},
		{"no delay", set(func(r *Rules) { r.Delays = []time.Duration{} }), 0, 1, 0, failed, retry(0)},
		{"backoffs do not change the delay", aws, 0, 1, 6, failed, retry(time.Minute)},
		{"the retry would come too late", set(func(r *Rules) { r.MaxAge = time.Minute }), time.Second, 1, 0, failed, bury(lambda.EventAgeExceeded)},
		{"the retry comes just in time", set(func(r *Rules) { r.MaxAge = time.Minute }), 0, 1, 0, failed, retry(time.Minute)},
		{"exhausted comes before too old", set(func(r *Rules) { r.MaxAge = time.Minute }), time.Hour, 3, 0, failed, bury(lambda.RetriesExhausted)},

		{"throttled", aws, 0, 0, 0, Result{Err: throttled}, retry(time.Second)},
		{"throttled again", aws, 0, 0, 1, Result{Err: throttled}, retry(2 * time.Second)},
		{"throttled the eighth time", aws, 0, 0, 8, Result{Err: throttled}, retry(256 * time.Second)},
		{"throttled the ninth time", aws, 0, 0, 9, Result{Err: throttled}, retry(5 * time.Minute)},
		{"throttled very often", aws, 0, 0, 1e6, Result{Err: throttled}, retry(5 * time.Minute)},
		{"a throttle uses no attempt", aws, 0, 2, 0, Result{Err: throttled}, retry(time.Second)},
		{"not even the last", aws, 0, 3, 0, Result{Err: throttled}, retry(time.Second)},
		{"throttled until too late", aws, 6*time.Hour - time.Minute, 0, 9, Result{Err: throttled}, bury(lambda.EventAgeExceeded)},
		{"wrapped", aws, 0, 0, 0, Result{Err: fmt.Errorf("x: %w", throttled)}, retry(time.Second)},

		{"our fault", aws, 0, 0, 2, Result{Err: errors.New("?")}, retry(4 * time.Second)},
		{"unavailable", aws, 0, 0, 0, Result{Err: lambda.Errorf(lambda.Unavailable, "full")}, retry(time.Second)},
		{"not ready yet", aws, 0, 0, 0, Result{Err: lambda.Errorf(lambda.ResourceConflict, "Pending")}, retry(time.Second)},
		{"switched off", aws, 0, 0, 0, Result{Err: off}, bury(lambda.ZeroReservedConcurrency)},
		{"switched off between attempts", aws, 0, 1, 0, Result{Err: off}, bury(lambda.ZeroReservedConcurrency)},
		{"gone", aws, 0, 1, 0, Result{Err: gone}, bury(lambda.FunctionNotFound)},
	} {
		e := &lambda.Event{AcceptedAt: t0.Add(-c.age), Attempts: make([]lambda.Attempt, c.attempts), Backoffs: c.backoffs}
		if got := Decide(c.rules, t0, e, c.result); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	o := Options{RetryDelays: []time.Duration{1}}.withDefaults()
	zero, age := 0, 60
	if r := o.rules(lambda.AsyncConfig{}); r.MaxRetries != 2 || r.MaxAge != 6*time.Hour || !slices.Equal(r.Delays, o.RetryDelays) {
		t.Errorf("defaults: %+v", r)
	}
	if r := o.rules(lambda.AsyncConfig{MaxRetries: &zero, MaxAgeSec: &age}); r.MaxRetries != 0 || r.MaxAge != time.Minute {
		t.Errorf("set: %+v", r)
	}
}

func TestAttempts(t *testing.T) {
	t0 := time.Unix(1, 0).UTC()
	var e lambda.Event
	begin(&e, t0)
	if len(e.Attempts) != 1 || e.Attempts[0].Status != lambda.StatusRunning || e.Attempts[0].Number != 1 {
		t.Fatalf("begun: %+v", e.Attempts)
	}
	begin(&e, t0.Add(1)) // after a crash
	if len(e.Attempts) != 2 || e.Attempts[0].ErrorType != "Interrupted" || e.Attempts[0].Status != lambda.StatusSystem || e.Attempts[1].Number != 2 {
		t.Fatalf("after a crash: %+v", e.Attempts)
	}
	end(&e, Result{Err: errors.New("throttled")})
	if len(e.Attempts) != 1 {
		t.Fatalf("one that did not run counts: %+v", e.Attempts)
	}
	e.Backoffs = 4
	begin(&e, t0.Add(2))
	end(&e, Result{Outcome: &lambda.Outcome{Attempt: lambda.Attempt{Number: 9, Status: lambda.StatusError}}})
	if a := e.Attempts[1]; a.Number != 2 || a.Status != lambda.StatusError || !a.StartedAt.Equal(t0.Add(2)) || e.Backoffs != 0 {
		t.Errorf("ended: %+v, %d backoffs", a, e.Backoffs)
	}
}

func TestIDs(t *testing.T) {
	var g ids
	now := time.Unix(1e9, 0)
	last := ""
	for i := range 200_000 {
		if i == 100_000 {
			now = now.Add(-time.Hour) // the clock goes back
		}
		id := g.next(now)
		if len(id) != idLength || id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
	var h ids
	h.seen(last)
	h.seen("foreign")
	if id := h.next(time.Unix(0, 0)); id <= last {
		t.Errorf("%q after %q of an earlier process", id, last)
	}
}
