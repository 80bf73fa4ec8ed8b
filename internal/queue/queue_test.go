package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/kv/kvtest"
	"lambent.dev/lambent/internal/lambda"
)

var f = fnOf("111111111111", "f")

// scene runs a queue in a bubble of its own time.
func scene(t *testing.T, o Options, body func(t *testing.T, w *world, q *Queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.answer = succeed
		q := w.queue(t, o)
		stop := run(t, q)
		body(t, w, q)
		stop()
	})
}

func TestSuccess(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		accept(t, q, f, "a")
		synctest.Wait()
		if at := w.calls("a"); !slices.Equal(at, []time.Duration{0}) {
			t.Errorf("ran at %v", at)
		}
		if n := left(t, w.store); n != 0 || q.Depth() != 0 || len(w.burials) != 0 {
			t.Errorf("left: %d keys, depth %d, %d letters", n, q.Depth(), len(w.burials))
		}
	})
}

// TestFunctionErrors: attempts after one and two minutes, one request id, then a letter.
func TestFunctionErrors(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		w.answer = fails
		accept(t, q, f, "a")
		<-w.buried
		if at := w.calls("a"); !slices.Equal(at, []time.Duration{0, time.Minute, 3 * time.Minute}) {
			t.Errorf("ran at %v", at)
		}
		b := w.burials[0]
		if b.Condition != lambda.RetriesExhausted || len(b.Event.Attempts) != 3 || b.ErrorType != "" || b.Event.Attempts[2].Number != 3 || b.Event.Attempts[2].ErrorMessage != "boom" {
			t.Errorf("%+v", b)
		}
		synctest.Wait()
		if n := left(t, w.store); n != 0 || q.Depth() != 0 {
			t.Errorf("left: %d keys, depth %d", n, q.Depth())
		}
	})
}

func TestOwnSchedule(t *testing.T) {
	scene(t, Options{RetryDelays: []time.Duration{10 * time.Millisecond}}, func(t *testing.T, w *world, q *Queue) {
		w.answer = fails
		accept(t, q, f, "a")
		<-w.buried
		if at := w.calls("a"); !slices.Equal(at, []time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond}) {
			t.Errorf("ran at %v", at)
		}
	})
}

// TestSettingsAreRead when an attempt ends, not when the event is accepted.
func TestSettingsAreRead(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			none := 0
			w.config.MaxRetries = &none
			return fails(ctx, e)
		}
		accept(t, q, f, "a")
		<-w.buried
		if at := w.calls("a"); len(at) != 1 {
			t.Errorf("ran at %v", at)
		}
	})
}

// TestThrottles: 1 s, 2 s, 4 s, up to 5 min, no attempt used, until the maximum age.
func TestThrottles(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		w.answer = throttles
		accept(t, q, f, "a")
		<-w.buried
		at := w.calls("a")
		want := time.Duration(0)
		for i, got := range at {
			if i > 0 {
				want += min(time.Second<<min(i-1, 10), 5*time.Minute)
			}
			if got != want {
				t.Fatalf("try %d at %v, want %v", i, got, want)
			}
		}
		last := at[len(at)-1]
		if last > 6*time.Hour || last < 6*time.Hour-5*time.Minute {
			t.Errorf("the last of %d tries at %v", len(at), last)
		}
		b := w.burials[0]
		if b.Condition != lambda.EventAgeExceeded || len(b.Event.Attempts) != 0 || b.ErrorType != "TooManyRequestsException" || b.ErrorMessage != "Rate Exceeded." {
			t.Errorf("%+v", b)
		}
	})
}

func TestMaximumAge(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		age := 60
		w.config.MaxAgeSec = &age
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			<-time.After(time.Second)
			return fails(ctx, e)
		}
		accept(t, q, f, "a")
		<-w.buried
		if b := w.burials[0]; b.Condition != lambda.EventAgeExceeded || len(b.Event.Attempts) != 1 || !b.At.Equal(w.start.Add(time.Second).UTC()) {
			t.Errorf("%v at %v after %d attempts", b.Condition, b.At, len(b.Event.Attempts))
		}
	})
}

