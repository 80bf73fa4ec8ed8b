package queue

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/lambda"
)

func fnOf(account, name string) lambda.FunctionID {
	return lambda.FunctionID{Account: account, Region: "r", Name: name}
}

func small(o Options) *schedule { return newSchedule(o.withDefaults()) }

func fill(s *schedule, fn lambda.FunctionID, n int, size int64) {
	for i := range n {
		s.add(fn, entry{due: 1, id: fmt.Sprintf("%s%06d", fn.Name, i), size: size}, 1)
	}
}

func TestTurns(t *testing.T) {
	s := small(Options{MaxInFlight: 1000})
	fill(s, fnOf("1", "a"), 50, 0)
	fill(s, fnOf("1", "b"), 50, 0)
	fill(s, fnOf("2", "c"), 50, 0)
	var order string
	for range 16 {
		l, _, ok := s.claim(1)
		if !ok {
			t.Fatal("nothing to claim")
		}
		order += l.fn.Name
	}
	if order != "acbcacbcacbcacbc" {
		t.Errorf("accounts, then functions, take turns: %s", order)
	}
}

func TestLargePayloadsPay(t *testing.T) {
	s := small(Options{MaxInFlight: 1000})
	fill(s, fnOf("1", "a"), 50, 1<<20) // 17 turns each
	fill(s, fnOf("2", "b"), 50, 10)
	got := map[string]int{}
	for range 36 {
		l, e, ok := s.claim(1)
		if !ok {
			t.Fatal("nothing to claim")
		}
		got[l.fn.Name]++
		s.release(l, e, ended, nil, 1)
	}
	if got["a"] < 2 || got["a"] > 3 {
		t.Errorf("%v", got)
	}
}

func TestShares(t *testing.T) {
	s := small(Options{MaxInFlight: 100})
	claims := func(want string) (n int) {
		for {
			l, _, ok := s.claim(1)
			if !ok {
				return n
			}
			if l.fn.Name != want {
				t.Fatalf("claimed %s", l.fn.Name)
			}
			n++
		}
	}
	fill(s, fnOf("1", "a"), 500, 0)
	if n := claims("a"); n < 60 || n > 67 {
		t.Errorf("one function took %d of 100", n)
	}
	fill(s, fnOf("1", "b"), 500, 0)
	if n := claims("b"); n < 5 {
		t.Errorf("the account's second function took %d", n)
	}
	fill(s, fnOf("2", "c"), 500, 0)
	if n := claims("c"); n < 10 {
		t.Errorf("the second account took %d", n)
	}
}

func TestBytesInFlight(t *testing.T) {
	s := small(Options{MaxInFlightBytes: 10})
	fill(s, fnOf("1", "a"), 5, 6)
	l, e, ok := s.claim(1)
	if _, _, two := s.claim(1); !ok || two {
		t.Fatal("12 bytes are in flight of 10")
	}
	s.release(l, e, ended, nil, 1)
	fill(s, fnOf("1", "b"), 1, 100) // larger than all: alone, but it runs
	for range 5 {
		l, e, ok := s.claim(1)
		if !ok {
			t.Fatal("stuck")
		}
		s.release(l, e, ended, nil, 1)
	}
}

// TestRefusals: a function at its limit costs one refusal now and then, not one for each event.
func TestRefusals(t *testing.T) {
	const capacity, events = 5, 2000
	s := small(Options{})
	fn := fnOf("1", "a")
	fill(s, fn, 500, 0)
	type claim struct {
		l *line
		e entry
	}
	var running []claim
	calls, refusals, done := 0, 0, 0
	now := int64(1)
	for added := 500; done < events; {
		l, e, ok := s.claim(now)
		switch {
		case ok && len(running) < capacity:
			calls++
			running = append(running, claim{l, e})
		case ok:
			calls++
			refusals++
			s.release(l, e, refused, &entry{due: now + minHold, id: e.id}, now)
		case len(running) > 0:
			c := running[0]
			running = running[1:]
			done++
			now += int64(10 * time.Millisecond)
			s.release(c.l, c.e, ended, nil, now)
			if added < events {
				s.add(fn, entry{due: now, id: fmt.Sprintf("b%06d", added)}, now)
				added++
			}
			s.wake(now)
		default:
			if next := s.wake(now); next > now {
				now = next
			} else {
				t.Fatalf("stuck after %d: %+v", done, s.lines[fn])
			}
			s.wake(now)
		}
	}
	if refusals > calls/8 {
		t.Errorf("%d refusals in %d calls", refusals, calls)
	}
}

