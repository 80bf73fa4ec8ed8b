package destination

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/queue"
)

var (
	caller = lambda.FunctionID{Account: "123456789012", Region: "us-east-2", Name: "my-function"}
	when   = time.Date(2019, 11, 14, 18, 16, 5, 568e6, time.UTC)
)

func event(payload string, attempts ...lambda.Attempt) *lambda.Event {
	return &lambda.Event{RequestID: "e4b46cbf", Function: caller, Payload: []byte(payload), Attempts: attempts, AcceptedAt: when, TraceHeader: "Root=1"}
}

func TestRecord(t *testing.T) {
	failed := lambda.Attempt{Number: 1, Version: "$LATEST", Status: lambda.StatusError, ErrorType: "E", ErrorMessage: "boom"}
	for _, c := range []struct {
		name string
		d    queue.Delivery
		want string
	}{
		{"retries exhausted", queue.Delivery{
			Event: event(`{"ORDER_IDS":["<a>"]}`, failed, failed, failed), Condition: lambda.RetriesExhausted, At: when,
			Outcome: &lambda.Outcome{Payload: []byte(`{"errorMessage":"x"}`), FunctionError: "Unhandled", Attempt: failed},
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":{"ORDER_IDS":["<a>"]},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"x"}}`},
		{"success, nothing returned", queue.Delivery{
			Event: event(`1`, lambda.Attempt{}), At: when,
			Outcome: &lambda.Outcome{Payload: []byte("null"), Attempt: lambda.Attempt{Version: "7"}},
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"Success","approximateInvokeCount":1},"requestPayload":1,"responseContext":{"statusCode":200,"executedVersion":"7"},"responsePayload":null}`},
		{"switched off", queue.Delivery{
			Event: event(`{}`), Condition: lambda.ZeroReservedConcurrency, At: when, Err: lambda.ErrZeroConcurrency,
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"ZeroReservedConcurrency","approximateInvokeCount":0},"requestPayload":{}}`},
		{"throttled until too old", queue.Delivery{
			Event: event(`{}`), Condition: lambda.EventAgeExceeded, At: when, Err: lambda.Errorf(lambda.TooManyRequests, "Rate Exceeded."),
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"EventAgeExceeded","approximateInvokeCount":0},"requestPayload":{},"responseContext":{"statusCode":429}}`},
		{"too old, its last answer only known by the attempt", queue.Delivery{
			Event: event(`{}`, failed), Condition: lambda.EventAgeExceeded, At: when,
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"EventAgeExceeded","approximateInvokeCount":1},"requestPayload":{},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"boom","errorType":"E"}}`},
		{"function gone", queue.Delivery{
			Event: event(`{}`, failed), Condition: lambda.FunctionNotFound, At: when, Err: lambda.Errorf(lambda.ResourceNotFound, "gone"),
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"FunctionNotFound","approximateInvokeCount":1},"requestPayload":{},"responseContext":{"statusCode":404}}`},
		{"an answer that is no JSON", queue.Delivery{
			Event: event(``, failed), At: when, Outcome: &lambda.Outcome{Payload: []byte("a\xffb")},
		}, `{"version":"1.0","timestamp":"2019-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST","condition":"Success","approximateInvokeCount":1},"requestPayload":null,"responseContext":{"statusCode":200},"responsePayload":"a` + "\ufffd" + `b"}`},
	} {
		got, err := Record(&c.d)
		if err != nil || string(got) != c.want || !json.Valid(got) {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
	alias := event(`{}`)
	alias.Qualifier = "live"
	if got, _ := Record(&queue.Delivery{Event: alias}); !strings.Contains(string(got), `function:my-function:live"`) {
		t.Errorf("alias: %s", got)
	}
}

type targets map[string]bool

func (t targets) Check(fn lambda.FunctionID, qualifier string) error {
	if !t[fn.Name+":"+qualifier] {
		return lambda.Errorf(lambda.ResourceNotFound, "Function not found: %s", fn.QualifiedARN(qualifier))
	}
	return nil
}

func TestDeliver(t *testing.T) {
	s := New(targets{"next:": true, "next:live": true}, func() string { return "fresh" })
	base := "arn:aws:lambda:us-east-2:123456789012:function:"
	d := &queue.Delivery{Event: event(`{}`), At: when, Outcome: &lambda.Outcome{Payload: []byte("1")}}
	for arn, want := range map[string]string{
		base + "next":      "",
		base + "next:live": "",
		base + "next:old":  "Function not found: " + base + "next:old",
		base + "gone":      "cannot be invoked",
		"arn:aws:lambda:us-east-2:999999999999:function:next": "another account",
		"arn:aws:sqs:us-east-2:123456789012:q":                "Amazon SQS is not offered yet",
		"arn:aws:sns:us-east-2:123456789012:t":                "arn:aws:sns:us-east-2:123456789012:t: delivery to Amazon SNS",
		"arn:aws:events:us-east-2:123456789012:event-bus/b":   "EventBridge",
		"arn:aws:s3:::bucket":                                 "Amazon S3",
		"arn:aws:kinesis:us-east-2:123456789012:stream/s":     "service kinesis",
		"nonsense": "no ARN",
	} {
		e, err := s.Deliver(arn, d)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", arn, err, want)
		}
		if err == nil && (e.RequestID != "fresh" || e.Function.Name != "next" || e.ID != "" || !e.AcceptedAt.Equal(when) || !json.Valid(e.Payload)) {
			t.Errorf("%s: %+v", arn, e)
		}
	}
	d.Outcome.Payload = []byte(`"` + strings.Repeat("x", lambda.MaxAsyncPayloadBytes) + `"`)
	if _, err := s.Deliver(base+"next", d); err == nil || !strings.Contains(err.Error(), "1 MB") {
		t.Errorf("a record that is too large: %v", err)
	}
}

func TestDeadLetter(t *testing.T) {
	s := New(targets{}, nil)
	for arn, want := range map[string]string{
		"arn:aws:sqs:us-east-2:123456789012:q":             "Amazon SQS is not offered yet",
		"arn:aws:lambda:us-east-2:123456789012:function:f": "must be an SQS queue or an SNS topic",
		"": "no ARN",
	} {
		if e, err := s.DeadLetter(arn, nil); e != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", arn, err)
		}
	}
}
