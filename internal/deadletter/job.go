package deadletter

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Kind says what a job does to its letters.
type Kind string

// The kinds.
const (
	KindRedrive Kind = "redrive" // each becomes a new event
	KindPurge   Kind = "purge"   // each is deleted
)

// urgency says what of the kind may be refused when room is short: purging makes room.
func (k Kind) urgency() kv.Urgency {
	if k == KindPurge {
		return kv.Progress
	}
	return kv.Growth
}

// State is where a job stands.
type State string

// The states. The last three are final.
const (
	StateRunning   State = "running"
	StatePaused    State = "paused"
	StateCompleted State = "completed"
	StateCancelled State = "cancelled"
	StateFailed    State = "failed" // it could not go on: see Job.Reason
)

// Final says whether a job in this state has ended.
func (s State) Final() bool { return s == StateCompleted || s == StateCancelled || s == StateFailed }

// Bounds of jobs.
const (
	MaxIDs     = 10_000
	maxKept    = 200     // ended jobs of an account; the oldest are forgotten
	stepCount  = 512     // events of one commit
	stepOps    = 4096    // writes of one commit
	stepBytes  = 4 << 20 // of payloads and bodies in one commit
	stepSearch = 20_000  // heads read before the progress is kept
)

// Selection names the letters of a job: exactly one of ids, a filter that asks for something, or all.
type Selection struct {
	IDs    []string
	Filter *Filter
	All    bool
}

// Order is what a caller asks a job to do.
type Order struct {
	Kind Kind
	Selection
	By string // who, for the record

	// The rest is for redrives.
	To           string          // another qualifier; "" keeps each letter's
	PayloadPatch json.RawMessage // JSON merge patch of every payload
	DryRun       bool            // count, change nothing
}

// Job is redriving or purging many letters on the server. Its definition is frozen when it
// starts; its progress is durable.
type Job struct {
	ID        string    `json:"id"`
	Account   string    `json:"account"`
	Kind      Kind      `json:"kind"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"createdAt"`
	Filter    Filter    `json:"filter"` // with an end, so that later letters are not its own
	ByID      bool      `json:"byId"`   // the letters are named in the job's input
	To        string    `json:"to,omitempty"`
	Patched   bool      `json:"patched,omitempty"`
	DryRun    bool      `json:"dryRun,omitempty"`

	State   State     `json:"state"`
	Matched int       `json:"matched"`          // at the start
	Moved   int       `json:"moved"`            // redriven or purged
	Failed  int       `json:"failed"`           // left where they are
	Skipped int       `json:"skipped"`          // gone when the job came to them
	Reason  string    `json:"reason,omitempty"` // the first letter's failure, or the job's
	Cursor  string    `json:"cursor,omitempty"` // the last letter handled
	EndedAt time.Time `json:"endedAt,omitzero"`

	Groups []Group `json:"-"` // of a dry run, when it is answered; not kept
}

// input is the part of a job that may be large and does not change.
type input struct {
	IDs   []string        `json:"ids,omitempty"` // sorted
	Patch json.RawMessage `json:"patch,omitempty"`
}

// check refuses orders that say nothing, or too much.
func (o *Order) check() error {
	given := 0
	for _, is := range []bool{len(o.IDs) > 0, o.Filter != nil, o.All} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return lambda.Errorf(lambda.InvalidParameterValue, "Say which dead letters: ids, a filter, or all.")
	case given > 1:
		return lambda.Errorf(lambda.InvalidParameterValue, "Give one of ids, a filter and all.")
	case o.Filter != nil && o.Filter.Empty():
		return lambda.Errorf(lambda.InvalidParameterValue, "The filter is empty. Say all to mean every dead letter.")
	case len(o.IDs) > MaxIDs:
		return lambda.Errorf(lambda.InvalidParameterValue, "%d ids are more than %d: use a filter.", len(o.IDs), MaxIDs)
	case o.PayloadPatch != nil:
		_, err := merge([]byte("{}"), o.PayloadPatch)
		return err
	}
	return nil
}

// freeze makes the job of an order. Its filter ends at end: letters buried later, and those that
// the job itself brings about, are not its own.
func (o *Order) freeze(account, id string, now, end time.Time) (Job, input) {
	j := Job{ID: id, Account: account, Kind: o.Kind, By: o.By, CreatedAt: now, To: o.To,
		Patched: o.PayloadPatch != nil, DryRun: o.DryRun, State: StateRunning}
	in := input{Patch: o.PayloadPatch}
	if len(o.IDs) > 0 {
		in.IDs = slices.Compact(slices.Sorted(slices.Values(o.IDs)))
		j.ByID = true
		return j, in
	}
	if o.Filter != nil {
		j.Filter = *o.Filter
	}
	if j.Filter.Until.IsZero() || j.Filter.Until.After(end) {
		j.Filter.Until = end
	}
	return j, in
}

// wants says whether a letter is the job's.
func (j *Job) wants(s *Summary) bool { return s.RedriveJob != j.ID && j.Filter.match(s) }

// end closes a job.
func (j *Job) end(state State, now time.Time) { j.State, j.EndedAt = state, now }

// fail records that a letter stays where it is; the first reason is kept.
func (j *Job) fail(id string, err error) {
	j.Failed++
	if j.Reason == "" {
		j.Reason = fmt.Sprintf("dead letter %s: %v", id, err)
	}
}

// revive makes the event that a letter becomes: a new request id, a new age, its history behind it. The
// letter is consumed.
func (j *Job) revive(l *Letter, in *input, now time.Time) (*lambda.Event, error) {
	if in.Patch != nil {
		payload, err := merge(l.Payload, in.Patch)
		if err != nil {
			return nil, err
		}
		if err := l.edit(payload, now, j.By); err != nil {
			return nil, err
		}
	}
	e := &lambda.Event{
		RequestID: uuid.NewString(), Function: l.Function, Qualifier: l.Qualifier,
		Payload: l.Payload, ClientContext: l.ClientContext, TraceHeader: l.TraceHeader, AcceptedAt: now,
		Provenance: lambda.Provenance{RedrivenFrom: l.ID, RedriveJob: j.ID, Edits: l.Provenance.Edits, Earlier: forget(l.History())},
	}
	if j.To != "" {
		e.Qualifier = j.To
	}
	return e, nil
}

func jobKey(account, id string) []byte { return kv.Key(kv.Job, account, id) }

// save adds a job to a batch.
func save(b *kv.Batch, j *Job) error {
	v, err := json.Marshal(j)
	if err != nil {
		return err
	}
	b.Set(jobKey(j.Account, j.ID), v)
	return nil
}
