package lambda

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong, for programs. The wire form of each kind (HTTP status and AWS
// exception name) stands in one table: awswire/errors.go.
type Kind uint8

// The kinds. Names follow AWS's exceptions where there is one.
const (
	Internal                       Kind = iota // ServiceException: our own fault
	InvalidParameterValue                      // InvalidParameterValueException
	InvalidRequestContent                      // InvalidRequestContentException: a payload that is not JSON
	Validation                                 // ValidationException: a constraint of the model
	ResourceNotFound                           // ResourceNotFoundException
	ResourceConflict                           // ResourceConflictException
	PreconditionFailed                         // PreconditionFailedException: a stale RevisionId
	TooManyRequests                            // TooManyRequestsException: see Error.Reason
	RequestTooLarge                            // RequestTooLargeException: an invocation's payload
	RequestEntityTooLarge                      // RequestEntityTooLargeException: any other body
	UnsupportedMediaType                       // UnsupportedMediaTypeException
	CodeStorageExceeded                        // CodeStorageExceededException
	ProvisionedConcurrencyNotFound             // ProvisionedConcurrencyConfigNotFoundException
	CodeSigningConfigNotFound                  // CodeSigningConfigNotFoundException
	InvalidRuntime                             // InvalidRuntimeException
	AccessDenied                               // AccessDeniedException
	MissingAuthentication                      // MissingAuthenticationTokenException
	UnrecognizedClient                         // UnrecognizedClientException: an unknown access key
	InvalidSignature                           // InvalidSignatureException
	IncompleteSignature                        // IncompleteSignatureException
	ExpiredToken                               // ExpiredTokenException
	SerializationFailed                        // SerializationException: a body that is not what the operation takes
	UnknownOperation                           // UnknownOperationException: no such route
	NotOffered                                 // NotOfferedException: an operation of the model that Lambent does not have
	Unavailable                                // ServiceUnavailableException: nothing can be kept just now (disk full)
	KindCount                                  // the number of kinds; not a kind
)

// Reasons of a TooManyRequests error, in AWS's words.
const (
	ReasonConcurrency            = "ConcurrentInvocationLimitExceeded"
	ReasonReservedConcurrency    = "ReservedFunctionConcurrentInvocationLimitExceeded"
	ReasonInvocationRate         = "FunctionInvocationRateLimitExceeded"
	ReasonReservedInvocationRate = "ReservedFunctionInvocationRateLimitExceeded"
	ReasonCallerRate             = "CallerRateLimitExceeded"
)

// Error is the one error type: a kind for programs, a message for the caller, a cause for the
// operator. A package gives its errors their kind at its border.
type Error struct {
	Kind       Kind
	Message    string        // for the caller, in AWS's words where AWS has some
	Reason     string        // TooManyRequests only
	RetryAfter time.Duration // when it makes sense to come back; 0: not known
	Err        error         // the cause, never shown to a caller
}

// Errorf makes an Error. A %w operand becomes its cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Error answers the message, and the cause where the message does not already hold it.
func (e *Error) Error() string { return e.Message }

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf answers the kind of the first Error in err's chain, or Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// ErrZeroConcurrency is the cause of a TooManyRequests error for a function whose reserved
// concurrency is zero: it is switched off, and trying again later is of no use.
var ErrZeroConcurrency = errors.New("reserved concurrent executions is zero")
