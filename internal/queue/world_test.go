package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/kv/kvtest"
	"lambent.dev/lambent/internal/lambda"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LAMBENT_QUEUE_TEST"); dir != "" {
		os.Exit(killedChild(dir))
	}
	goleak.VerifyTestMain(m)
}

// world is everything around a queue, scripted: what functions answer, how they are set, where
// the dead go.
type world struct {
	store   kv.Store
	start   time.Time
	answer  func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error)
	config  lambda.AsyncConfig
	target  string // DeadLetterConfig
	refuses string // what destinations say, "" to take all

	mu      sync.Mutex
	runs    []call
	burials []lambda.Burial
	buried  chan struct{}
}

type call struct {
	name, request string
	after         time.Duration
	attempts      int
}

func newWorld() *world {
	return &world{store: new(kvtest.Memory), start: time.Now(), buried: make(chan struct{}, 1000)}
}

func (w *world) Invoke(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
	w.mu.Lock()
	w.runs = append(w.runs, call{e.Function.Name, e.RequestID, time.Since(w.start), len(e.Attempts)})
	w.mu.Unlock()
	return w.answer(ctx, e)
}

func (w *world) AsyncConfig(lambda.FunctionID, string) (lambda.AsyncConfig, error) {
	return w.config, nil
}

func (w *world) DeadLetterTarget(lambda.FunctionID, string) (string, error) { return w.target, nil }

func (w *world) Bury(b *kv.Batch, burial *lambda.Burial) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	copied := *burial
	event := *burial.Event
	event.Attempts = slices.Clone(event.Attempts)
	copied.Event = &event
	w.burials = append(w.burials, copied)
	b.Set(kv.Key(kv.Letter, burial.Event.Function.Account, burial.Event.ID), nil)
	w.buried <- struct{}{}
	return burial.Event.ID
}

func (w *world) Deliver(arn string, d *Delivery) (*lambda.Event, error) {
	if w.refuses != "" {
		return nil, errors.New(w.refuses)
	}
	condition := d.Condition
	if condition == "" {
		condition = "Success"
	}
	return &lambda.Event{RequestID: "for " + d.Event.RequestID, Function: fnOf(d.Event.Function.Account, arn), Payload: []byte(condition)}, nil
}

func (w *world) DeadLetter(arn string, d *Delivery) (*lambda.Event, error) {
	return nil, fmt.Errorf("%s is not offered yet", arn)
}

func (w *world) queue(t testing.TB, o Options) *Queue {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	q, err := New(o, Parts{Store: w.store, Invoker: w, Settings: w, Graveyard: w, Destinations: w})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// run starts a queue and answers what stops it.
func run(t testing.TB, q *Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx, context.WithoutCancel(ctx)) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func accept(t testing.TB, q *Queue, fn lambda.FunctionID, request string) *lambda.Event {
	t.Helper()
	e := &lambda.Event{RequestID: request, Function: fn, Payload: []byte(`{}`)}
	if err := q.Accept(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// calls answers when a request ran.
func (w *world) calls(request string) (at []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.runs {
		if c.request == request {
			at = append(at, c.after)
		}
	}
	return at
}

// left answers how many keys of events are in the store.
func left(t testing.TB, s kv.Store) (n int) {
	t.Helper()
	for _, kind := range []string{kv.Event, kv.EventState, kv.Due} {
		for _, err := range s.Scan(kv.Prefix(kv.Key(kind))) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}

func succeed(context.Context, *lambda.Event) (lambda.Outcome, error) {
	return lambda.Outcome{Payload: []byte("1"), Attempt: lambda.Attempt{Version: "$LATEST", Status: lambda.StatusSuccess}}, nil
}

func fails(context.Context, *lambda.Event) (lambda.Outcome, error) {
	return lambda.Outcome{Payload: []byte("{}"), FunctionError: "Unhandled",
		Attempt: lambda.Attempt{Version: "$LATEST", Status: lambda.StatusError, ErrorType: "E", ErrorMessage: "boom"}}, nil
}

func throttles(context.Context, *lambda.Event) (lambda.Outcome, error) {
	return lambda.Outcome{}, lambda.Errorf(lambda.TooManyRequests, "Rate Exceeded.")
}
