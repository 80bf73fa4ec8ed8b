package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/google/uuid"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Requeue takes redriven events back.
type Requeue interface {
	// Append gives a new event its ID and adds it to a batch; it does not commit.
	Append(b *kv.Batch, e *lambda.Event)
	// Added says that the batch with e is on stable storage.
	Added(e *lambda.Event)
}

// Targets knows what can be invoked.
type Targets interface {
	// Check answers nil when the function has the qualifier ("" is the function itself), or
	// lambda.ResourceNotFound.
	Check(f lambda.FunctionID, qualifier string) error
}

// Jobs runs redrives and purges. Run must be running for them to go on.
type Jobs struct {
	letters *Store
	requeue Requeue
	targets Targets
	log     *slog.Logger

	mu   sync.Mutex
	open []jobRef      // running, in the order of their next step
	wake chan struct{} // holds one token when open grew
}

type jobRef struct{ account, id string }

// NewJobs answers the jobs on a store's letters.
func NewJobs(letters *Store, requeue Requeue, targets Targets, log *slog.Logger) *Jobs {
	return &Jobs{letters: letters, requeue: requeue, targets: targets, log: log, wake: make(chan struct{}, 1)}
}

// Start accepts a job durably and answers it; a dry run, or one that matches nothing, has ended.
// An unknown id or a missing target refuses it whole.
func (j *Jobs) Start(ctx context.Context, account string, o Order) (Job, error) {
	if err := o.check(); err != nil {
		return Job{}, err
	}
	now := j.letters.now()
	end, err := j.letters.end(account, now)
	if err != nil {
		return Job{}, atBorder(account, "", err)
	}
	job, in := o.freeze(account, newID(now, uuid.NewString()), now, end)
	if err := job.Filter.check(account); err != nil {
		return Job{}, err
	}
	groups, err := j.preview(ctx, &job, &in)
	if err != nil {
		return Job{}, atBorder(account, "", err)
	}
	for _, g := range groups {
		job.Matched += g.Count
	}
	if err := j.checkTargets(&job, groups); err != nil {
		return Job{}, err
	}
	if job.DryRun {
		job.Groups = ranked(groups)
		if err := j.rehearse(ctx, &job, &in); err != nil {
			return Job{}, atBorder(account, "", err)
		}
	}
	if job.DryRun || job.Matched == 0 {
		job.end(StateCompleted, now)
	}
	if err := j.accept(&job, &in); err != nil {
		return Job{}, err
	}
	if job.State == StateRunning {
		j.enter(jobRef{account, job.ID})
	}
	return job, nil
}

// accept keeps a new job and forgets the oldest ended ones.
func (j *Jobs) accept(job *Job, in *input) error {
	b := &kv.Batch{Urgency: job.Kind.urgency()}
	if err := save(b, job); err != nil {
		return err
	}
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if !job.State.Final() {
		b.Set(kv.Key(kv.JobInput, job.Account, job.ID), text)
	}
	all, err := j.List(job.Account)
	if err != nil {
		return err
	}
	kept := 0
	for _, old := range all {
		if kept++; kept >= maxKept && old.State.Final() {
			b.Delete(jobKey(old.Account, old.ID))
			b.Delete(kv.Key(kv.JobInput, old.Account, old.ID))
		}
	}
	if err := j.letters.kv.Commit(b, kv.Synced); err != nil {
		return committed(err)
	}
	return nil
}

// preview answers the groups of what the job would touch.
func (j *Jobs) preview(ctx context.Context, job *Job, in *input) ([]Group, error) {
	if !job.ByID {
		return j.letters.groups(ctx, job.Account, &job.Filter)
	}
	byPrint := map[string]*Group{}
	for _, id := range in.IDs {
		head, err := j.letters.head(job.Account, id)
		if err != nil {
			return nil, atBorder(job.Account, id, err)
		}
		tally(byPrint, &head)
	}
	return collect(byPrint), nil
}

// checkTargets refuses a redrive to a qualifier that one of the functions does not have.
func (j *Jobs) checkTargets(job *Job, groups []Group) error {
	if job.To == "" {
		return nil
	}
	seen := map[lambda.FunctionID]bool{}
	for _, g := range groups {
		if seen[g.Function] {
			continue
		}
		seen[g.Function] = true
		if err := j.targets.Check(g.Function, job.To); err != nil {
			return err
		}
	}
	return nil
}

// rehearse goes through the letters of a dry run and counts those that could not be moved.
func (j *Jobs) rehearse(ctx context.Context, job *Job, in *input) error {
	trial := *job
	for {
		m, err := j.gather(ctx, &trial, in, j.letters.now())
		if err != nil {
			return err
		}
		if m.done {
			job.Failed, job.Reason = trial.Failed, trial.Reason
			return nil
		}
	}
}

// Get answers a job, or lambda.ResourceNotFound.
func (j *Jobs) Get(account, id string) (Job, error) {
	job, err := j.read(jobRef{account, id})
	if errors.Is(err, kv.ErrNotFound) {
		return Job{}, lambda.Errorf(lambda.ResourceNotFound, "No job %.64q in account %s.", id, account)
	}
	return job, atBorder(account, id, err)
}

func (j *Jobs) read(ref jobRef) (Job, error) {
	var job Job
	if !validID(ref.id) {
		return job, kv.ErrNotFound
	}
	v, err := j.letters.kv.Get(jobKey(ref.account, ref.id))
	if err != nil {
		return job, err
	}
	if err := json.Unmarshal(v, &job); err != nil {
		return Job{}, fmt.Errorf("job %s: %w", ref.id, err)
	}
	return job, nil
}

// List answers an account's jobs, newest first.
func (j *Jobs) List(account string) ([]Job, error) {
	r := kv.Prefix(kv.Key(kv.Job, account))
	r.Reverse = true
	jobs := []Job{}
	for pair, err := range j.letters.kv.Scan(r) {
		var job Job
		if err == nil {
			err = json.Unmarshal(pair.Value, &job)
		}
		if err != nil {
			return nil, atBorder(account, "", err)
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// Pause stops a running job between two letters; Resume goes on. Neither changes a job that is
// already so; a job that has ended is a lambda.ResourceConflict.
func (j *Jobs) Pause(account, id string) (Job, error) { return j.change(account, id, StatePaused) }

// Resume lets a paused job go on.
func (j *Jobs) Resume(account, id string) (Job, error) { return j.change(account, id, StateRunning) }

// Cancel ends a job; what it has moved stays moved.
func (j *Jobs) Cancel(account, id string) (Job, error) { return j.change(account, id, StateCancelled) }

func (j *Jobs) change(account, id string, to State) (Job, error) {
	defer j.letters.own(account)()
	job, err := j.Get(account, id)
	if err != nil || job.State == to {
		return job, err
	}
	if job.State.Final() {
		return Job{}, lambda.Errorf(lambda.ResourceConflict, "Job %s has ended (%s).", id, job.State)
	}
	b := &kv.Batch{Urgency: kv.Progress}
	if job.State = to; to.Final() {
		job.end(to, j.letters.now())
		b.Delete(kv.Key(kv.JobInput, account, id))
	}
	if err := save(b, &job); err != nil {
		return Job{}, err
	}
	if err := j.letters.kv.Commit(b, kv.Synced); err != nil {
		return Job{}, committed(err)
	}
	if to == StateRunning {
		j.enter(jobRef{account, id})
	}
	return job, nil
}

// enter gives a job its turn.
func (j *Jobs) enter(ref jobRef) {
	j.mu.Lock()
	if !slices.Contains(j.open, ref) {
		j.open = append(j.open, ref)
	}
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}