// TestHold: a function that is refused with nothing of it running is left alone, longer each time.
func TestHold(t *testing.T) {
	s := small(Options{})
	fill(s, fnOf("1", "a"), 100, 0)
	now, tried := int64(1), []int64{}
	for now < int64(20*time.Minute) {
		for {
			l, e, ok := s.claim(now)
			if !ok {
				break
			}
			tried = append(tried, now)
			s.release(l, e, refused, &entry{due: now + minHold, id: e.id}, now)
		}
		next := s.wake(now)
		if next <= now {
			t.Fatalf("at %v: no alarm", time.Duration(now))
		}
		now = next
		s.wake(now)
	}
	if len(tried) < 10 || len(tried) > 14 || time.Duration(tried[2]-tried[1]) != 2*time.Second || time.Duration(tried[len(tried)-1]-tried[len(tried)-2]) != maxBackoff {
		t.Errorf("tried at %v", tried)
	}
}

func TestRampUp(t *testing.T) {
	s := small(Options{MaxInFlight: 256})
	start := int64(time.Hour)
	s.discover(fnOf("1", "a"), 1, start)
	for after, want := range map[time.Duration]int{0: 16, 2 * time.Second: 32, 4 * time.Second: 64, 6 * time.Second: 128, 8 * time.Second: 256} {
		s.rampFrom = start
		if n, _ := s.slots(start + int64(after)); n != want {
			t.Errorf("%v after the start: %d slots, want %d", after, n, want)
		}
	}
	if n, until := s.slots(start + int64(time.Minute)); n != 256 || until != 0 {
		t.Errorf("later: %d %d", n, until)
	}
}

func TestForgets(t *testing.T) {
	s := small(Options{})
	for i := range 1000 {
		fn := fnOf(fmt.Sprint(i%10), fmt.Sprint(i))
		fill(s, fn, 1, 0)
		l, e, ok := s.claim(1)
		if !ok {
			t.Fatal("nothing")
		}
		s.release(l, e, ended, nil, 1)
	}
	if len(s.lines)+len(s.accounts)+len(s.ring)+len(s.sleepers)+s.running != 0 || s.bytes != 0 {
		t.Errorf("left: %d lines, %d accounts, %d in the ring", len(s.lines), len(s.accounts), len(s.ring))
	}
}

// simulation is the world around a schedule: a disk of places in time, scans that see it as it was
// at their start, notices of new events that come late, and runs that end.
type simulation struct {
	t       *rapid.T
	s       *schedule
	now     int64
	serial  int
	disk    map[lambda.FunctionID]map[string]entry
	notices []notice
	scans   []scan
	runs    []running
	ran     int
}

type notice struct {
	fn lambda.FunctionID
	e  entry
}

type scan struct {
	l     *line
	found []entry
	more  bool
}

type running struct {
	l *line
	e entry
}

func (w *simulation) appendEvent(t *rapid.T) {
	fn := fnOf(fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "account")), fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "function")))
	for range rapid.IntRange(1, 12).Draw(t, "events") {
		w.serial++
		e := entry{due: max(1, w.now+int64(rapid.IntRange(-5, 20).Draw(t, "due"))), id: fmt.Sprintf("%06d", w.serial)}
		if w.disk[fn] == nil {
			w.disk[fn] = map[string]entry{}
		}
		w.disk[fn][e.id] = e
		w.notices = append(w.notices, notice{fn, e})
	}
}

