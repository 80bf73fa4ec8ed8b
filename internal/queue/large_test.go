package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

// backlog puts n events of 1 KB into a store, 10 functions of one account, and closes it.
func backlog(t testing.TB, dir string, n int) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.store = s
	q := w.queue(t, Options{})
	payload := make([]byte, 1024)
	for i := range payload {
		payload[i] = byte(i*i>>3) ^ byte(i*7)
	}
	for from := 0; from < n; from += 1000 {
		b := kv.Batch{}
		for i := from; i < min(from+1000, n); i++ {
			q.Append(&b, &lambda.Event{RequestID: strconv.Itoa(i), Function: fnOf("111111111111", "busy"+strconv.Itoa(i%10)), Payload: payload})
		}
		if err := s.Commit(&b, kv.Ordered); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// heapInUse answers what is in use after a collection.
func heapInUse() uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func drained(t testing.TB, q *Queue, within time.Duration) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for q.Depth() > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d events are left after %v", q.Depth(), within)
		case <-tick.C:
		}
	}
}

// TestBacklog: a large backlog is ready at once, stays on disk, delays nobody else's event, and is
// run whole, each event once.
func TestBacklog(t *testing.T) {
	n := 200_000
	if testing.Short() || raceDetector {
		n = 20_000
	}
	dir := t.TempDir()
	backlog(t, dir, n)
	before := heapInUse()
	start := time.Now()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := newWorld()
	w.store = s
	seen := make([]atomic.Uint32, n)
	quiet := make(chan struct{})
	w2 := &counter{world: w, run: func(e *lambda.Event) {
		if e.RequestID == "quiet" {
			close(quiet)
			return
		}
		if i, err := strconv.Atoi(e.RequestID); err == nil {
			seen[i].Add(1)
		}
	}}
	q, err := New(Options{}, Parts{Store: s, Invoker: w2, Settings: w, Graveyard: w, Destinations: w})
	if err != nil {
		t.Fatal(err)
	}
	ready := time.Since(start)
	stop := run(t, q)
	defer stop()
	if err := q.Accept(t.Context(), &lambda.Event{RequestID: "quiet", Function: fnOf("222222222222", "quiet")}); err != nil {
		t.Fatal(err)
	}
	accepted := time.Now()
	select {
	case <-quiet:
	case <-time.After(5 * time.Second):
		t.Fatal("another account's event waits for the backlog")
	}
	waited := time.Since(accepted)
	grown := int64(heapInUse()) - int64(before)
	t.Logf("%d events: ready in %v, another account's event waited %v, heap grew %d MB", n, ready, waited, grown>>20)
	if ready > 5*time.Second || waited > time.Second {
		t.Error("too slow")
	}
	if grown > 128<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	drained(t, q, 2*time.Minute)
	for i := range seen {
		if c := seen[i].Load(); c != 1 {
			t.Fatalf("event %d ran %d times", i, c)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// counter is an Invoker that only counts.
type counter struct {
	*world
	run func(e *lambda.Event)
}

func (c *counter) Invoke(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
	c.run(e)
	return succeed(ctx, e)
}

// BenchmarkAccept accepts events of 1 KB from 64 callers at once, on disk, with the dispatcher
// running them.
func BenchmarkAccept(b *testing.B) {
	s, err := store.Open(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := newWorld()
	w.store = s
	c := &counter{world: w, run: func(*lambda.Event) {}}
	q, err := New(Options{}, Parts{Store: s, Invoker: c, Settings: w, Graveyard: w, Destinations: w})
	if err != nil {
		b.Fatal(err)
	}
	stop := run(b, q)
	defer stop()
	payload := make([]byte, 1024)
	callers(b, func(i int64) error {
		return q.Accept(b.Context(), &lambda.Event{RequestID: strconv.FormatInt(i, 10), Function: fnOf("1", "f"), Payload: payload})
	})
}

// BenchmarkAcceptFloor is the same bytes through a raw group commit: one writer collects what 64
// callers bring, writes it to one file and syncs.
func BenchmarkAcceptFloor(b *testing.B) {
	f, err := os.CreateTemp(b.TempDir(), "log")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	type record struct {
		data []byte
		done chan error
	}
	queue := make(chan record, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		var buf []byte
		var waiting []chan error
		for r := range queue {
			buf, waiting = append(buf[:0], r.data...), append(waiting[:0], r.done)
			for more := true; more; {
				select {
				case r, ok := <-queue:
					if more = ok; ok {
						buf, waiting = append(buf, r.data...), append(waiting, r.done)
					}
				default:
					more = false
				}
			}
			_, err := f.Write(buf)
			err = errors.Join(err, f.Sync())
			for _, w := range waiting {
				w <- err
			}
		}
	})
	payload := make([]byte, 1200)
	callers(b, func(int64) error {
		done := make(chan error, 1)
		queue <- record{payload, done}
		return <-done
	})
	close(queue)
	wg.Wait()
}

// callers runs b.N operations from 64 goroutines and reports them a second.
func callers(b *testing.B, op func(i int64) error) {
	b.Helper()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := op(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkRun runs a backlog: claim, write the attempt, settle.
func BenchmarkRun(b *testing.B) {
	dir := b.TempDir()
	backlog(b, dir, b.N)
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := newWorld()
	w.store = s
	c := &counter{world: w, run: func(*lambda.Event) {}}
	q, err := New(Options{RampUp: time.Nanosecond}, Parts{Store: s, Invoker: c, Settings: w, Graveyard: w, Destinations: w})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	stop := run(b, q)
	drained(b, q, 5*time.Minute)
	b.StopTimer()
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkMillion opens a store with 1,000,000 events of 1 KB and says how long that takes and
// what memory is in use once the dispatcher runs.
func BenchmarkMillion(b *testing.B) {
	dir := b.TempDir()
	backlog(b, dir, 1_000_000)
	for b.Loop() {
		b.StopTimer()
		before := heapInUse()
		b.StartTimer()
		s, err := store.Open(store.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		w := newWorld()
		w.store = s
		w.answer = throttles
		q := w.queue(b, Options{})
		b.StopTimer()
		stop := run(b, q)
		for q.Depth() < 1_000_000 {
			runtime.Gosched()
		}
		b.ReportMetric(float64(int64(heapInUse())-int64(before))/(1<<20), "heap-MB")
		b.ReportMetric(resident(b)/(1<<20), "rss-MB")
		stop()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// resident answers the process's memory, where the system says.
func resident(b *testing.B) float64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, pages float64
	if _, err := fmt.Sscan(string(raw), &total, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize())
}

// BenchmarkCodec writes and reads one event.
func BenchmarkCodec(b *testing.B) {
	e := sample()
	e.Payload = make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeEvent(encodeEvent(e)); err != nil {
			b.Fatal(err)
		}
	}
}