// TestTooOldAtTheStart: age is looked at before an attempt, not only after one.
func TestTooOldAtTheStart(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		e := &lambda.Event{RequestID: "a", Function: f, AcceptedAt: time.Now().Add(-7 * time.Hour).UTC()}
		if err := q.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		<-w.buried
		if b := w.burials[0]; b.Condition != lambda.EventAgeExceeded || b.ErrorType != "EventAgeExceeded" || len(w.calls("a")) != 0 {
			t.Errorf("%+v", b)
		}
	})
}

func TestNoAttempt(t *testing.T) {
	for ending, err := range map[lambda.Condition]error{
		lambda.ZeroReservedConcurrency: &lambda.Error{Kind: lambda.TooManyRequests, Message: "Rate Exceeded.", Err: lambda.ErrZeroConcurrency},
		lambda.FunctionNotFound:        lambda.Errorf(lambda.ResourceNotFound, "Function not found: f"),
	} {
		for _, refuses := range []string{"", "no"} {
			condition := ending
			if refuses != "" {
				condition = lambda.DestinationFailed
			}
			scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
				w.refuses = refuses
				if refuses != "" {
					w.config.OnFailure = "next"
				}
				w.answer = func(context.Context, *lambda.Event) (lambda.Outcome, error) { return lambda.Outcome{}, err }
				accept(t, q, f, "a")
				<-w.buried
				if b := w.burials[0]; b.Condition != condition || b.Ending != ending || len(b.Event.Attempts) != 0 || b.ErrorType == "" || b.ErrorMessage == "" || !b.At.Equal(w.start.UTC()) {
					t.Errorf("%+v", b)
				}
			})
		}
	}
}

// TestSystemErrors use no attempt, and the function's own errors count on where they were.
func TestSystemErrors(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		n := 0
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			if n++; n%2 == 1 {
				return lambda.Outcome{}, errors.New("no sandbox")
			}
			return fails(ctx, e)
		}
		accept(t, q, f, "a")
		<-w.buried
		if at := w.calls("a"); len(at) != 6 || at[1] != time.Second || at[3] != 62*time.Second {
			t.Errorf("ran at %v", at)
		}
		if b := w.burials[0]; b.Condition != lambda.RetriesExhausted || len(b.Event.Attempts) != 3 {
			t.Errorf("%v after %d attempts", b.Condition, len(b.Event.Attempts))
		}
	})
}

func TestDestinations(t *testing.T) {
	for _, c := range []struct {
		name      string
		answer    func(context.Context, *lambda.Event) (lambda.Outcome, error)
		target    string
		refuses   string
		delivered string // payload of the destination's event
		condition lambda.Condition
		ending    lambda.Condition
		failure   string
	}{
		{name: "success", answer: succeed, delivered: "Success"},
		{name: "failure", answer: fails, delivered: "RetriesExhausted", condition: lambda.RetriesExhausted, ending: lambda.RetriesExhausted},
		{name: "success that cannot be delivered", answer: succeed, refuses: "no", condition: lambda.DestinationFailed, failure: "no"},
		{name: "failure that cannot be delivered", answer: fails, refuses: "no", condition: lambda.DestinationFailed, ending: lambda.RetriesExhausted, failure: "no"},
		{name: "destination and dead-letter queue", answer: fails, target: "arn:q", delivered: "RetriesExhausted", condition: lambda.DestinationFailed, ending: lambda.RetriesExhausted, failure: "arn:q is not offered yet"},
		{name: "a success is no dead letter", answer: succeed, target: "arn:q", delivered: "Success"},
	} {
		t.Run(c.name, func(t *testing.T) {
			scene(t, Options{RetryDelays: []time.Duration{}}, func(t *testing.T, w *world, q *Queue) {
				var delivered []string
				w.config = lambda.AsyncConfig{OnSuccess: "next", OnFailure: "next"}
				w.target, w.refuses = c.target, c.refuses
				w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
					if e.Function.Name == "next" {
						delivered = append(delivered, string(e.Payload))
						w.config = lambda.AsyncConfig{}
						return succeed(ctx, e)
					}
					return c.answer(ctx, e)
				}
				accept(t, q, f, "a")
				synctest.Wait()
				if strings.Join(delivered, " ") != c.delivered {
					t.Errorf("delivered %q", delivered)
				}
				if (c.condition != "") != (len(w.burials) == 1) {
					t.Fatalf("buried %+v", w.burials)
				}
				if c.condition != "" {
					b := w.burials[0]
					if b.Condition != c.condition || b.Ending != c.ending || (b.Destination != nil) != (c.failure != "") || b.Destination != nil && b.Destination.Error != c.failure {
						t.Errorf("%+v %+v", b, b.Destination)
					}
				}
				if n := left(t, w.store); n != 0 || q.Depth() != 0 {
					t.Errorf("left: %d keys, depth %d", n, q.Depth())
				}
			})
		})
	}
}

