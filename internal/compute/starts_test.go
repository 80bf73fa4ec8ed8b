package compute

import (
	"testing"
)

func granted(t *start) bool {
	select {
	case <-t.granted:
		return true
	default:
		return false
	}
}

func TestStartsTakeTurns(t *testing.T) {
	s := newStarts(2)
	a1, a2, a3, a4 := s.enter("a"), s.enter("a"), s.enter("a"), s.enter("a")
	b1, c1 := s.enter("b"), s.enter("c")
	if !granted(a1) || !granted(a2) || granted(a3) || granted(b1) {
		t.Fatal("two may start, the others wait")
	}
	s.leave(a1)
	s.leave(a1) // the second time gives nothing back
	if !granted(a3) || granted(b1) {
		t.Fatal("the first in the row")
	}
	s.leave(a2)
	if !granted(b1) || granted(a4) {
		t.Fatal("another account's turn")
	}
	s.leave(c1) // gives up waiting
	s.leave(a3)
	if !granted(a4) || granted(c1) {
		t.Fatal("who gave up is passed over")
	}
	s.leave(b1)
	s.leave(a4)
	if s.free != 2 || len(s.waiting) != 0 || len(s.turns) != 0 {
		t.Fatalf("left over: %+v", s)
	}
}
