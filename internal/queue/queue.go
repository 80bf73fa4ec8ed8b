package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Parts are what a Queue works with. All are required.
type Parts struct {
	Store        kv.Store
	Invoker      Invoker
	Settings     Settings
	Graveyard    Graveyard
	Destinations Destinations
}

// Queue holds the accepted events of a store and runs them. Its methods are safe for concurrent use.
type Queue struct {
	Parts
	o   Options
	ids ids

	depth    atomic.Int64
	wake     chan struct{}
	failures chan error // the first that ends Run

	mu       sync.Mutex
	schedule *schedule
	loads    int // scans under way
}

// New makes a Queue over what the store holds. It reads the place of each function's first event,
// counts all, and starts nothing.
func New(o Options, p Parts) (*Queue, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	q := &Queue{Parts: p, o: o, schedule: newSchedule(o), wake: make(chan struct{}, 1), failures: make(chan error, 1)}
	if err := q.discover(); err != nil {
		return nil, fmt.Errorf("queue: read the store: %w", err)
	}
	if err := q.count(); err != nil {
		return nil, fmt.Errorf("queue: count events: %w", err)
	}
	return q, nil
}

// discover seeks from function to function over the index of due times.
func (q *Queue) discover() error {
	r := kv.Prefix(kv.Key(kv.Due))
	now := at(q.o.Clock())
	for {
		p, ok, err := first(q.Store, r)
		if err != nil || !ok {
			return err
		}
		fn, e, err := parseDue(p)
		if err != nil {
			q.unreadable(err)
			r.From = append(p.Key, 0)
			continue
		}
		q.schedule.discover(fn, e.due, now)
		latest := kv.Prefix(kv.FunctionKey(kv.Event, fn))
		latest.Reverse = true
		if p, ok, err = first(q.Store, latest); err != nil {
			return err
		} else if ok {
			q.ids.seen(strings.TrimSuffix(string(p.Key[len(latest.From):]), "\x00"))
		}
		r.From = kv.Prefix(kv.FunctionKey(kv.Due, fn)).To
	}
}

// unreadable says that something was passed over.
func (q *Queue) unreadable(err error) {
	q.o.Log.Error("The queue cannot read a record and leaves it where it is", "error", err)
}

// first answers a copy of the first pair of a range.
func first(s kv.Store, r kv.Range) (p kv.Pair, ok bool, err error) {
	for p, err := range s.Scan(r) {
		return kv.Pair{Key: append([]byte{}, p.Key...), Value: append([]byte{}, p.Value...)}, err == nil, err
	}
	return kv.Pair{}, false, nil
}

// dueKey is an event's place in time.
func dueKey(fn lambda.FunctionID, due int64, id string) []byte {
	return append(kv.AppendUint64(kv.FunctionKey(kv.Due, fn), uint64(due)), id...)
}

