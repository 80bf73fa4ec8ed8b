package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Waits between tries while the store has no room.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 30 * time.Second
)

// Run works on all running jobs, those of an earlier process first, one step of each in turn, until
// ctx ends; an unfinished job goes on in the next process. An error means that the store is lost.
func (j *Jobs) Run(ctx context.Context) error {
	if err := j.load(ctx); err != nil {
		return err
	}
	wait := firstWait
	for ctx.Err() == nil {
		ref, ok := j.next()
		if !ok {
			select {
			case <-ctx.Done():
			case <-j.wake:
			}
			continue
		}
		again, err := j.step(ctx, ref)
		switch {
		case err == nil:
			wait = firstWait
			if again {
				j.enter(ref)
			}
			continue
		case ctx.Err() != nil:
			return nil
		case lambda.KindOf(err) != lambda.Unavailable:
			return fmt.Errorf("deadletter: job %s of account %s: %w", ref.id, ref.account, err)
		}
		j.log.Warn("a job waits for room in the store", "job", ref.id, "account", ref.account, "wait", wait, "error", err)
		j.enter(ref)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, lastWait)
	}
	return nil
}

// load finds the jobs that an earlier process left running.
func (j *Jobs) load(ctx context.Context) error {
	for pair, err := range j.letters.kv.Scan(kv.Prefix(kv.Key(kv.Job))) {
		if err == nil {
			err = ctx.Err()
		}
		var job Job
		if err == nil {
			err = json.Unmarshal(pair.Value, &job)
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("deadletter: jobs: %w", err)
		}
		if job.State == StateRunning {
			j.enter(jobRef{job.Account, job.ID})
		}
	}
	return nil
}

// next takes the job whose turn it is.
func (j *Jobs) next() (jobRef, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.open) == 0 {
		return jobRef{}, false
	}
	ref := j.open[0]
	j.open = slices.Delete(j.open, 0, 1)
	return ref, true
}

// step moves one batch of a job's letters. again is false when the job needs no further turn.
func (j *Jobs) step(ctx context.Context, ref jobRef) (again bool, err error) {
	m, again, err := j.commitStep(ctx, ref)
	if err != nil {
		return false, err
	}
	for _, e := range m.events {
		j.requeue.Added(e)
	}
	return again, nil
}

func (j *Jobs) commitStep(ctx context.Context, ref jobRef) (m moves, again bool, err error) {
	defer j.letters.own(ref.account)()
	job, in, err := j.resume(ref)
	if errors.Is(err, kv.ErrNotFound) || err == nil && job.State != StateRunning {
		return moves{}, false, nil // forgotten, paused or cancelled meanwhile
	}
	if err != nil {
		// One damaged job must not stop the others; its letters stay letters.
		j.log.Error("a job cannot be read", "job", ref.id, "account", ref.account, "error", err)
		return moves{}, false, nil
	}
	now := j.letters.now()
	m, err = j.gather(ctx, &job, &in, now)
	if err != nil {
		if ctx.Err() != nil {
			return moves{}, false, err
		}
		// What is moved stays moved and the rest stays a letter: the job says why it ended.
		m = moves{done: true}
		job.end(StateFailed, now)
		job.Reason = fmt.Sprintf("after dead letter %q: %v", job.Cursor, errors.Join(err, errors.Unwrap(err)))
	}
	m.batch.Urgency = job.Kind.urgency()
	for _, e := range m.events {
		j.requeue.Append(&m.batch, e)
	}
	if m.done {
		if job.State == StateRunning {
			job.end(StateCompleted, now)
		}
		m.batch.Delete(kv.Key(kv.JobInput, ref.account, ref.id))
	}
	if err := save(&m.batch, &job); err != nil {
		return moves{}, false, err
	}
	if err := j.letters.kv.Commit(&m.batch, kv.Synced); err != nil {
		return moves{}, false, err
	}
	if m.done {
		j.log.Info("job ended", "job", job.ID, "account", job.Account, "kind", job.Kind, "state", job.State,
			"moved", job.Moved, "failed", job.Failed, "skipped", job.Skipped, "reason", job.Reason)
	}
	return m, !m.done, nil
}

