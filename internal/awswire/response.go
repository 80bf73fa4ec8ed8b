package awswire

import "net/http"

// Response is an answer on its way to the caller.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	hasPayload bool // the body is a member, not the shape
}

// filler is an output with members outside the body.
type filler interface{ FillResponse(*Response) }

// SetStatus sets the status from a member, when it is there.
func (r *Response) SetStatus(status *int) {
	if status != nil {
		r.Status = *status
	}
}

// SetHeader sets a header from a member, when it is there.
func (r *Response) SetHeader(name string, value *string) {
	if value != nil {
		r.Header.Set(name, *value)
	}
}

// SetPayload makes a member the whole body, as it is.
func (r *Response) SetPayload(body []byte) { r.Body, r.hasPayload = body, true }
