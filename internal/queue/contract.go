package queue

import (
	"context"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Invoker runs one attempt of an event: it resolves the qualifier now and asks for admission.
type Invoker interface {
	// Invoke answers the judged outcome, the function's own failures included. Errors say that
	// the function did not run: TooManyRequests (throttled; lambda.ErrZeroConcurrency in the
	// chain says that it is switched off), ResourceNotFound (function or qualifier is gone),
	// anything else is a fault of the system. It should end soon after ctx does.
	Invoke(ctx context.Context, e *lambda.Event) (lambda.Outcome, error)
}

// Settings answers what a function's owner has set, as it stands when an attempt ends. An unknown
// function or qualifier has none: zero values or ResourceNotFound. Any other error is logged, and
// the defaults hold.
type Settings interface {
	AsyncConfig(fn lambda.FunctionID, qualifier string) (lambda.AsyncConfig, error)
	// DeadLetterTarget answers the DeadLetterConfig target of the version behind the qualifier, or "".
	DeadLetterTarget(fn lambda.FunctionID, qualifier string) (string, error)
}

// Graveyard keeps dead letters.
type Graveyard interface {
	// Bury adds the letter to the batch that ends its event, and answers the letter's id.
	Bury(b *kv.Batch, burial *lambda.Burial) string
}

// Destinations turns outcomes into what their targets receive.
type Destinations interface {
	// Deliver answers the event that carries an outcome to a destination; the queue appends it
	// in the batch that ends the first one. The error says, for a person, why the target takes nothing.
	Deliver(arn string, d *Delivery) (*lambda.Event, error)
	// DeadLetter does the same for a DeadLetterConfig target.
	DeadLetter(arn string, d *Delivery) (*lambda.Event, error)
}

// Delivery is how an event ended, for a destination.
type Delivery struct {
	Event     *lambda.Event    // with all its attempts
	Condition lambda.Condition // "" for success
	At        time.Time
	Outcome   *lambda.Outcome // the last one, where there is one
	Err       error           // why the last try ran nothing, where it did not
}
