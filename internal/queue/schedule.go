package queue

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// entry is an event's place in time.
type entry struct {
	due  int64 // Unix nanoseconds
	id   string
	size int64 // of its payload
}

func compare(a, b entry) int {
	if c := cmp.Compare(a.due, b.due); c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

// line is one function's events. Those at or before the horizon are in memory, waiting or
// running; those after it are on disk only. complete says that none are.
type line struct {
	fn       lambda.FunctionID
	account  *account
	waiting  entries
	known    map[string]bool // ids waiting or running
	running  int
	horizon  entry
	complete bool
	nextDue  int64   // a lower bound of the first due time beyond the horizon
	loading  bool    // a scan is under way
	arrived  []entry // since it began

	// What refusals have taught: how many run at once, and until when none is tried.
	limit  int // 0: not known to be limited
	streak int // ends since the limit was last touched
	hold   int64
	holds  int // in a row

	deficit int
	queued  bool // in its account's ring
	wakeAt  int64
	place   int // in the sleepers' heap, -1: not there
}

// account is the fair share of all lines of one account.
type account struct {
	id      string
	lines   int
	running int
	deficit int
	ring    []*line
	queued  bool
}

// schedule decides which event runs next. It is pure: no clock, lock, disk or goroutine.
//
// Turns go round over accounts, and within an account over functions; a large payload pays with
// later turns. Nobody takes more than a share of what is free: 3/4 an account, 2/3 a function, so
// that whoever comes next finds room at once.
type schedule struct {
	o        Options
	rampFrom int64 // 0: no ramp-up
	lines    map[lambda.FunctionID]*line
	accounts map[string]*account
	ring     []*account
	sleepers sleepers
	loads    []*line
	running  int
	bytes    int64
}

const (
	accountShare = 3 // of free slots, to one running
	lineShare    = 2
	costBytes    = 64 << 10 // of payload that cost one turn more
	rampStart    = 16
	maxLoads     = 4
	minWindow    = 16
	minHold      = int64(minBackoff)
	maxHold      = int64(maxBackoff)
)

func newSchedule(o Options) *schedule {
	return &schedule{o: o, lines: map[lambda.FunctionID]*line{}, accounts: map[string]*account{}}
}

// line answers a function's line. One that is new has nothing on disk.
func (s *schedule) line(fn lambda.FunctionID) *line {
	l := s.lines[fn]
	if l == nil {
		a := s.accounts[fn.Account]
		if a == nil {
			a = &account{id: fn.Account}
			s.accounts[fn.Account] = a
		}
		a.lines++
		l = &line{fn: fn, account: a, known: map[string]bool{}, complete: true, place: -1}
		s.lines[fn] = l
	}
	return l
}

// discover adds a function that has events on disk.
func (s *schedule) discover(fn lambda.FunctionID, firstDue int64, now int64) {
	l := s.line(fn)
	l.complete, l.nextDue = false, firstDue
	s.rampFrom = now
	s.place(l, now)
}

// window answers how many waiting events a line keeps in memory.
func (s *schedule) window() int {
	return min(s.o.Window, max(minWindow, s.o.WindowTotal/max(1, len(s.lines))))
}

// add says that an event is on disk.
func (s *schedule) add(fn lambda.FunctionID, e entry, now int64) {
	l := s.line(fn)
	if l.loading {
		l.arrived = append(l.arrived, e)
	} else {
		s.insert(l, e)
	}
	s.place(l, now)
}

func (s *schedule) insert(l *line, e entry) {
	if l.known[e.id] {
		return
	}
	beyond := compare(e, l.horizon) > 0
	if beyond && l.complete && len(l.waiting) >= s.window() {
		l.complete, l.nextDue = false, e.due
		return
	}
	if beyond && !l.complete {
		l.nextDue = min(l.nextDue, e.due)
		return
	}
	if beyond {
		l.horizon = e
	}
	l.known[e.id] = true
	heap.Push(&l.waiting, e)
	if w := s.window(); len(l.waiting) > 2*w {
		s.spill(l, w)
	}
}

// spill forgets the latest events of a line that has grown; they are on disk.
func (s *schedule) spill(l *line, keep int) {
	slices.SortFunc(l.waiting, compare) // a sorted slice is a heap
	for _, e := range l.waiting[keep:] {
		delete(l.known, e.id)
	}
	l.complete, l.nextDue = false, l.waiting[keep].due
	clear(l.waiting[keep:])
	l.waiting = l.waiting[:keep]
	l.horizon = l.waiting[keep-1]
}

// loaded takes the answer of a scan that began after the horizon; more says that it did not reach the end.
func (s *schedule) loaded(l *line, found []entry, more bool, now int64) {
	l.loading = false
	for _, e := range found {
		if !l.known[e.id] {
			l.known[e.id] = true
			heap.Push(&l.waiting, e)
		}
	}
	if n := len(found); n > 0 {
		l.horizon = found[n-1]
	}
	l.complete, l.nextDue = !more, l.horizon.due
	arrived := l.arrived
	l.arrived = nil
	for _, e := range arrived {
		s.insert(l, e)
	}
	s.place(l, now)
}

// place puts a line where it belongs: in its account's ring, asleep until a time, among those
// that need a scan, or nowhere until something of it ends.
func (s *schedule) place(l *line, now int64) {
	wake := int64(0)
	switch {
	case l.hold > now:
		wake = l.hold
	case l.limit > 0 && l.running >= l.limit:
	case len(l.waiting) > 0 && l.waiting[0].due <= now:
		s.enqueue(l)
	case len(l.waiting) > 0:
		wake = l.waiting[0].due
	case l.complete && l.running == 0 && !l.loading:
		s.forget(l)
		return
	case !l.complete && !l.loading && l.nextDue > now:
		wake = l.nextDue
	}
	if !l.complete && !l.loading && l.nextDue <= now && l.hold <= now && len(l.waiting) < s.window()/4 {
		l.loading = true
		s.loads = append(s.loads, l)
	}
	s.sleep(l, wake)
}

func (s *schedule) enqueue(l *line) {
	if !l.queued {
		l.queued = true
		l.account.ring = append(l.account.ring, l)
	}
	if a := l.account; !a.queued {
		a.queued = true
		s.ring = append(s.ring, a)
	}
}

// forget drops a line that has nothing, and an account without lines.
func (s *schedule) forget(l *line) {
	s.sleep(l, 0)
	delete(s.lines, l.fn)
	a := l.account
	if l.queued {
		a.ring = slices.DeleteFunc(a.ring, func(o *line) bool { return o == l })
	}
	if a.lines--; a.lines > 0 {
		return
	}
	delete(s.accounts, a.id)
	if a.queued {
		s.ring = slices.DeleteFunc(s.ring, func(o *account) bool { return o == a })
	}
}

// sleep sets or clears a line's alarm.
func (s *schedule) sleep(l *line, at int64) {
	switch {
	case at == 0 && l.place >= 0:
		heap.Remove(&s.sleepers, l.place)
	case at == 0:
	case l.place >= 0:
		l.wakeAt = at
		heap.Fix(&s.sleepers, l.place)
	default:
		l.wakeAt = at
		heap.Push(&s.sleepers, l)
	}
}

// wake places the lines whose time has come, and answers when the next one's does: 0 for never.
func (s *schedule) wake(now int64) int64 {
	for len(s.sleepers) > 0 {
		l := s.sleepers[0]
		if l.wakeAt > now {
			return l.wakeAt
		}
		s.place(l, now)
	}
	return 0
}

// nextLoad answers a line to scan.
func (s *schedule) nextLoad() *line {
	if len(s.loads) == 0 {
		return nil
	}
	l := s.loads[0]
	s.loads = s.loads[1:]
	return l
}

// slots answers how many events may run, and when that grows: 0 for never. After a start with a
// backlog it doubles in steps, so that a recovery is no wave.
func (s *schedule) slots(now int64) (n int, until int64) {
	if s.rampFrom == 0 || s.o.MaxInFlight <= rampStart {
		return s.o.MaxInFlight, 0
	}
	doublings := math.Ceil(math.Log2(float64(s.o.MaxInFlight) / rampStart))
	step := max(int64(float64(s.o.RampUp)/doublings), 1)
	done := max(now-s.rampFrom, 0) / step
	if float64(done) >= doublings {
		s.rampFrom = 0
		return s.o.MaxInFlight, 0
	}
	return rampStart << done, s.rampFrom + (done+1)*step
}

// claim answers the next event to run, if any may.
func (s *schedule) claim(now int64) (*line, entry, bool) {
	slots, _ := s.slots(now)
	free := slots - s.running
	if free <= 0 {
		return nil, entry{}, false
	}
	for again := true; again; { // a debt is at most one event's cost, so the rounds are few
		again = false
		for range len(s.ring) {
			a := s.ring[0]
			s.ring = s.ring[1:]
			a.deficit = min(a.deficit+1, 1)
			var l *line
			var e entry
			if a.deficit <= 0 {
				again = true
			} else if a.running < share(free, accountShare) {
				l, e = s.claimOf(a, free, now)
			}
			if a.queued = len(a.ring) > 0; a.queued {
				s.ring = append(s.ring, a)
			}
			if l != nil {
				return l, e, true
			}
		}
	}
	return nil, entry{}, false
}

func share(free, n int) int { return max(1, free*n) }

// claimOf takes the account's turn.
func (s *schedule) claimOf(a *account, free int, now int64) (*line, entry) {
	for again := true; again; {
		again = false
		for range len(a.ring) {
			l := a.ring[0]
			a.ring = a.ring[1:]
			if !s.ready(l, now) {
				l.queued = false
				continue
			}
			a.ring = append(a.ring, l)
			if l.deficit = min(l.deficit+1, 1); l.deficit <= 0 {
				again = true
				continue
			}
			e := l.waiting[0]
			if l.running < share(free, lineShare) && (s.running == 0 || s.bytes+e.size <= s.o.MaxInFlightBytes) {
				s.take(l, now)
				return l, e
			}
		}
	}
	return nil, entry{}
}

// take moves a line's first event from waiting to running.
func (s *schedule) take(l *line, now int64) {
	e := heap.Pop(&l.waiting).(entry)
	cost := 1 + int(e.size/costBytes)
	l.deficit -= cost
	l.account.deficit -= cost
	l.running++
	l.account.running++
	s.running++
	s.bytes += e.size
	s.place(l, now)
}

func (s *schedule) ready(l *line, now int64) bool {
	return l.queued && l.hold <= now && (l.limit == 0 || l.running < l.limit) && len(l.waiting) > 0 && l.waiting[0].due <= now
}

// ending is how a claim ended, for the schedule.
type ending uint8

const (
	ended   ending = iota // the event ran, or is gone
	refused               // throttled or failed by us: others of the function would be, too
)

// release ends a claim. again is the event's new place, where it has one.
func (s *schedule) release(l *line, e entry, how ending, again *entry, now int64) {
	l.running--
	l.account.running--
	s.running--
	s.bytes -= e.size
	delete(l.known, e.id)
	if how == refused {
		l.refuse(now)
	} else {
		l.relax()
	}
	if again != nil {
		if l.loading {
			l.arrived = append(l.arrived, *again)
		} else {
			s.insert(l, *again)
		}
	}
	s.place(l, now)
}

// refuse learns from a refusal. While others of the function run, their number is what fits, and
// the end of one is the time to go on; otherwise the function is held, longer each time.
func (l *line) refuse(now int64) {
	l.streak = 0
	if l.running > 0 {
		l.limit = l.running
		return
	}
	l.limit = 1
	l.hold = now + min(minHold<<min(l.holds, 16), maxHold)
	l.holds++
}

// relax learns from an end: after some, a few more may run.
func (l *line) relax() {
	l.holds = 0
	if l.limit == 0 {
		return
	}
	if l.streak++; l.streak >= 4*l.limit {
		l.streak = 0
		l.limit += max(1, l.limit/4)
	}
}

// entries is a heap by due time, then id.
type entries []entry

func (h entries) Len() int           { return len(h) }
func (h entries) Less(i, j int) bool { return compare(h[i], h[j]) < 0 }
func (h entries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entries) Push(x any)        { *h = append(*h, x.(entry)) }
func (h *entries) Pop() any {
	old := *h
	n := len(old) - 1
	e := old[n]
	old[n] = entry{}
	*h = old[:n]
	return e
}

// sleepers is a heap of lines by the time they wake.
type sleepers []*line

func (h sleepers) Len() int           { return len(h) }
func (h sleepers) Less(i, j int) bool { return h[i].wakeAt < h[j].wakeAt }
func (h sleepers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *sleepers) Push(x any) {
	l := x.(*line)
	l.place = len(*h)
	*h = append(*h, l)
}
func (h *sleepers) Pop() any {
	old := *h
	n := len(old) - 1
	l := old[n]
	old[n] = nil
	*h = old[:n]
	l.place = -1
	return l
}

// at turns a time into what the schedule counts in.
func at(t time.Time) int64 { return max(t.UnixNano(), 0) }
