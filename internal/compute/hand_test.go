package compute

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

// TestWaitingCallsTakeWhatIsReleased has no place free for a start: a call gets the environment
// that another one gives back, of its own key only, and one that gives up leaves nothing behind.
func TestWaitingCallsTakeWhatIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{MaxMemoryMB: 1}, nil, nil, nil, nil, clock.System, slog.New(slog.DiscardHandler))
		p.starts = newStarts(0)
		mine, other := Key{Function: lambda.FunctionID{Name: "mine"}}, Key{Function: lambda.FunctionID{Name: "other"}}
		release := func(key Key) *environment {
			e := &environment{key: key, state: busy, exits: make(chan struct{})}
			p.all[e] = struct{}{}
			p.release(e)
			synctest.Wait()
			return e
		}
		var got *environment
		go func() {
			e, place, err := p.obtain(t.Context(), mine)
			if place != nil || err != nil {
				t.Errorf("a place %v, an error %v", place, err)
			}
			got = e
		}()
		synctest.Wait()
		if release(other); got != nil {
			t.Fatal("another function's environment was taken")
		}
		if e := release(mine); got != e || e.state != busy || len(p.idle[mine]) != 0 {
			t.Fatalf("got %p, not the released %p", got, e)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var failed error
		go func() { _, _, failed = p.obtain(ctx, mine) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if failed == nil || len(p.wanted) != 0 || len(p.starts.waiting) != 0 {
			t.Errorf("gave up with %v, leaving %d and %d waiting", failed, len(p.wanted), len(p.starts.waiting))
		}
	})
}
