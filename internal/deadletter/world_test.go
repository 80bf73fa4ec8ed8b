package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/kv/kvtest"
	"lambent.dev/lambent/internal/lambda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a key space whose commits can be made to fail: before they are applied by Fail, and
// by after when they are.
type memory struct {
	kvtest.Memory
	after func(*kv.Batch) error
}

func (m *memory) Commit(b *kv.Batch, d kv.Durability) error {
	if err := m.Memory.Commit(b, d); err != nil || m.after == nil {
		return err
	}
	return m.after(b)
}

// count answers how many keys begin with a kind.
func (m *memory) count(kind string) (n int) {
	for range m.Scan(kv.Prefix(kv.Key(kind))) {
		n++
	}
	return n
}

var errKilled = errors.New("killed")

const account = "111122223333"

// world is one server's dead letters with a queue that only records, and a clock that ticks.
type world struct {
	t       testing.TB
	kv      *memory
	mu      sync.Mutex
	now     time.Time
	serial  int
	missing map[string]bool // qualified ARNs
	added   []*lambda.Event // told to the queue
	letters *Store
	jobs    *Jobs
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, kv: new(memory), now: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC), missing: map[string]bool{}}
	w.boot()
	return w
}

// boot is what a new process does on the same disk.
func (w *world) boot() {
	w.letters = New(w.kv, w.clock)
	w.jobs = NewJobs(w.letters, w, w, slog.New(slog.DiscardHandler))
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

func (w *world) newID(at time.Time) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return fmt.Sprintf("%013d-%06d", at.UnixMilli(), w.serial)
}

func (w *world) Append(b *kv.Batch, e *lambda.Event) {
	e.ID = w.newID(e.AcceptedAt)
	b.Set(kv.FunctionKey(kv.Event, e.Function, e.ID), []byte(e.Provenance.RedrivenFrom))
}

func (w *world) Added(e *lambda.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.added = append(w.added, e)
}

func (w *world) Check(f lambda.FunctionID, qualifier string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missing[f.QualifiedARN(qualifier)] {
		return lambda.Errorf(lambda.ResourceNotFound, "Function not found: %s", f.QualifiedARN(qualifier))
	}
	return nil
}

// event makes an event that failed once.
func (w *world) event(function, payload, errorType, message string) *lambda.Event {
	now := w.clock()
	return &lambda.Event{
		ID: w.newID(now), RequestID: fmt.Sprintf("request-%d", w.serial), Payload: []byte(payload), AcceptedAt: now,
		Function: lambda.FunctionID{Account: account, Region: "us-east-1", Name: function},
		Attempts: []lambda.Attempt{{Number: 1, StartedAt: now, Duration: 1500 * time.Microsecond, Version: "$LATEST", Status: lambda.StatusError,
			ErrorType: errorType, ErrorMessage: message, StackTrace: []string{`  File "/var/task/app.py", line 3, in handler`}, LogTail: "START\nEND\n", MemorySizeMB: 128, TimeoutSeconds: 3}},
	}
}

// bury ends an event as a letter.
func (w *world) bury(e *lambda.Event) string {
	w.t.Helper()
	b := &kv.Batch{Urgency: kv.Progress}
	b.Delete(kv.FunctionKey(kv.Event, e.Function, e.ID))
	id := w.letters.Bury(b, &lambda.Burial{Event: e, Condition: lambda.RetriesExhausted, At: w.clock()})
	if err := w.kv.Commit(b, kv.Synced); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// buryMany ends events as letters in one commit, its keys in order, which a Memory takes fastest.
func (w *world) buryMany(n int) (ids []string) {
	w.t.Helper()
	b := &kv.Batch{Urgency: kv.Progress}
	for range n {
		ids = append(ids, w.letters.Bury(b, &lambda.Burial{Event: w.event("f", `1`, "E", "m"), Condition: lambda.RetriesExhausted, At: w.clock()}))
	}
	slices.SortFunc(b.Ops, func(x, y kv.Op) int { return bytes.Compare(x.Key, y.Key) })
	if err := w.kv.Commit(b, kv.Synced); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// finish runs the jobs until a job has ended.
func (w *world) finish(job Job) Job {
	w.t.Helper()
	for !job.State.Final() {
		ref, ok := w.jobs.next()
		if !ok {
			w.t.Fatalf("job %s has no turn and is %s", job.ID, job.State)
		}
		again, err := w.jobs.step(context.Background(), ref)
		if err != nil {
			w.t.Fatal(err)
		}
		if again {
			w.jobs.enter(ref)
		}
		if job, err = w.jobs.Get(account, job.ID); err != nil {
			w.t.Fatal(err)
		}
	}
	return job
}

func (w *world) start(o Order) Job {
	w.t.Helper()
	job, err := w.jobs.Start(context.Background(), account, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return job
}

// all answers every letter's id, newest first.
func (w *world) all(f Filter) (ids []string) {
	w.t.Helper()
	var next string
	for {
		page, token, err := w.letters.List(context.Background(), account, f, 7, next)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range page {
			ids = append(ids, s.ID)
		}
		if token == "" {
			return ids
		}
		next = token
	}
}

func wantKind(t testing.TB, err error, kind lambda.Kind, text string) {
	t.Helper()
	if err == nil || lambda.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v (kind %d), want kind %d with %q", err, lambda.KindOf(err), kind, text)
	}
}
