package invoke

import (
	"context"
	"math/rand/v2"

	"lambent.dev/lambent/internal/admission"
	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/lambda"
)

// Functions finds what is to run.
type Functions interface {
	// Resolve answers the version behind a qualifier; roll, in [0,1), picks one of an alias's
	// versions by its weights.
	Resolve(fn lambda.FunctionID, qualifier string, roll float64) (*lambda.Configuration, error)
	// Reservation answers what is set aside for the function and for the account as a whole.
	Reservation(fn lambda.FunctionID) (admission.Reservation, error)
}

// Compute runs an invocation in an execution environment.
type Compute interface {
	Invoke(ctx context.Context, in compute.Invocation) (lambda.Outcome, error)
}

// Service runs invocations. Its methods are safe for concurrent use.
type Service struct {
	functions Functions
	gate      *admission.Gate
	compute   Compute
	roll      func() float64
}

// New makes a Service.
func New(functions Functions, gate *admission.Gate, compute Compute) *Service {
	return &Service{functions: functions, gate: gate, compute: compute, roll: rand.Float64}
}

// Request is one invocation as a caller asked for it.
type Request struct {
	Function      lambda.FunctionID
	Qualifier     string // "" or as called
	RequestID     string
	Payload       []byte
	ClientContext string // base64 JSON, or ""
	TraceHeader   string // X-Amzn-Trace-Id, or ""
}

// Check answers the version that a call would run now, or why none would: a dry run.
func (s *Service) Check(fn lambda.FunctionID, qualifier string) (*lambda.Configuration, error) {
	c, err := s.functions.Resolve(fn, qualifier, s.roll())
	if err != nil {
		return nil, err
	}
	if c.State == lambda.StatePending {
		return nil, lambda.Errorf(lambda.ResourceConflict,
			"The operation cannot be performed at this time. The function is currently in the following state: Pending")
	}
	return c, nil
}

// Run runs one invocation to its end. It goes on when ctx's caller has gone, as on AWS: ctx
// carries values only.
func (s *Service) Run(ctx context.Context, r Request) (lambda.Outcome, error) {
	c, err := s.Check(r.Function, r.Qualifier)
	if err != nil {
		return lambda.Outcome{}, err
	}
	reservation, err := s.functions.Reservation(r.Function)
	if err != nil {
		return lambda.Outcome{}, err
	}
	release, err := s.gate.Acquire(r.Function, reservation)
	if err != nil {
		return lambda.Outcome{}, err
	}
	defer release()
	return s.compute.Invoke(context.WithoutCancel(ctx), compute.Invocation{
		Config:        c,
		RequestID:     r.RequestID,
		InvokedARN:    r.Function.QualifiedARN(r.Qualifier),
		Payload:       r.Payload,
		ClientContext: r.ClientContext,
		TraceHeader:   r.TraceHeader,
	})
}

// Invoke runs one attempt of an event. Version and alias are resolved now, not when the event
// was accepted.
func (s *Service) Invoke(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
	return s.Run(ctx, Request{
		Function:      e.Function,
		Qualifier:     e.Qualifier,
		RequestID:     e.RequestID,
		Payload:       e.Payload,
		ClientContext: e.ClientContext,
		TraceHeader:   e.TraceHeader,
	})
}
