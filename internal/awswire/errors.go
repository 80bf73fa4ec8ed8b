package awswire

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// wireError is the form of an error kind on the wire.
type wireError struct {
	status     int
	name       string // the exception, in x-amzn-ErrorType
	query      string // the code in the query protocol; "": name
	messageKey string // AWS is not of one mind about its first letter
	fault      string // the member "Type": whose fault it is; "": none is sent
}

const (
	lower  = "message"
	upper  = "Message"
	user   = "User"
	server = "Server"
)

// wireErrors is the one table from error kinds to the wire. Clients retry 500, 502, 503 and
// 504, and not 501.
var wireErrors = [lambda.KindCount]wireError{
	lambda.Internal:                       {500, "ServiceException", "InternalFailure", upper, server},
	lambda.InvalidParameterValue:          {400, "InvalidParameterValueException", "InvalidParameterValue", lower, user},
	lambda.InvalidRequestContent:          {400, "InvalidRequestContentException", "", lower, user},
	lambda.Validation:                     {400, "ValidationException", "ValidationError", lower, ""},
	lambda.ResourceNotFound:               {404, "ResourceNotFoundException", "", upper, user},
	lambda.ResourceConflict:               {409, "ResourceConflictException", "", lower, user},
	lambda.PreconditionFailed:             {412, "PreconditionFailedException", "", lower, user},
	lambda.TooManyRequests:                {429, "TooManyRequestsException", "Throttling", lower, user},
	lambda.RequestTooLarge:                {413, "RequestTooLargeException", "", lower, user},
	lambda.RequestEntityTooLarge:          {413, "RequestEntityTooLargeException", "", upper, ""},
	lambda.UnsupportedMediaType:           {415, "UnsupportedMediaTypeException", "", lower, user},
	lambda.CodeStorageExceeded:            {400, "CodeStorageExceededException", "", lower, user},
	lambda.ProvisionedConcurrencyNotFound: {404, "ProvisionedConcurrencyConfigNotFoundException", "", lower, user},
	lambda.CodeSigningConfigNotFound:      {404, "CodeSigningConfigNotFoundException", "", upper, user},
	lambda.InvalidRuntime:                 {502, "InvalidRuntimeException", "", upper, server},
	lambda.AccessDenied:                   {403, "AccessDeniedException", "AccessDenied", upper, ""},
	lambda.MissingAuthentication:          {403, "MissingAuthenticationTokenException", "MissingAuthenticationToken", lower, ""},
	lambda.UnrecognizedClient:             {403, "UnrecognizedClientException", "InvalidClientTokenId", lower, ""},
	lambda.InvalidSignature:               {403, "InvalidSignatureException", "SignatureDoesNotMatch", lower, ""},
	lambda.IncompleteSignature:            {403, "IncompleteSignatureException", "IncompleteSignature", lower, ""},
	lambda.ExpiredToken:                   {403, "ExpiredTokenException", "ExpiredToken", lower, ""},
	lambda.SerializationFailed:            {400, "SerializationException", "MalformedInput", upper, ""},
	lambda.UnknownOperation:               {404, "UnknownOperationException", "InvalidAction", upper, ""},
	lambda.NotOffered:                     {501, "NotOfferedException", "NotOffered", upper, user},
	lambda.Unavailable:                    {503, "ServiceUnavailableException", "ServiceUnavailable", upper, server},
}

// WireName answers the status and the exception name that a kind has on the wire.
func WireName(kind lambda.Kind) (status int, name string) {
	w := wireErrors[kind]
	return w.status, w.name
}

func (w wireError) code() string {
	if w.query != "" {
		return w.query
	}
	return w.name
}

// asError answers the error that is told to the caller, and whether the operator has to know
// of it: the cause of our own faults is not the caller's to see.
func asError(err error) (e *lambda.Error, ours bool) {
	if !errors.As(err, &e) {
		return &lambda.Error{Kind: lambda.Internal, Message: "An internal error occurred.", Err: err}, true
	}
	if e.Kind >= lambda.KindCount {
		return &lambda.Error{Kind: lambda.Internal, Message: "An internal error occurred.", Err: err}, true
	}
	return e, e.Kind == lambda.Internal
}

// setRetryAfter says in whole seconds when it makes sense to come back.
func setRetryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
}
