package destination

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/queue"
)

// record is AWS's invocation record. The order of its members is AWS's.
type record struct {
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	RequestContext  requestContext   `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID              string `json:"requestId"`
	FunctionARN            string `json:"functionArn"` // always qualified
	Condition              string `json:"condition"`
	ApproximateInvokeCount int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion,omitempty"`
	FunctionError   string `json:"functionError,omitempty"`
}

// success is the condition of a record that the queue has no name for.
const success = "Success"

// Record answers AWS's record of how an event ended, as JSON.
func Record(d *queue.Delivery) ([]byte, error) {
	e := d.Event
	qualifier, condition := e.Qualifier, string(d.Condition)
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	if condition == "" {
		condition = success
	}
	r := record{
		Version:   "1.0",
		Timestamp: d.At.UTC().Format("2006-01-02T15:04:05.000Z"),
		RequestContext: requestContext{
			RequestID: e.RequestID, FunctionARN: e.Function.QualifiedARN(qualifier),
			Condition: condition, ApproximateInvokeCount: len(e.Attempts),
		},
		RequestPayload: document(e.Payload),
	}
	if d.Condition != lambda.ZeroReservedConcurrency {
		r.ResponseContext, r.ResponsePayload = response(d)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // payloads as they are
	if err := enc.Encode(&r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// response tells of the last try: what the function answered, what kept it from running, or, when
// only the attempt is known (the server has restarted since), what the attempt says.
func response(d *queue.Delivery) (*responseContext, json.RawMessage) {
	attempts := d.Event.Attempts
	switch {
	case d.Outcome != nil:
		c := &responseContext{StatusCode: http.StatusOK, ExecutedVersion: d.Outcome.Attempt.Version, FunctionError: d.Outcome.FunctionError}
		return c, document(d.Outcome.Payload)
	case d.Err != nil && (len(attempts) == 0 || d.Condition == lambda.FunctionNotFound):
		return &responseContext{StatusCode: status(d.Err)}, nil
	case len(attempts) == 0:
		return nil, nil
	}
	a := &attempts[len(attempts)-1]
	if a.Status != lambda.StatusError && a.Status != lambda.StatusTimeout {
		return &responseContext{StatusCode: http.StatusInternalServerError}, nil
	}
	payload, err := json.Marshal(struct {
		ErrorMessage string   `json:"errorMessage"`
		ErrorType    string   `json:"errorType,omitempty"`
		StackTrace   []string `json:"stackTrace,omitempty"`
	}{a.ErrorMessage, a.ErrorType, a.StackTrace})
	if err != nil {
		payload = nil
	}
	return &responseContext{StatusCode: http.StatusOK, ExecutedVersion: a.Version, FunctionError: "Unhandled"}, payload
}

// status answers the HTTP status that AWS puts in a record for what kept an event from running.
func status(err error) int {
	switch lambda.KindOf(err) {
	case lambda.TooManyRequests:
		return http.StatusTooManyRequests
	case lambda.ResourceNotFound:
		return http.StatusNotFound
	case lambda.ResourceConflict:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// document embeds bytes in a record: as they are when they are JSON, as a string otherwise.
func document(b []byte) json.RawMessage {
	if len(bytes.TrimSpace(b)) == 0 {
		return json.RawMessage("null")
	}
	if json.Valid(b) {
		return b
	}
	text, err := json.Marshal(string(bytes.ToValidUTF8(b, []byte(string(utf8.RuneError)))))
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}

// Each is the sentence that a dead letter shows.
var (
	errTooLarge = errors.New("the record is larger than the 1 MB that an asynchronous invocation takes")
	errNoARN    = errors.New("the target is no ARN")
)
