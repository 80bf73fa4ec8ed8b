package lambda

import "time"

// Condition says why an event was given up, in AWS's words where AWS has some.
type Condition string

// The conditions.
const (
	RetriesExhausted        Condition = "RetriesExhausted"
	EventAgeExceeded        Condition = "EventAgeExceeded"
	ZeroReservedConcurrency Condition = "ZeroReservedConcurrency"
	RecursiveInvocation     Condition = "RecursiveInvocation"
	FunctionNotFound        Condition = "FunctionNotFound"  // the function or qualifier is gone
	DestinationFailed       Condition = "DestinationFailed" // judged, but its outcome could not be delivered
)

// Conditions lists them all.
func Conditions() []Condition {
	return []Condition{RetriesExhausted, EventAgeExceeded, ZeroReservedConcurrency,
		RecursiveInvocation, FunctionNotFound, DestinationFailed}
}

// Burial is the end of an event that becomes a dead letter.
type Burial struct {
	Event     *Event // as it ended, with all its attempts
	Condition Condition
	// Ending is the event's own end: Condition, unless that is DestinationFailed, which hides it.
	// "" says that the event succeeded and only its delivery failed.
	Ending Condition
	At     time.Time // when it was given up

	// ErrorType and ErrorMessage say why, where no attempt does: throttled until it was too old,
	// no such function. "" takes them from the last attempt.
	ErrorType    string
	ErrorMessage string

	// Destination is set for DestinationFailed only.
	Destination *DestinationFailure
}

// DestinationFailure says which target did not take an event's outcome, and why.
type DestinationFailure struct {
	ARN   string `json:"arn"`
	Error string `json:"error"`
}
