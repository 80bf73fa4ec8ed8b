package compute

import (
	"slices"
	"sync"
	"time"
)

// longStart is how long a start may keep others from starting. On all but an overloaded host, what
// is slow after that waits for something else than the processor, and must not hold up others.
const longStart = time.Second

// starts bounds how many environments start at once: beyond what the processors can do at the
// same time, starts only make each other, and the calls that run, late. Accounts take turns.
type starts struct {
	mu      sync.Mutex
	free    int
	waiting map[string][]*start // by account, oldest first
	turns   []string            // accounts with somebody waiting, next first
}

// start is one place in the row.
type start struct {
	account string
	granted chan struct{} // closed when its turn has come
	once    sync.Once     // of leaving
}

func newStarts(n int) *starts {
	return &starts{free: n, waiting: map[string][]*start{}}
}

// enter takes a place in the row. Whoever enters must leave, before or after being granted.
func (s *starts) enter(account string) *start {
	t := &start{account: account, granted: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		close(t.granted)
		return t
	}
	if len(s.waiting[account]) == 0 {
		s.turns = append(s.turns, account)
	}
	s.waiting[account] = append(s.waiting[account], t)
	return t
}

// leave gives the place back; a second time does nothing.
func (s *starts) leave(t *start) {
	t.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.waiting[t.account], t); i >= 0 {
			s.drop(t.account, i)
			return
		}
		s.next()
	})
}

// next grants a free place to the account whose turn it is. The caller holds mu.
func (s *starts) next() {
	if len(s.turns) == 0 {
		s.free++
		return
	}
	account := s.turns[0]
	t := s.waiting[account][0]
	s.turns = append(s.turns[1:], account) // to the end of the row
	s.drop(account, 0)
	close(t.granted)
}

// drop takes one out of the row. The caller holds mu.
func (s *starts) drop(account string, i int) {
	list := slices.Delete(s.waiting[account], i, i+1)
	s.waiting[account] = list
	if len(list) > 0 {
		return
	}
	delete(s.waiting, account)
	if j := slices.Index(s.turns, account); j >= 0 {
		s.turns = slices.Delete(s.turns, j, j+1)
	}
}
