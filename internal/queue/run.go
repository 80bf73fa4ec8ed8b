package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lambent.dev/lambent/internal/kv"
)

// maxSleep bounds how long the dispatcher trusts a timer: a clock that is set forward makes events
// due that the timer, which runs on its own, would wake for later.
const maxSleep = 10 * time.Second

// Run runs events until claims ends: then no more are begun, and Run returns when the running
// ones have ended. When work ends they are cut off, and stay as they are in the store: due again
// at the next start. Run may be called once. The error says why the store can no longer be used.
func (q *Queue) Run(claims, work context.Context) error {
	claims, stop := context.WithCancel(claims)
	defer stop()
	work, cut := context.WithCancel(work)
	defer cut()
	var tasks sync.WaitGroup
	defer tasks.Wait()

	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for claims.Err() == nil {
		wait := q.dispatch(claims, work, &tasks)
		if wait >= 0 {
			timer.Reset(min(wait, maxSleep))
		} else {
			timer.Stop()
		}
		select {
		case <-claims.Done():
		case err := <-q.failures:
			cut() // nothing that runs could be settled
			return err
		case <-q.wake:
		case <-timer.C:
		}
	}
	return nil
}

// fail ends Run.
func (q *Queue) fail(err error) {
	select {
	case q.failures <- err:
	default:
	}
}

// dispatch starts everything that may start now, and answers how long nothing more will: less
// than zero when only a signal can change that.
func (q *Queue) dispatch(claims, work context.Context, tasks *sync.WaitGroup) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := at(q.o.Clock())
	next := q.schedule.wake(now)
	for q.loads < maxLoads {
		l := q.schedule.nextLoad()
		if l == nil {
			break
		}
		q.loads++
		tasks.Go(func() { q.load(l) })
	}
	for {
		l, e, ok := q.schedule.claim(now)
		if !ok {
			break
		}
		tasks.Go(func() { q.work(claims, work, l, e) })
	}
	if _, grows := q.schedule.slots(now); grows > 0 && len(q.schedule.ring) > 0 && (next == 0 || grows < next) {
		next = grows
	}
	// Claims may have put lines to sleep.
	if len(q.schedule.sleepers) > 0 {
		if t := q.schedule.sleepers[0].wakeAt; next == 0 || t < next {
			next = t
		}
	}
	if next == 0 {
		return -1
	}
	return max(time.Duration(next-now), 0)
}

// load reads a line's next window of due times.
func (q *Queue) load(l *line) {
	q.mu.Lock()
	from, limit := l.horizon, q.schedule.window()
	q.mu.Unlock()
	r := kv.Prefix(kv.FunctionKey(kv.Due, l.fn))
	if from.id != "" {
		r.From = append(dueKey(l.fn, from.due, from.id), 0)
	}
	var found []entry
	more := false
	for p, err := range q.Store.Scan(r) {
		if err == nil && len(found) == limit {
			more = true
			break
		}
		if err != nil {
			q.fail(fmt.Errorf("queue: read due events: %w", err))
			return
		}
		if _, e, err := parseDue(p); err != nil {
			q.unreadable(err)
		} else {
			found = append(found, e)
		}
	}
	q.mu.Lock()
	q.loads--
	q.schedule.loaded(l, found, more, at(q.o.Clock()))
	q.mu.Unlock()
	q.signal()
}