// TestThrottledFunctionIsLeftAlone: 1,000 events of a function that is throttled cost a few calls.
func TestThrottledFunctionIsLeftAlone(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		var free atomic.Bool
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			if free.Load() {
				return succeed(ctx, e)
			}
			return throttles(ctx, e)
		}
		for i := range 1000 {
			accept(t, q, f, fmt.Sprint(i))
		}
		<-time.After(time.Minute)
		w.mu.Lock()
		n := len(w.runs)
		w.mu.Unlock()
		if n > 400 {
			t.Errorf("%d calls in a minute", n)
		}
		free.Store(true)
		<-time.After(30 * time.Minute)
		if d := q.Depth(); d != 0 {
			t.Errorf("%d are left", d)
		}
	})
}

// TestFair: an account with many events does not delay another's one.
func TestFair(t *testing.T) {
	scene(t, Options{MaxInFlight: 16}, func(t *testing.T, w *world, q *Queue) {
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			<-time.After(100 * time.Millisecond)
			return succeed(ctx, e)
		}
		var b kv.Batch
		var all []*lambda.Event
		for i := range 2_000 {
			e := &lambda.Event{RequestID: fmt.Sprint(i), Function: fnOf("1", "busy")}
			q.Append(&b, e)
			all = append(all, e)
		}
		if err := w.store.Commit(&b, kv.Synced); err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			q.Added(e)
		}
		<-time.After(time.Second)
		asked := time.Since(w.start)
		accept(t, q, fnOf("2", "quiet"), "one")
		synctest.Wait()
		if at := w.calls("one"); len(at) != 1 || at[0] != asked {
			t.Errorf("asked at %v, ran at %v", asked, at)
		}
		<-time.After(100 * time.Second)
		if d := q.Depth(); d != 0 {
			t.Errorf("%d are left", d)
		}
	})
}

// TestDrain: after the end of claims nothing is begun, what runs ends; after the end of work it is
// cut off and due again, as the same attempt plus one.
func TestDrain(t *testing.T) {
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
				select {
				case <-ctx.Done():
					return lambda.Outcome{}, ctx.Err()
				case <-time.After(10 * time.Second):
					return succeed(ctx, e)
				}
			}
			q := w.queue(t, Options{MaxInFlight: 1})
			accept(t, q, f, "runs")
			accept(t, q, f, "waits")
			claims, stop := context.WithCancel(t.Context())
			work, end := context.WithCancel(t.Context())
			defer end()
			ended := make(chan error, 1)
			go func() { ended <- q.Run(claims, work) }()
			<-time.After(time.Second)
			stop()
			if cut {
				<-time.After(time.Second)
				end()
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			w.answer = succeed
			q = w.queue(t, Options{})
			stop2 := run(t, q)
			synctest.Wait()
			runs, waits := len(w.calls("runs")), len(w.calls("waits"))
			if want := map[bool]int{false: 1, true: 2}[cut]; runs != want || waits != 1 || q.Depth() != 0 {
				t.Errorf("cut %v: ran %d and %d times, depth %d", cut, runs, waits, q.Depth())
			}
			if last := w.runs[len(w.runs)-1]; cut && w.runs[1].request == "runs" && w.runs[1].attempts != 2 {
				t.Errorf("%+v", last)
			}
			stop2()
		})
	}
}

