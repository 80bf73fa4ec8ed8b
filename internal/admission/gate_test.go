package admission

import (
	"errors"
	"testing"

	"lambent.dev/lambent/internal/lambda"
)

func TestRefuse(t *testing.T) {
	n := func(i int) *int { return &i }
	for _, c := range []struct {
		name                 string
		limit                int
		r                    Reservation
		unreserved, reserved int
		want                 string
	}{
		{"room", 2, Reservation{}, 1, 0, ""},
		{"full", 2, Reservation{}, 2, 0, lambda.ReasonConcurrency},
		{"others reserved the rest", 10, Reservation{Account: 8}, 2, 0, lambda.ReasonConcurrency},
		{"own reservation free", 2, Reservation{Function: n(1), Account: 1}, 2, 0, ""},
		{"own reservation used", 10, Reservation{Function: n(1), Account: 1}, 0, 1, lambda.ReasonReservedConcurrency},
		{"switched off", 10, Reservation{Function: n(0)}, 0, 0, lambda.ReasonReservedConcurrency},
	} {
		if got := refuse(c.limit, c.r, c.unreserved, c.reserved); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestGate(t *testing.T) {
	g := New(2)
	a := lambda.FunctionID{Account: "111111111111", Region: "us-east-1", Name: "a"}
	b := lambda.FunctionID{Account: "222222222222", Region: "us-east-1", Name: "a"}
	first, err := g.Acquire(a, Reservation{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := g.Acquire(a, Reservation{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Acquire(a, Reservation{})
	var e *lambda.Error
	if !errors.As(err, &e) || e.Kind != lambda.TooManyRequests || e.Message != "Rate Exceeded." || e.RetryAfter == 0 {
		t.Fatalf("third: %v", err)
	}
	other, err := g.Acquire(b, Reservation{})
	if err != nil {
		t.Fatalf("another account is held up: %v", err)
	}
	first()
	first() // a second release gives nothing back
	if _, err := g.Acquire(a, Reservation{}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Acquire(a, Reservation{}); err == nil {
		t.Fatal("a double release made room")
	}
	zero := 0
	if _, err := g.Acquire(b, Reservation{Function: &zero}); !errors.Is(err, lambda.ErrZeroConcurrency) {
		t.Errorf("switched off: %v", err)
	}
	one := 1
	reserved, err := g.Acquire(a, Reservation{Function: &one, Account: 1})
	if err != nil {
		t.Fatal("a reservation is not kept free")
	}
	reserved()
	second()
	other()
	if _, there := g.pools[pool{b.Account, b.Region}]; there {
		t.Error("an idle pool is kept")
	}
}
