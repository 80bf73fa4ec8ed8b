package invoke

import (
	"context"
	"testing"

	"lambent.dev/lambent/internal/admission"
	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/lambda"
)

var fn = lambda.FunctionID{Account: "000000000000", Region: "us-east-1", Name: "f"}

// table is a set of functions and, as Compute, a record of what was run.
type table struct {
	byQualifier map[string]*lambda.Configuration
	reserved    *int
	ran         []compute.Invocation
	during      func()
	done        error
}

func (t *table) Resolve(fn lambda.FunctionID, qualifier string, _ float64) (*lambda.Configuration, error) {
	if c := t.byQualifier[qualifier]; c != nil {
		return c, nil
	}
	return nil, lambda.Errorf(lambda.ResourceNotFound, "Function not found: %s", fn.QualifiedARN(qualifier))
}

func (t *table) Reservation(lambda.FunctionID) (admission.Reservation, error) {
	return admission.Reservation{Function: t.reserved}, nil
}

func (t *table) Invoke(ctx context.Context, in compute.Invocation) (lambda.Outcome, error) {
	t.ran = append(t.ran, in)
	t.done = ctx.Err()
	if t.during != nil {
		t.during()
	}
	return lambda.Outcome{Payload: in.Payload}, nil
}

func TestRun(t *testing.T) {
	one := 1
	f := &table{byQualifier: map[string]*lambda.Configuration{
		"":     {Version: lambda.Latest, State: lambda.StateActive},
		"live": {Version: "7", State: lambda.StateActive},
		"new":  {Version: "8", State: lambda.StatePending},
	}, reserved: &one}
	s := New(f, admission.New(10), f)
	f.during = func() {
		if _, err := s.Run(t.Context(), Request{Function: fn}); lambda.KindOf(err) != lambda.TooManyRequests {
			t.Errorf("beyond the reservation: %v", err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if out, err := s.Run(gone, Request{Function: fn, Qualifier: "live", RequestID: "r", Payload: []byte("1")}); err != nil || string(out.Payload) != "1" {
		t.Fatalf("got %+v, %v", out, err)
	}
	if f.done != nil {
		t.Error("an invocation ends with its caller")
	}
	if in := f.ran[0]; in.Config.Version != "7" || in.InvokedARN != fn.ARN()+":live" || in.RequestID != "r" {
		t.Errorf("ran %+v", in)
	}
	f.during = nil
	if _, err := s.Invoke(t.Context(), &lambda.Event{Function: fn}); err != nil {
		t.Errorf("the unit was not given back: %v", err)
	}
	if in := f.ran[1]; in.InvokedARN != fn.ARN() {
		t.Errorf("an unqualified call names %s", in.InvokedARN)
	}
	for qualifier, want := range map[string]lambda.Kind{"new": lambda.ResourceConflict, "nobody": lambda.ResourceNotFound} {
		if _, err := s.Run(t.Context(), Request{Function: fn, Qualifier: qualifier}); lambda.KindOf(err) != want {
			t.Errorf("%s: %v", qualifier, err)
		}
	}
}