// TestFullDisk: what is refused was not kept; what has run waits for room with its outcome.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.answer = succeed
		var full atomic.Bool
		memory := w.store.(*kvtest.Memory)
		memory.Fail = func(*kv.Batch) error {
			if full.Load() {
				return lambda.Errorf(lambda.Unavailable, "full")
			}
			return nil
		}
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			full.Store(true)
			return succeed(ctx, e)
		}
		q := w.queue(t, Options{})
		stop := run(t, q)
		accept(t, q, f, "a")
		synctest.Wait()
		e := &lambda.Event{RequestID: "b", Function: f}
		if err := q.Accept(t.Context(), e); lambda.KindOf(err) != lambda.Unavailable || q.Depth() != 1 {
			t.Errorf("%v, depth %d", err, q.Depth())
		}
		<-time.After(10 * time.Second)
		full.Store(false)
		<-time.After(2 * time.Second)
		if at := w.calls("a"); len(at) != 1 || left(t, w.store) != 0 || q.Depth() != 0 {
			t.Errorf("ran at %v, %d keys left", at, left(t, w.store))
		}
		stop()
	})
}

// TestBrokenStore ends Run with the reason.
func TestBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.answer = succeed
		q := w.queue(t, Options{})
		accept(t, q, f, "a")
		w.store.(*kvtest.Memory).Fail = func(*kv.Batch) error { return lambda.Errorf(lambda.Internal, "broken") }
		if err := q.Run(t.Context(), t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%v", err)
		}
	})
}

// TestUnreadable records are left where they are and stop nothing.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.answer = succeed
		q := w.queue(t, Options{})
		damaged := accept(t, q, f, "damaged")
		var b kv.Batch
		b.Set(kv.FunctionKey(kv.Event, f, damaged.ID), []byte{99, 1, 2})
		b.Set([]byte("d\x00nonsense"), nil)
		b.Set(append(kv.FunctionKey(kv.Due, fnOf("9", "g")), "short"...), nil)
		if err := w.store.Commit(&b, kv.Synced); err != nil {
			t.Fatal(err)
		}
		accept(t, q, f, "good")
		q = w.queue(t, Options{})
		stop := run(t, q)
		synctest.Wait()
		if len(w.calls("good")) != 1 {
			t.Error("a damaged record stops the others")
		}
		if _, err := w.store.Get(kv.FunctionKey(kv.Event, f, damaged.ID)); err != nil {
			t.Errorf("the damaged record is gone: %v", err)
		}
		if _, err := q.Get(f, damaged.ID); lambda.KindOf(err) != lambda.Internal {
			t.Errorf("%v", err)
		}
		stop()
	})
}

func TestGetAndList(t *testing.T) {
	scene(t, Options{}, func(t *testing.T, w *world, q *Queue) {
		w.answer = fails
		var ids []string
		for i := range 5 {
			ids = append(ids, accept(t, q, f, fmt.Sprint(i)).ID)
		}
		accept(t, q, fnOf("111111111111", "ff"), "other")
		synctest.Wait()
		got, err := q.Get(f, ids[0])
		if err != nil || len(got.Event.Attempts) != 1 || !got.Due.Equal(w.start.Add(time.Minute)) || string(got.Event.Payload) != "{}" {
			t.Errorf("%v %+v", err, got)
		}
		if _, err := q.Get(f, "nothing"); lambda.KindOf(err) != lambda.ResourceNotFound {
			t.Errorf("%v", err)
		}
		var listed []string
		for after := ""; ; {
			page, err := q.List(f, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				listed = append(listed, p.Event.ID)
			}
			after = page[len(page)-1].Event.ID
		}
		if !slices.Equal(listed, ids) {
			t.Errorf("listed %q, accepted %q", listed, ids)
		}
	})
}

// TestDepth is exact after a restart, also while events end during the count.
func TestDepth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		q := w.queue(t, Options{})
		for i := range 100 {
			accept(t, q, fnOf("1", fmt.Sprint(i%7)), fmt.Sprint(i))
		}
		if q.Depth() != 100 {
			t.Errorf("depth %d", q.Depth())
		}
		var mu sync.Mutex
		n := 0
		w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n > 40 {
				return throttles(ctx, e)
			}
			return succeed(ctx, e)
		}
		q = w.queue(t, Options{})
		accept(t, q, f, "early")
		stop := run(t, q)
		synctest.Wait()
		if q.Depth() != 61 {
			t.Errorf("depth %d, want 61", q.Depth())
		}
		stop()
	})
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{MaxInFlight: -1}, {Window: 1}, {WindowTotal: 10}, {RetryDelays: []time.Duration{-1}}} {
		if _, err := New(o, Parts{Store: new(kvtest.Memory)}); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
