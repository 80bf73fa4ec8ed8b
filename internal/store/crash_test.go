package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// ledger writes batches of two keys from several writers until stop answers true, and answers
// what was acknowledged.
func ledger(s *Store, d kv.Durability, stop func() bool) *sync.Map {
	var acked sync.Map
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; !stop(); i++ {
				k := fmt.Sprintf("%d/%06d", w, i)
				var b kv.Batch
				b.Set([]byte("a/"+k), make([]byte, 200))
				b.Set([]byte("b/"+k), nil)
				if s.Commit(&b, d) != nil {
					return
				}
				acked.Store(k, true)
			}
		})
	}
	wg.Wait()
	return &acked
}

// missing counts what was acknowledged and is not there whole; a half batch is fatal.
func missing(t *testing.T, s *Store, acked map[string]bool) (lost int) {
	t.Helper()
	for k := range acked {
		_, a := s.Get([]byte("a/" + k))
		_, b := s.Get([]byte("b/" + k))
		if errors.Is(a, kv.ErrNotFound) != errors.Is(b, kv.ErrNotFound) {
			t.Fatalf("half of %s is there: %v %v", k, a, b)
		}
		if a != nil {
			lost++
		}
	}
	return lost
}

func keys(m *sync.Map) map[string]bool {
	out := map[string]bool{}
	m.Range(func(k, _ any) bool { out[k.(string)] = true; return true })
	return out
}

// TestPowerCut cuts the power under load, with every share of what was not synced kept by luck.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	run := func(d kv.Durability, percent int) (total, lost int) {
		fs := vfs.NewCrashableMem()
		s := open(t, Options{Dir: "db", FS: fs})
		var count atomic.Int64
		limit := 500 + rng.Int64N(3000)
		var clone *vfs.MemFS
		var once sync.Once
		var before map[string]bool
		var acked sync.Map
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := 0; count.Add(1) < limit+200; i++ {
					k := fmt.Sprintf("%d/%06d", w, i)
					var b kv.Batch
					b.Set([]byte("a/"+k), make([]byte, 200))
					b.Set([]byte("b/"+k), nil)
					if err := s.Commit(&b, d); err != nil {
						t.Error(err)
						return
					}
					acked.Store(k, true)
					if count.Load() >= limit {
						once.Do(func() {
							before = keys(&acked)
							clone = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
						})
					}
				}
			})
		}
		wg.Wait()
		after := open(t, Options{Dir: "db", FS: clone})
		return len(before), missing(t, after, before)
	}
	for _, percent := range []int{0, 0, 50, 100} {
		if total, lost := run(kv.Synced, percent); lost != 0 || total < 400 {
			t.Errorf("seed %d, %d%% kept: lost %d of %d acknowledged", seed, percent, lost, total)
		}
	}
	if total, lost := run(kv.Ordered, 0); lost == 0 {
		t.Errorf("the control lost nothing of %d: the test does not bite", total)
	}
}

// TestNthFailure fails the N-th change of the disk, alone or with every one after it, for N = 1, 2, ... :
// no panic, nothing acknowledged that is not there afterwards.
func TestNthFailure(t *testing.T) {
	for _, once := range []bool{false, true} {
		for _, fault := range []error{syscall.EIO, syscall.EROFS} {
			for n := int64(1); n < 3000; n += 1 + n/24 {
				failAt(t, n, fault, once)
			}
		}
	}
}

func failAt(t *testing.T, n int64, fault error, once bool) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	var count atomic.Int64
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		if c := count.Add(1); c == n || c > n && !once {
			return fault
		}
		return nil
	})
	acked := map[string]bool{}
	s, err := Open(Options{Dir: "db", FS: errorfs.Wrap(mem, inject)})
	if err == nil {
		acked = keys(ledger(s, kv.Synced, func() bool { return count.Load() > n+50 || count.Load() > 3000 }))
		if err := s.Health(); err == nil && count.Load() > n+50 && !once {
			t.Errorf("change %d failed for ever and the store is healthy", n)
		}
		_ = s.Close() // fails, as the disk does
	} else if lambda.KindOf(err) != lambda.Internal {
		t.Errorf("open: %v", err)
	}
	after := open(t, Options{Dir: "db", FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if lost := missing(t, after, acked); lost > 0 {
		t.Errorf("change %d, once %v: lost %d of %d acknowledged", n, once, lost, len(acked))
	}
	if err := after.Close(); err != nil {
		t.Error(err)
	}
}

// TestFsyncFailsOnce fails one fsync of the log; the next would succeed, and must not be believed.
func TestFsyncFailsOnce(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var arm atomic.Bool
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if kindOf(op.Path) == log && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && arm.CompareAndSwap(true, false) {
			return syscall.EIO
		}
		return nil
	})
	s, err := Open(Options{Dir: "db", FS: errorfs.Wrap(mem, inject)})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "before", "")
	arm.Store(true)
	acked := keys(ledger(s, kv.Synced, func() bool { return false })) // ends by the refusals
	var b kv.Batch
	b.Set([]byte("after"), nil)
	for _, d := range []kv.Durability{kv.Synced, kv.Ordered} {
		if err := s.Commit(&b, d); lambda.KindOf(err) != lambda.Internal {
			t.Errorf("a write after the failure: %v", err)
		}
	}
	if s.Health() == nil {
		t.Error("healthy")
	}
	if _, err := s.Get([]byte("before")); err != nil {
		t.Errorf("reads go on: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("closed without a word")
	}
	after := open(t, Options{Dir: "db", FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if lost := missing(t, after, acked); lost > 0 {
		t.Errorf("lost %d of %d acknowledged", lost, len(acked))
	}
	if _, err := after.Get([]byte("before")); err != nil {
		t.Error(err)
	}
}
