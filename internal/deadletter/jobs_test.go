package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

func redriveAll() Order { return Order{Kind: KindRedrive, Selection: Selection{All: true}, By: "AKIA"} }

// events answers the letters that the queue's durable events came from, in order.
func (w *world) events() (from []string) {
	for p := range w.kv.Scan(kv.Prefix(kv.Key(kv.Event))) {
		from = append(from, string(p.Value))
	}
	slices.Sort(from)
	return from
}

func TestRedriveMakesNewEvents(t *testing.T) {
	w := newWorld(t)
	e := w.event("f", `{"a":1}`, "E", "m")
	e.Qualifier, e.ClientContext, e.TraceHeader = "live", "e30=", "Root=1"
	id := w.bury(e)
	o := redriveAll()
	o.To, o.PayloadPatch = "7", []byte(`{"a":2}`)
	job := w.finish(w.start(o))
	if job.State != StateCompleted || job.Matched != 1 || job.Moved != 1 || job.Failed != 0 || job.Reason != "" {
		t.Errorf("job is %+v", job)
	}
	if len(w.added) != 1 {
		t.Fatalf("queue was told of %d events", len(w.added))
	}
	n := w.added[0]
	if n.RequestID == e.RequestID || n.ID == e.ID || n.Qualifier != "7" || string(n.Payload) != `{"a":2}` || len(n.Attempts) != 0 ||
		n.ClientContext != "e30=" || n.TraceHeader != "Root=1" || !n.AcceptedAt.After(e.AcceptedAt) {
		t.Errorf("event is %+v", n)
	}
	p := n.Provenance
	if p.RedrivenFrom != id || p.RedriveJob != job.ID || len(p.Earlier) != 1 || len(p.Edits) != 1 || p.Edits[0].Payload != `{"a":1}` || p.Edits[0].By != "AKIA" {
		t.Errorf("provenance is %+v", p)
	}
	if left := w.all(Filter{}); len(left) != 0 || w.kv.count(kv.LetterBody)+w.kv.count(kv.LetterPayload)+w.kv.count(kv.LetterByBoth)+w.kv.count(kv.LetterByFunction)+w.kv.count(kv.LetterByType)+w.kv.count(kv.LetterByPrint) != 0 {
		t.Errorf("left: %v, or keys of them", left)
	}
	if w.kv.count(kv.JobInput) != 0 {
		t.Errorf("an ended job keeps its input")
	}
}