func sizeValue(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// parseDue reads a due key and its value.
func parseDue(p kv.Pair) (fn lambda.FunctionID, e entry, err error) {
	parts := strings.SplitN(string(p.Key), "\x00", 5)
	if len(parts) != 5 || len(parts[4]) < 8 {
		return fn, e, fmt.Errorf("%w: due key %q", errUnreadable, p.Key)
	}
	fn = lambda.FunctionID{Account: parts[1], Region: parts[2], Name: parts[3]}
	size, w := binary.Uvarint(p.Value)
	if w <= 0 || size > 1<<40 {
		return fn, e, fmt.Errorf("%w: due value of %q", errUnreadable, p.Key)
	}
	return fn, entry{due: int64(binary.BigEndian.Uint64([]byte(parts[4][:8]))), id: strings.Clone(parts[4][8:]), size: int64(size)}, nil
}

// Accept keeps an event and returns when it is on stable storage. It sets the event's ID, and
// AcceptedAt where that is zero. An Unavailable error means that nothing was kept.
func (q *Queue) Accept(_ context.Context, e *lambda.Event) error {
	b := kv.Batch{Urgency: kv.Growth}
	q.Append(&b, e)
	if err := q.Store.Commit(&b, kv.Synced); err != nil {
		return border(err)
	}
	q.Added(e)
	return nil
}

// Append adds a new event to a batch, and sets its ID, and AcceptedAt where that is zero. After
// the commit the caller must call Added.
func (q *Queue) Append(b *kv.Batch, e *lambda.Event) {
	now := q.o.Clock()
	e.ID = q.ids.next(now)
	if e.AcceptedAt.IsZero() {
		e.AcceptedAt = now
	}
	b.Set(kv.FunctionKey(kv.Event, e.Function, e.ID), encodeEvent(e))
	b.Set(dueKey(e.Function, at(e.AcceptedAt), e.ID), sizeValue(len(e.Payload)))
}

// Added tells the dispatcher of an event that Append added to a batch that is now committed.
func (q *Queue) Added(e *lambda.Event) {
	q.depth.Add(1)
	q.mu.Lock()
	q.schedule.add(e.Function, entry{due: at(e.AcceptedAt), id: e.ID, size: int64(len(e.Payload))}, at(q.o.Clock()))
	q.mu.Unlock()
	q.signal()
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Depth answers the number of unfinished events, those running included.
func (q *Queue) Depth() int64 { return q.depth.Load() }

// count counts what an earlier process left: about a second for a million.
func (q *Queue) count() error {
	for p, err := range q.Store.Scan(kv.Prefix(kv.Key(kv.Due))) {
		if err != nil {
			return err
		}
		if _, _, err := parseDue(p); err == nil {
			q.depth.Add(1)
		}
	}
	return nil
}

// Waiting is an unfinished event and when it is due.
type Waiting struct {
	Event *lambda.Event
	Due   time.Time
}

// Get answers an unfinished event, or ResourceNotFound.
func (q *Queue) Get(fn lambda.FunctionID, id string) (Waiting, error) {
	e, s, err := q.read(fn, id)
	if errors.Is(err, kv.ErrNotFound) {
		return Waiting{}, lambda.Errorf(lambda.ResourceNotFound, "Event not found: %s", id)
	}
	if err != nil {
		return Waiting{}, border(err)
	}
	return Waiting{Event: e, Due: s.Due}, nil
}

// List answers up to limit unfinished events of a function whose ids come after one, in the order
// in which they were accepted.
func (q *Queue) List(fn lambda.FunctionID, after string, limit int) ([]Waiting, error) {
	r := kv.Prefix(kv.FunctionKey(kv.Event, fn))
	prefix := len(r.From)
	if after != "" {
		r.From = append(kv.FunctionKey(kv.Event, fn, after), 0)
	}
	var list []Waiting
	for p, err := range q.Store.Scan(r) {
		if err != nil {
			return nil, border(err)
		}
		if len(list) == limit {
			break
		}
		w, err := q.Get(fn, strings.TrimSuffix(string(p.Key[prefix:]), "\x00"))
		switch {
		case err == nil:
			list = append(list, w)
		case lambda.KindOf(err) != lambda.ResourceNotFound: // it ended meanwhile
			return nil, err
		}
	}
	return list, nil
}

// read answers an event as it stands: as accepted, with its state.
func (q *Queue) read(fn lambda.FunctionID, id string) (*lambda.Event, *state, error) {
	raw, err := q.Store.Get(kv.FunctionKey(kv.Event, fn, id))
	if err != nil {
		return nil, nil, err
	}
	e, err := decodeEvent(raw)
	if err != nil {
		return nil, nil, err
	}
	raw, err = q.Store.Get(kv.FunctionKey(kv.EventState, fn, id))
	if errors.Is(err, kv.ErrNotFound) {
		return e, &state{Due: time.Unix(0, at(e.AcceptedAt)).UTC()}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := decodeState(raw)
	if err != nil {
		return nil, nil, err
	}
	e.Attempts, e.Backoffs = s.Attempts, s.Backoffs
	return e, s, nil
}

// border gives an error its kind.
func border(err error) error {
	var known *lambda.Error
	if errors.As(err, &known) {
		return err
	}
	return &lambda.Error{Kind: lambda.Internal, Message: "The queue cannot be read or written.", Err: err}
}