// resume reads what a step needs.
func (j *Jobs) resume(ref jobRef) (Job, input, error) {
	job, err := j.read(ref)
	if err != nil || job.State != StateRunning {
		return job, input{}, err
	}
	v, err := j.letters.kv.Get(kv.Key(kv.JobInput, ref.account, ref.id))
	if err != nil {
		return job, input{}, fmt.Errorf("input: %w", err)
	}
	var in input
	return job, in, json.Unmarshal(v, &in)
}

// moves is one step of a job: what goes into one commit.
type moves struct {
	batch   kv.Batch
	events  []*lambda.Event
	bytes   int
	seen    int              // letters looked at
	checked map[string]error // targets
	done    bool             // no letter is left
}

// full says whether the step is large enough.
func (m *moves) full() bool {
	return len(m.events) >= stepCount || len(m.batch.Ops) >= stepOps || m.bytes >= stepBytes || m.seen >= stepSearch
}

// gather takes the next letters of a job, oldest first, and counts them in job. The caller holds
// the owner lock, or is rehearsing and throws the moves away.
func (j *Jobs) gather(ctx context.Context, job *Job, in *input, now time.Time) (moves, error) {
	m := moves{checked: map[string]error{}}
	if job.ByID {
		err := j.gatherNamed(&m, job, in, now)
		return m, err
	}
	for head, err := range j.letters.scan(ctx, job.Account, &job.Filter, job.Cursor, false) {
		if err != nil {
			return m, err
		}
		if m.full() {
			return m, nil
		}
		if job.wants(&head) {
			j.handle(&m, job, in, &head, now)
		}
		job.Cursor = head.ID
		m.seen++
	}
	m.done = true
	return m, nil
}

// gatherNamed is gather for letters that are named one by one.
func (j *Jobs) gatherNamed(m *moves, job *Job, in *input, now time.Time) error {
	at, found := slices.BinarySearch(in.IDs, job.Cursor)
	if found {
		at++
	}
	for _, id := range in.IDs[at:] {
		if m.full() {
			return nil
		}
		head, err := j.letters.head(job.Account, id)
		switch {
		case errors.Is(err, kv.ErrNotFound):
			job.Skipped++
		case err != nil:
			return err
		default:
			j.handle(m, job, in, &head, now)
		}
		job.Cursor = id
		m.seen++
	}
	m.done = true
	return nil
}

// handle moves one letter and counts it.
func (j *Jobs) handle(m *moves, job *Job, in *input, head *Summary, now time.Time) {
	if err := j.move(m, job, in, head, now); err != nil {
		job.fail(head.ID, err)
	} else {
		job.Moved++
	}
	job.Matched = max(job.Matched, job.Moved+job.Failed)
}

// move adds one letter's move to m. Its error leaves the letter where it is.
func (j *Jobs) move(m *moves, job *Job, in *input, head *Summary, now time.Time) error {
	if job.Kind == KindPurge {
		remove(&m.batch, head)
		return nil
	}
	qualifier := head.Qualifier
	if job.To != "" {
		qualifier = job.To
	}
	// A redrive of what can't run would come back at once, with nothing gained.
	target := head.Function.QualifiedARN(qualifier)
	err, known := m.checked[target]
	if !known {
		err = j.targets.Check(head.Function, qualifier)
		m.checked[target] = err
	}
	if err != nil {
		return err
	}
	l, err := j.letters.complete(*head)
	if err != nil {
		return err
	}
	e, err := job.revive(l, in, now)
	if err != nil {
		return err
	}
	remove(&m.batch, head)
	m.events = append(m.events, e)
	m.bytes += len(e.Payload) + 1024*len(e.Provenance.Earlier)
	for _, x := range e.Provenance.Edits {
		m.bytes += len(x.Payload)
	}
	return nil
}