func TestALetterThatFailsAgainKeepsItsHistory(t *testing.T) {
	w := newWorld(t)
	w.bury(w.event("f", `1`, "E", "m"))
	for life := 2; life <= 4; life++ {
		w.finish(w.start(redriveAll()))
		e := w.added[len(w.added)-1]
		e.Attempts = []lambda.Attempt{{Number: 1, ErrorType: "E", ErrorMessage: fmt.Sprint("life ", life)}, {Number: 2, ErrorType: "E", ErrorMessage: fmt.Sprint("life ", life)}}
		l, err := w.letters.Get(account, w.bury(e))
		if err != nil {
			t.Fatal(err)
		}
		all := l.History()
		if want := 1 + 2*(life-1); l.AttemptCount != want || len(all) != want || all[want-1].Number != want || len(w.all(Filter{})) != 1 {
			t.Fatalf("life %d: %d attempts counted, %d kept, want %d", life, l.AttemptCount, len(all), want)
		}
		if all[0].LogTail == "" || all[len(all)-1].ErrorMessage != fmt.Sprint("life ", life) {
			t.Errorf("life %d: %+v", life, all)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	long := make([]lambda.Attempt, maxAttempts+5)
	for i := range long {
		long[i] = lambda.Attempt{Number: i, LogTail: "log", StackTrace: []string{"s"}}
	}
	got := forget(long)
	if len(got) != maxAttempts || got[0].Number != 5 || got[0].LogTail != "" || got[len(got)-1].LogTail != "log" || got[len(got)-maxDetailed].LogTail == "" || long[0].LogTail == "" {
		t.Errorf("kept %d, first %+v", len(got), got[0])
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	w := newWorld(t)
	id := w.bury(w.event("f", `1`, "E", "m"))
	w.missing["arn:aws:lambda:us-east-1:111122223333:function:f:9"] = true
	gone := newID(w.now, "gone")
	for name, c := range map[string]struct {
		order Order
		kind  lambda.Kind
		text  string
	}{
		"nothing":      {Order{}, lambda.InvalidParameterValue, "Say which"},
		"empty filter": {Order{Selection: Selection{Filter: &Filter{}}}, lambda.InvalidParameterValue, "empty"},
		"two":          {Order{Selection: Selection{All: true, IDs: []string{id}}}, lambda.InvalidParameterValue, "one of"},
		"unknown id":   {Order{Selection: Selection{IDs: []string{id, gone}}}, lambda.ResourceNotFound, gone},
		"foreign id":   {Order{Selection: Selection{IDs: []string{"a\x00b"}}}, lambda.ResourceNotFound, "No dead letter"},
		"many ids":     {Order{Selection: Selection{IDs: make([]string, MaxIDs+1)}}, lambda.InvalidParameterValue, "use a filter"},
		"no target":    {Order{Selection: Selection{All: true}, To: "9"}, lambda.ResourceNotFound, "function:f:9"},
		"bad patch":    {Order{Selection: Selection{All: true}, PayloadPatch: []byte(`{`)}, lambda.InvalidParameterValue, "patch"},
		"no object":    {Order{Selection: Selection{All: true}, PayloadPatch: []byte(`3`)}, lambda.InvalidParameterValue, "patch"},
		"no window":    {Order{Selection: Selection{Filter: &Filter{Since: w.now.Add(time.Hour)}}}, lambda.InvalidParameterValue, "before"},
		"other's": {Order{Selection: Selection{Filter: &Filter{Function: lambda.FunctionID{Account: "999900001111", Region: "r", Name: "f"}}}},
			lambda.AccessDenied, "another account"},
	} {
		t.Run(name, func(t *testing.T) {
			c.order.Kind = KindRedrive
			_, err := w.jobs.Start(context.Background(), account, c.order)
			wantKind(t, err, c.kind, c.text)
		})
	}
	if jobs, err := w.jobs.List(account); err != nil || len(jobs) != 0 || len(w.all(Filter{})) != 1 {
		t.Errorf("a refused order left %v, %v", jobs, err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.bury(w.event("f", `{"n":1}`, "E", fmt.Sprint("order ", i)))
	}
	w.bury(w.event("g", `"`+strings.Repeat("x", 1<<19)+`"`, "F", "big"))
	o := redriveAll()
	o.DryRun, o.PayloadPatch = true, []byte(`{"p":"`+strings.Repeat("y", 1<<20-10)+`"}`)
	job := w.start(o)
	if job.State != StateCompleted || !job.DryRun || job.Matched != 4 || job.Moved != 0 || job.Failed != 3 || len(job.Groups) != 2 || job.Groups[0].Count != 3 {
		t.Errorf("dry run is %d matched, %d moved, %d failed, %d groups", job.Matched, job.Moved, job.Failed, len(job.Groups))
	}
	if len(w.all(Filter{})) != 4 || len(w.events()) != 0 || len(w.added) != 0 {
		t.Errorf("a dry run moved letters")
	}
}

func TestFailuresStayLetters(t *testing.T) {
	w := newWorld(t)
	w.bury(w.event("f", `{}`, "E", "m"))
	stays := w.bury(w.event("deleted", `{}`, "E", "m"))
	w.missing["arn:aws:lambda:us-east-1:111122223333:function:deleted"] = true
	job := w.finish(w.start(redriveAll()))
	if job.State != StateCompleted || job.Matched != 2 || job.Moved != 1 || job.Failed != 1 || !strings.Contains(job.Reason, stays) || !strings.Contains(job.Reason, "not found") {
		t.Errorf("job is %+v", job)
	}
	if got := w.all(Filter{}); !slices.Equal(got, []string{stays}) {
		t.Errorf("left %v", got)
	}
}

// The filter is frozen: letters buried after the start, and the job's own, are not moved.
func TestAJobMovesNothingTwice(t *testing.T) {
	w := newWorld(t)
	ids := w.buryMany(1200)
	job := w.start(redriveAll())
	late := w.bury(w.event("f", `1`, "E", "m"))
	for !job.State.Final() {
		told := len(w.added)
		ref, _ := w.jobs.next()
		again, err := w.jobs.step(context.Background(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if again {
			w.jobs.enter(ref)
		}
		// The clock stands still for these: the worst that a job can meet.
		for _, e := range w.added[told:] {
			b := &kv.Batch{}
			b.Delete(kv.FunctionKey(kv.Event, e.Function, e.ID))
			w.letters.Bury(b, &lambda.Burial{Event: e, Condition: lambda.RetriesExhausted, At: job.CreatedAt})
			if err := w.kv.Commit(b, kv.Synced); err != nil {
				t.Fatal(err)
			}
		}
		job, _ = w.jobs.Get(account, job.ID)
	}
	if job.Moved != len(ids) || job.Matched != len(ids) || len(w.added) != len(ids) {
		t.Errorf("job moved %d of %d (%d matched)", job.Moved, len(ids), job.Matched)
	}
	if left := w.all(Filter{}); len(left) != len(ids)+1 || !slices.Contains(left, late) {
		t.Errorf("%d letters", len(left))
	}
}

// A clock that was set back hides no letter from a redrive of all.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t)
	w.bury(w.event("f", `1`, "E", "m"))
	w.now = w.now.AddDate(-10, 0, 0)
	w.bury(w.event("f", `1`, "E", "m"))
	if job := w.finish(w.start(redriveAll())); job.Moved != 2 {
		t.Errorf("job is %+v", job)
	}
}

// TestKilledAtEveryCommit kills the process before, or right after, each commit of a redrive. No
// letter is lost and none becomes two events.
func TestKilledAtEveryCommit(t *testing.T) {
	for _, kind := range []Kind{KindRedrive, KindPurge} {
		for _, byID := range []bool{false, true} {
			for kill := 0; ; kill++ {
				if !killOnce(t, kind, byID, kill) {
					if kill < 6 {
						t.Errorf("%s: only %d commits", kind, kill)
					}
					break
				}
			}
		}
	}
}

func killOnce(t *testing.T, kind Kind, byID bool, kill int) (killed bool) {
	w := newWorld(t)
	ids := w.buryMany(1100)
	o := Order{Kind: kind, Selection: Selection{All: true}}
	if byID {
		o.Selection = Selection{IDs: ids}
	}
	commits := 0
	die := func(after bool) func(*kv.Batch) error {
		return func(*kv.Batch) error {
			if commits++; (commits-1 == kill) && (kill%2 == 1) == after {
				killed = true
				return errKilled
			}
			return nil
		}
	}
	w.kv.Fail, w.kv.after = die(false), die(true)
	job, err := w.jobs.Start(context.Background(), account, o)
	if err == nil {
		for again := true; again && err == nil; {
			again, err = w.jobs.step(context.Background(), jobRef{account, job.ID})
		}
	}
	if killed != errors.Is(err, errKilled) {
		t.Fatalf("killed %v, error %v", killed, err)
	}
	w.kv.Fail, w.kv.after = nil, nil

	w.boot()
	jobs, err := w.jobs.List(account)
	if err != nil || len(jobs) > 1 {
		t.Fatal(jobs, err)
	}
	if err := w.jobs.load(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, job := range jobs {
		if job = w.finish(job); job.Moved != len(ids) || job.Failed+job.Skipped != 0 || job.State != StateCompleted {
			t.Errorf("kill %d: job is %+v", kill, job)
		}
	}
	slices.Sort(ids)
	from, left := w.events(), w.all(Filter{})
	slices.Sort(left)
	switch {
	case len(jobs) == 0 && !slices.Equal(left, ids):
		t.Errorf("kill %d: a job that was not accepted moved letters", kill)
	case len(jobs) == 1 && len(left) != 0:
		t.Errorf("kill %d: %d letters left", kill, len(left))
	case len(jobs) == 1 && kind == KindRedrive && !slices.Equal(from, ids):
		t.Errorf("kill %d: %d events of %d letters", kill, len(from), len(ids))
	case kind == KindPurge && len(from) != 0:
		t.Errorf("kill %d: a purge made events", kill)
	}
	return killed
}

func TestTwoRedrivesOfOneLetter(t *testing.T) {
	w := newWorld(t)
	id := w.bury(w.event("f", `1`, "E", "m"))
	o := Order{Kind: KindRedrive, Selection: Selection{IDs: []string{id, id}}}
	a, b := w.start(o), w.start(o)
	a, b = w.finish(a), w.finish(b)
	if a.Moved != 1 || a.Matched != 1 || b.Moved != 0 || b.Skipped != 1 || b.State != StateCompleted || len(w.added) != 1 {
		t.Errorf("jobs are %+v, %+v", a, b)
	}
	_, err := w.letters.Edit(account, id, Change{Payload: []byte("2")}, "BOB")
	wantKind(t, err, lambda.ResourceNotFound, "redriven or purged")
	_, err = w.jobs.Start(context.Background(), account, o)
	wantKind(t, err, lambda.ResourceNotFound, id)
}

func TestPauseResumeCancel(t *testing.T) {
	w := newWorld(t)
	w.buryMany(1200)
	job := w.start(redriveAll())
	step := func() {
		t.Helper()
		if _, err := w.jobs.step(context.Background(), jobRef{account, job.ID}); err != nil {
			t.Fatal(err)
		}
	}
	step()
	paused, err := w.jobs.Pause(account, job.ID)
	if err != nil || paused.State != StatePaused || paused.Moved != stepCount {
		t.Fatal(paused, err)
	}
	step()
	w.boot()
	if err := w.jobs.load(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.jobs.next(); ok || len(w.added) != stepCount {
		t.Errorf("a paused job goes on")
	}
	if _, err := w.jobs.Resume(account, job.ID); err != nil {
		t.Fatal(err)
	}
	step()
	cancelled, err := w.jobs.Cancel(account, job.ID)
	if err != nil || cancelled.State != StateCancelled || cancelled.EndedAt.IsZero() || cancelled.Moved != 2*stepCount {
		t.Errorf("%+v, %v", cancelled, err)
	}
	step()
	if len(w.all(Filter{})) != 1200-2*stepCount {
		t.Errorf("a cancelled job went on")
	}
	_, err = w.jobs.Resume(account, job.ID)
	wantKind(t, err, lambda.ResourceConflict, "cancelled")
	_, err = w.jobs.Pause(account, newID(w.now, "x"))
	wantKind(t, err, lambda.ResourceNotFound, "No job")
}

func TestOldJobsAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.bury(w.event("f", `1`, "E", "m"))
	first := w.start(Order{Kind: KindRedrive, Selection: Selection{All: true}, DryRun: true})
	for range maxKept {
		w.start(Order{Kind: KindPurge, Selection: Selection{Filter: &Filter{ErrorType: "none"}}})
	}
	jobs, err := w.jobs.List(account)
	if err != nil || len(jobs) != maxKept {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
	_, err = w.jobs.Get(account, first.ID)
	wantKind(t, err, lambda.ResourceNotFound, first.ID)
}

// Run works, waits for room, survives a stop, and ends with the store.
func TestRun(t *testing.T) {
	w := newWorld(t)
	w.buryMany(1200)
	full := 2
	w.kv.Fail = func(b *kv.Batch) error {
		if b.Urgency == kv.Growth && len(b.Ops) > 100 && full > 0 {
			full--
			return lambda.Errorf(lambda.Unavailable, "The disk is full.")
		}
		return nil
	}
	ended := make(chan struct{}, 1)
	w.kv.after = func(*kv.Batch) error {
		if w.kv.count(kv.Letter) == 0 {
			select {
			case ended <- struct{}{}:
			default:
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.jobs.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	job := w.start(redriveAll())
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the job does not end")
	}
	cancel()
	running.Wait()
	w.boot()
	if job, _ = w.jobs.Get(account, job.ID); job.Moved != 1200 {
		t.Errorf("job is %+v", job)
	}

	w.bury(w.event("f", `1`, "E", "m"))
	w.start(redriveAll())
	w.kv.Fail = func(*kv.Batch) error { return errKilled }
	if err := w.jobs.Run(context.Background()); !errors.Is(err, errKilled) {
		t.Errorf("Run on a lost store: %v", err)
	}
}

// TestHistoriesWithCrashes runs random histories of burying, editing, redriving, purging and
// crashing against a model: every event is at every time exactly one event or one letter.
func TestHistoriesWithCrashes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		crash := false
		w.kv.Fail = func(*kv.Batch) error {
			if crash && rapid.IntRange(0, 3).Draw(r, "kill") == 0 {
				return errKilled
			}
			return nil
		}
		w.kv.after = w.kv.Fail
		made, purged := 0, 0
		pending := map[string]*lambda.Event{} // by id, those that the queue holds
		settle := func() {                    // a crash loses what was not told; the disk knows
			for _, e := range w.added {
				pending[e.ID] = e
			}
			w.added = nil
		}
		reboot := func(err error) {
			if err != nil && !errors.Is(err, errKilled) {
				r.Fatal(err)
			}
			if err != nil {
				w.boot()
				if err := w.jobs.load(context.Background()); err != nil {
					r.Fatal(err)
				}
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"bury": func(r *rapid.T) {
				crash = false
				w.bury(w.event(rapid.SampledFrom([]string{"f", "g"}).Draw(r, "f"), `{}`, "E", "m"))
				made++
			},
			"fail again": func(r *rapid.T) {
				settle()
				for _, e := range pending {
					crash = false
					w.bury(e)
					delete(pending, e.ID)
					break
				}
			},
			"edit": func(r *rapid.T) {
				for _, id := range w.all(Filter{}) {
					crash = true
					_, err := w.letters.Edit(account, id, Change{Payload: fmt.Appendf(nil, "%d", made)}, "BOB")
					reboot(err)
					break
				}
			},
			"redrive": func(r *rapid.T) {
				crash = true
				_, err := w.jobs.Start(context.Background(), account, Order{Kind: KindRedrive,
					Selection: Selection{Filter: &Filter{Function: lambda.FunctionID{Account: account, Region: "us-east-1", Name: "f"}}}})
				reboot(err)
			},
			"purge": func(r *rapid.T) {
				crash = true
				_, err := w.jobs.Start(context.Background(), account, Order{Kind: KindPurge, Selection: Selection{All: true}})
				reboot(err)
			},
			"step": func(r *rapid.T) {
				if ref, ok := w.jobs.next(); ok {
					crash = true
					_, err := w.jobs.step(context.Background(), ref)
					reboot(err)
				}
			},
			"": func(r *rapid.T) {
				crash = false
				jobs, err := w.jobs.List(account)
				if err != nil {
					r.Fatal(err)
				}
				purged = 0
				for _, j := range jobs {
					if j.Kind == KindPurge {
						purged += j.Moved
					}
				}
				letters := w.all(Filter{})
				if events := w.events(); len(events)+len(letters)+purged != made {
					r.Fatalf("%d events, %d letters and %d purged of %d", len(events), len(letters), purged, made)
				}
				for _, kind := range []string{kv.LetterBody, kv.LetterPayload, kv.LetterByFunction, kv.LetterByType, kv.LetterByBoth, kv.LetterByPrint} {
					if n := w.kv.count(kind); n != len(letters) {
						r.Fatalf("%d keys of kind %s, %d letters", n, kind, len(letters))
					}
				}
			},
		})
	})
}
