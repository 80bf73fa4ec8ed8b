package deadletter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

// disk is a store on a file system that forgets what was not synced.
type disk struct {
	t  testing.TB
	fs *vfs.MemFS
	*store.Store

	gets int // until stop is called, when that is set
	stop func()
}

func (d *disk) Get(key []byte) ([]byte, error) {
	if d.gets--; d.gets == 0 && d.stop != nil {
		d.stop()
	}
	return d.Store.Get(key)
}

func openDisk(t testing.TB, fs *vfs.MemFS) *disk {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "data", FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return &disk{t: t, fs: fs, Store: s}
}

// cut takes the power away and boots again. percent of what was not synced survives by luck.
func (d *disk) cut(percent int, rng *rand.Rand) *disk {
	d.t.Helper()
	clone := d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	if err := d.Close(); err != nil {
		d.t.Fatal(err)
	}
	return openDisk(d.t, clone)
}

// TestRedriveSurvivesPowerCuts cuts the power at random moments of a redrive, on the real store:
// every letter ends as exactly one event.
func TestRedriveSurvivesPowerCuts(t *testing.T) {
	const letters = 4000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	d := openDisk(t, vfs.NewCrashableMem())
	boot := func() {
		w.letters = New(d, w.clock)
		w.jobs = NewJobs(w.letters, w, w, slog.New(slog.DiscardHandler))
	}
	boot()
	var ids []string
	var b kv.Batch
	for i := range letters {
		e := w.event("f", fmt.Sprintf(`{"n":%d}`, i), "E", "m")
		ids = append(ids, w.letters.Bury(&b, &lambda.Burial{Event: e, Condition: lambda.RetriesExhausted, At: w.clock()}))
	}
	if err := d.Commit(&b, kv.Synced); err != nil {
		t.Fatal(err)
	}
	job := w.start(redriveAll())
	for cuts := 0; !job.State.Final(); cuts++ {
		d = d.cut(rng.IntN(101), rng)
		boot()
		// The next process is stopped by its context somewhere inside a step, or after it.
		ctx, cancel := context.WithCancel(context.Background())
		d.gets, d.stop = 1+rng.IntN(2500), cancel
		if _, err := w.jobs.step(ctx, jobRef{account, job.ID}); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
		var err error
		if job, err = w.jobs.Get(account, job.ID); err != nil {
			t.Fatal(err)
		}
		if cuts > 1000 {
			t.Fatal("the job makes no progress")
		}
	}
	d = d.cut(0, rng)
	defer d.Close()
	boot()
	var from []string
	for p, err := range d.Scan(kv.Prefix(kv.Key(kv.Event))) {
		if err != nil {
			t.Fatal(err)
		}
		from = append(from, string(p.Value))
	}
	slices.Sort(from)
	slices.Sort(ids)
	if job.State != StateCompleted || job.Moved != letters || !slices.Equal(from, ids) || len(w.all(Filter{})) != 0 {
		t.Errorf("job %+v: %d events of %d letters, %d left", job, len(from), letters, len(w.all(Filter{})))
	}
}

// BenchmarkRedrive moves letters in bulk on the real store, in memory.
func BenchmarkRedrive(b *testing.B) {
	w := newWorld(b)
	d := openDisk(b, vfs.NewMem())
	defer d.Close()
	w.letters = New(d, w.clock)
	w.jobs = NewJobs(w.letters, w, w, slog.New(slog.DiscardHandler))
	moved := 0
	for b.Loop() {
		b.StopTimer()
		var batch kv.Batch
		for range 10_000 {
			w.letters.Bury(&batch, &lambda.Burial{Event: w.event("f", `{"n":1}`, "E", "m"), Condition: lambda.RetriesExhausted, At: w.clock()})
		}
		if err := d.Commit(&batch, kv.Synced); err != nil {
			b.Fatal(err)
		}
		w.added = nil
		b.StartTimer()
		moved += w.finish(w.start(redriveAll())).Moved
	}
	b.ReportMetric(float64(moved)/b.Elapsed().Seconds(), "letters/s")
}

// TestEverybodyAtOnce edits, redrives and purges the same letters while new ones are buried: each
// ends as one event, one purged letter or one letter, and an acknowledged edit is in what it became.
func TestEverybodyAtOnce(t *testing.T) {
	w := newWorld(t)
	d := openDisk(t, vfs.NewMem())
	defer d.Close()
	w.letters = New(d.Store, w.clock)
	w.jobs = NewJobs(w.letters, w, w, slog.New(slog.DiscardHandler))
	const letters = 1500
	ids := make([]string, letters)
	var b kv.Batch
	for i := range ids {
		ids[i] = w.letters.Bury(&b, &lambda.Burial{Event: w.event("f", `{}`, "E", "m"), Condition: lambda.RetriesExhausted, At: w.clock()})
	}
	if err := d.Commit(&b, kv.Synced); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running, editing sync.WaitGroup
	running.Go(func() {
		if err := w.jobs.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var edited sync.Map
	for part := range 4 {
		editing.Go(func() {
			for i := letters - 1 - part; i >= 0; i -= 4 {
				switch _, err := w.letters.Edit(account, ids[i], Change{Payload: []byte(`{"edited":true}`)}, "BOB"); {
				case err == nil:
					edited.Store(ids[i], true)
				case lambda.KindOf(err) != lambda.ResourceNotFound:
					t.Error(err)
				}
			}
		})
	}
	some := Filter{Until: w.clock()}
	w.start(redriveAll())
	w.start(redriveAll())
	w.start(Order{Kind: KindPurge, Selection: Selection{Filter: &some}})
	editing.Wait()
	for deadline := time.Now().Add(20 * time.Second); ; {
		jobs, err := w.jobs.List(account)
		if err != nil || time.Now().After(deadline) {
			t.Fatal(jobs, err)
		}
		moved, open := 0, false
		for _, j := range jobs {
			moved += j.Moved
			open = open || !j.State.Final()
		}
		if !open {
			if moved != letters || len(w.all(Filter{})) != 0 {
				t.Errorf("%d moved, %d left of %d: %+v", moved, len(w.all(Filter{})), letters, jobs)
			}
			break
		}
	}
	cancel()
	running.Wait()
	seen := map[string]bool{}
	for _, e := range w.added {
		from := e.Provenance.RedrivenFrom
		if _, was := edited.Load(from); seen[from] || was != (string(e.Payload) == `{"edited":true}`) {
			t.Errorf("letter %s: twice %v, edited %v, payload %s", from, seen[from], was, e.Payload)
		}
		seen[from] = true
	}
}
