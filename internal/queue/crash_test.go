package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

// history counts what happened to each request over all lives of a queue.
type history struct {
	mu    sync.Mutex
	acked map[string]*lambda.Event
	ran   map[string]int // executions that met the function
}

// TestPowerCuts runs a queue on a disk that forgets what was not synced, cuts the power several
// times under load, and lets it finish. Nothing acknowledged is lost; a cut adds one execution at
// most; an event ends as one success or one letter.
func TestPowerCuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 4 {
		powerCuts(t, rand.New(rand.NewPCG(seed, uint64(round))), 4)
	}
}

func powerCuts(t *testing.T, rng *rand.Rand, cuts int) {
	t.Helper()
	h := &history{acked: map[string]*lambda.Event{}, ran: map[string]int{}}
	fs := vfs.NewCrashableMem()
	for life := range cuts + 1 {
		last := life == cuts
		next := oneLife(t, h, fs, rng, life, last)
		if last {
			break
		}
		fs = next
	}
	s, err := store.Open(store.Options{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	letters := map[string]bool{}
	for p, err := range s.Scan(kv.Prefix(kv.Key(kv.Letter))) {
		if err != nil {
			t.Fatal(err)
		}
		letters[string(p.Key)] = true
	}
	for request, e := range h.acked {
		n := h.ran[request]
		if n == 0 {
			t.Errorf("%s was acknowledged and never ran", request)
		}
		fails := request[0] == 'f'
		dead := letters[string(kv.Key(kv.Letter, e.Function.Account, e.ID))]
		if most := cuts + 1; !fails && (dead || n > most) {
			t.Errorf("%s ran %d times, of at most %d; dead: %v", request, n, most, dead)
		}
		if most := cuts + 3; fails && (!dead || n > most) {
			t.Errorf("%s ran %d times, of at most %d; dead: %v", request, n, most, dead)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// oneLife runs a queue until a random moment, and answers the disk as a power cut then leaves it.
// The last life runs until all is done.
func oneLife(t *testing.T, h *history, fs *vfs.MemFS, rng *rand.Rand, life int, last bool) *vfs.MemFS {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.store = s
	w.buried = make(chan struct{}, 100_000)
	w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
		if e.Backoffs == 0 && strings.HasSuffix(e.RequestID, "-99") {
			return throttles(ctx, e)
		}
		h.mu.Lock()
		h.ran[e.RequestID]++
		h.mu.Unlock()
		if e.RequestID[0] == 'f' {
			return fails(ctx, e)
		}
		return succeed(ctx, e)
	}
	q := w.queue(t, Options{RetryDelays: []time.Duration{time.Millisecond, 3 * time.Millisecond}, MaxInFlight: 8, RampUp: time.Millisecond})
	claims, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(claims, claims) }()

	events := 200 + rng.IntN(200)
	cutAt := rng.IntN(events)
	var next *vfs.MemFS
	for i := range events {
		kind := "s"
		if rng.IntN(4) == 0 {
			kind = "f"
		}
		e := &lambda.Event{RequestID: fmt.Sprintf("%s-%d-%d", kind, life, i), Function: fnOf(fmt.Sprint(rng.IntN(3)), fmt.Sprint(rng.IntN(4)))}
		if err := q.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if next == nil {
			h.acked[e.RequestID] = e
		}
		if i == cutAt && !last {
			next = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
			break
		}
	}
	for deadline := time.After(30 * time.Second); last && q.Depth() > 0; {
		select {
		case <-deadline:
			t.Fatalf("%d events do not end", q.Depth())
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return next
}
