package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lambent.dev/lambent/internal/cli/client"
)

// The time between two looks at a job: short at first, as most jobs are.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = time.Second
)

// follow looks at a job until it has ended. The job does not need it: when ctx ends, it goes on.
func (s *session) follow(ctx context.Context, r *remote, job client.Job, raw []byte) (client.Job, []byte, error) {
	m := &jobMeter{s: s}
	if s.ErrTTY {
		m.bar = newBar(s, "job "+job.ID, job.Matched)
		defer m.bar.end()
	}
	pause := firstLook
	for m.show(job); !job.Ended(); m.show(job) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return job, raw, &leftError{job.ID}
		case <-timer.C:
		}
		pause = min(pause*3/2, lastLook)
		now, bytes, err := r.job(ctx, job.ID)
		switch {
		case ctx.Err() != nil:
			return job, raw, &leftError{job.ID}
		case err != nil:
			return job, raw, err
		}
		job, raw = now, bytes
	}
	return job, raw, nil
}

// leftError is a wait that a person ended; the job goes on.
type leftError struct{ id string }

func (e *leftError) Error() string {
	return fmt.Sprintf("the job goes on without you: \"lambent deadletter job %s --wait\" shows it again", e.id)
}

func (e *leftError) ExitCode() int { return exitFailed }

// jobMeter shows how a job gets on: a bar on a terminal, elsewhere a line when something changed.
type jobMeter struct {
	s    *session
	bar  *bar
	last client.Job
}

func (m *jobMeter) show(j client.Job) {
	switch {
	case m.bar != nil:
		m.bar.set(j.Moved+j.Failed, j.Matched, j.Ended())
	case j != m.last:
		fmt.Fprintf(m.s.Err, "%s: %d of %d %s, %d failed\n", j.State, j.Moved, j.Matched, movedWord(j), j.Failed)
	}
	m.last = j
}

// bar is a progress bar on a terminal.
type bar struct {
	progress *mpb.Progress
	bar      *mpb.Bar
}

func newBar(s *session, name string, total int) *bar {
	p := mpb.New(mpb.WithOutput(s.Err), mpb.WithAutoRefresh(), mpb.WithWidth(40))
	return &bar{p, p.AddBar(int64(max(total, 1)),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit(" %d of %d"), decor.Elapsed(decor.ET_STYLE_GO, decor.WCSyncSpace)),
	)}
}

// set moves the bar; a total may still grow.
func (b *bar) set(done, total int, ended bool) {
	b.bar.SetTotal(int64(max(total, done, 1)), false)
	b.bar.SetCurrent(int64(done))
	if ended {
		b.bar.SetTotal(-1, true) // the total is what was reached
	}
}

// end leaves the bar as it stands; it is needed even when the bar is full.
func (b *bar) end() {
	b.bar.Abort(false)
	b.progress.Wait()
}
