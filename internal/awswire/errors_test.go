package awswire

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// TestEveryKindHasAWireForm ranges over all kinds: a new one without a row fails.
func TestEveryKindHasAWireForm(t *testing.T) {
	names := map[string]lambda.Kind{}
	for kind := range lambda.KindCount {
		w := wireErrors[kind]
		if w.status < 400 || w.status > 599 || !strings.HasSuffix(w.name, "Exception") || strings.HasSuffix(w.code(), "Exception") != (w.query == "") {
			t.Errorf("kind %d: %+v", kind, w)
		}
		if (w.messageKey != lower && w.messageKey != upper) || (w.fault == server) != (w.status >= 500 && kind != lambda.NotOffered) {
			t.Errorf("kind %d: %+v", kind, w)
		}
		if other, taken := names[w.name]; taken {
			t.Errorf("kinds %d and %d are both %s", kind, other, w.name)
		}
		names[w.name] = kind

		rs := &Response{Header: http.Header{}}
		(&restJSON{}).fail(nil, &lambda.Error{Kind: kind, Message: `<a "b">`}, "id", rs)
		var body map[string]string
		if err := json.Unmarshal(rs.Body, &body); err != nil || body[w.messageKey] != `<a "b">` || body["Type"] != w.fault {
			t.Errorf("kind %d: %s, %v", kind, rs.Body, err)
		}
		if rs.Status != w.status || rs.Header.Get("x-amzn-ErrorType") != w.name {
			t.Errorf("kind %d: %d %v", kind, rs.Status, rs.Header)
		}

		rs = &Response{Header: http.Header{}}
		(&queryProtocol{service: &Service{}}).fail(nil, &lambda.Error{Kind: kind, Message: `<a "b">`}, "id", rs)
		var doc struct {
			Code      string `xml:"Error>Code"`
			Message   string `xml:"Error>Message"`
			RequestID string `xml:"RequestId"`
		}
		if err := xml.Unmarshal(rs.Body, &doc); err != nil || doc.Code != w.code() || doc.Message != `<a "b">` || doc.RequestID != "id" {
			t.Errorf("kind %d: %s, %v", kind, rs.Body, err)
		}
	}
}

// TestErrorBodies holds bodies to those recorded from AWS.
func TestErrorBodies(t *testing.T) {
	for _, test := range []struct {
		e    lambda.Error
		op   *Operation
		want string
	}{
		{lambda.Error{Kind: lambda.ResourceNotFound, Message: "m"}, nil, `{"Message":"m","Type":"User"}`},
		{lambda.Error{Kind: lambda.InvalidParameterValue, Message: "m"}, nil, `{"Type":"User","message":"m"}`},
		{lambda.Error{Kind: lambda.InvalidParameterValue, Message: "m"}, &Operation{PlainErrors: true}, `{"message":"m"}`},
		{lambda.Error{Kind: lambda.Validation, Message: "m"}, nil, `{"message":"m"}`},
		{lambda.Error{Kind: lambda.TooManyRequests, Message: "Rate Exceeded.", Reason: lambda.ReasonReservedConcurrency}, nil,
			`{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`},
	} {
		rs := &Response{Header: http.Header{}}
		(&restJSON{}).fail(test.op, &test.e, "id", rs)
		if string(rs.Body) != test.want {
			t.Errorf("got %s, want %s", rs.Body, test.want)
		}
	}
	h := http.Header{}
	setRetryAfter(h, 1200*time.Millisecond)
	if h.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", h.Get("Retry-After"))
	}
}
