package native

import (
	"fmt"
	"sync"
)

// Each server on a host works with a range of uids of its own; an environment takes a pair of
// them, one for its init and one for the function. gid and uid are the same number.
const (
	uidRange  = 1 << 16
	uidRanges = 1 << 10
	slots     = uidRange / 2
)

// slotSet hands out uid pairs. A slot is reused as late as possible.
type slotSet struct {
	mu   sync.Mutex
	used map[int]bool
	next int
}

func (s *slotSet) take() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range slots {
		n := s.next
		s.next = (s.next + 1) % slots
		if !s.used[n] {
			s.used[n] = true
			return n, nil
		}
	}
	return 0, fmt.Errorf("all %d uid pairs are in use", slots)
}

// reserve marks a survivor's slot as used.
func (s *slotSet) reserve(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[n] = true
}

func (s *slotSet) free(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, n)
}

// pair answers the host uids of a slot: init's and the function's.
func pair(base, slot int) (initUID, functionUID int) { return base + 2*slot, base + 2*slot + 1 }