// pick takes an element of a list at random: things happen in any order.
func pick[T any](t *rapid.T, list *[]T) (v T, ok bool) {
	if len(*list) == 0 {
		return v, false
	}
	i := rapid.IntRange(0, len(*list)-1).Draw(t, "which")
	v = (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return v, true
}

func (w *simulation) notify(t *rapid.T) {
	if n, ok := pick(t, &w.notices); ok {
		w.s.add(n.fn, n.e, w.now)
	}
}

func (w *simulation) beginScan() bool {
	l := w.s.nextLoad()
	if l == nil {
		return false
	}
	var found []entry
	for _, e := range w.disk[l.fn] {
		if compare(e, l.horizon) > 0 {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, compare)
	limit := min(w.s.window(), len(found))
	w.scans = append(w.scans, scan{l, found[:limit], limit < len(found)})
	return true
}

func (w *simulation) endScan(t *rapid.T) {
	if c, ok := pick(t, &w.scans); ok {
		w.s.loaded(c.l, c.found, c.more, w.now)
	}
}

func (w *simulation) claim() bool {
	l, e, ok := w.s.claim(w.now)
	if !ok {
		return false
	}
	true_, there := w.disk[l.fn][e.id]
	switch {
	case !there:
		w.s.release(l, e, ended, nil, w.now)
	case true_.due != e.due:
		w.s.release(l, e, ended, &true_, w.now)
	default:
		if e.due > w.now {
			w.t.Fatalf("%v runs at %d", e, w.now)
		}
		for _, r := range w.runs {
			if r.l.fn == l.fn && r.e.id == e.id {
				w.t.Fatalf("%v runs twice at once", e)
			}
		}
		w.runs = append(w.runs, running{l, e})
		w.ran++
	}
	return true
}

func (w *simulation) endRun(t *rapid.T) {
	r, ok := pick(t, &w.runs)
	if !ok {
		return
	}
	how := ended
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		how = refused
		fallthrough
	case 1:
		next := entry{due: w.now + int64(rapid.IntRange(0, 30).Draw(t, "delay")), id: r.e.id}
		w.disk[r.l.fn][r.e.id] = next
		w.s.release(r.l, r.e, how, &next, w.now)
	default:
		delete(w.disk[r.l.fn], r.e.id)
		w.s.release(r.l, r.e, ended, nil, w.now)
	}
}

func (w *simulation) check(t *rapid.T) {
	known := 0
	for _, l := range w.s.lines {
		known += len(l.waiting)
		if len(l.known) != len(l.waiting)+l.running {
			t.Fatalf("%d known, %d waiting, %d running", len(l.known), len(l.waiting), l.running)
		}
		if len(l.waiting) > 4*w.s.window() {
			t.Fatalf("%d events in memory", len(l.waiting))
		}
	}
	if len(w.runs) != w.s.running {
		t.Fatalf("%d run, %d are counted", len(w.runs), w.s.running)
	}
}

// drain lets everything happen until nothing is left, and fails when something never runs.
func (w *simulation) drain(t *rapid.T) {
	for steps := 0; ; steps++ {
		if steps > 100_000 {
			t.Fatalf("does not end: %d left on disk", len(w.disk))
		}
		for len(w.notices) > 0 {
			w.notify(t)
		}
		w.s.wake(w.now)
		for w.beginScan() || len(w.scans) > 0 {
			w.endScan(t)
		}
		if w.claim() {
			continue
		}
		if len(w.runs) > 0 {
			r := w.runs[0]
			w.runs = w.runs[1:]
			delete(w.disk[r.l.fn], r.e.id)
			w.s.release(r.l, r.e, ended, nil, w.now)
			continue
		}
		if len(w.s.loads) > 0 {
			continue
		}
		next := w.s.wake(w.now)
		if next == 0 {
			break
		}
		w.now = next
	}
	for fn, events := range w.disk {
		if len(events) > 0 {
			t.Fatalf("%v has events that nobody runs: %v; line %+v", fn, slices.Collect(maps.Values(events)), w.s.lines[fn])
		}
	}
	if len(w.s.lines) != 0 {
		t.Fatalf("%d lines are left", len(w.s.lines))
	}
}

// TestScheduleModel: whatever the order of things, every event runs, none twice at once, none
// early, and memory stays bounded.
func TestScheduleModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{MaxInFlight: 6, Window: 4, WindowTotal: 4}.withDefaults()
		w := &simulation{t: t, s: newSchedule(o), now: 1, disk: map[lambda.FunctionID]map[string]entry{}}
		if rapid.Bool().Draw(t, "after a restart") {
			w.appendEvent(t)
			w.notices = nil
			for fn, events := range w.disk {
				w.s.discover(fn, slices.MinFunc(slices.Collect(maps.Values(events)), compare).due, w.now)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": w.appendEvent, "notify": w.notify, "end scan": w.endScan, "end run": w.endRun, "": w.check,
			"begin scan": func(*rapid.T) { w.beginScan() },
			"claim":      func(*rapid.T) { w.claim() },
			"time":       func(t *rapid.T) { w.now += int64(rapid.IntRange(1, 10).Draw(t, "pass")); w.s.wake(w.now) },
		})
		w.drain(t)
	})
}
