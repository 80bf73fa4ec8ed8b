package awswire

import (
	"net/http"
	"reflect"

	"lambent.dev/lambent/internal/lambda"
)

// restJSON is the protocol rest-json: the operation is in the method and the path, members are
// in path, query, headers and a JSON body.
type restJSON struct{ routes router }

func newRESTJSON(s *Service) *restJSON {
	p := &restJSON{}
	for _, op := range s.operations {
		p.routes.add(op)
	}
	return p
}

func (p *restJSON) find(r *http.Request, _ []byte) (match, error) {
	m, ok := p.routes.find(r.Method, rawPath(r), r.URL.RawQuery)
	if !ok {
		return match{}, errUnknownOperation
	}
	return m, nil
}

var errUnknownOperation = lambda.Errorf(lambda.UnknownOperation, "Unable to determine service/operation name to be authorized")

func (p *restJSON) decode(rq *Request, in any) error {
	if b, ok := in.(binder); ok {
		b.BindRequest(rq)
	} else {
		rq.BodyJSON(in)
	}
	return rq.err
}

func (p *restJSON) encode(op *Operation, out any, _ string, rs *Response) error {
	rs.Status = op.Status
	if f, ok := out.(filler); ok {
		f.FillResponse(rs)
	}
	if !rs.hasPayload && rs.Status != http.StatusNoContent && reflect.TypeOf(out).Elem().NumField() > 0 {
		body, err := encodeJSON(out)
		if err != nil {
			return err
		}
		rs.Body = body
	}
	if len(rs.Body) > 0 && rs.Header.Get("Content-Type") == "" {
		rs.Header.Set("Content-Type", "application/json")
	}
	return nil
}

func (p *restJSON) fail(op *Operation, e *lambda.Error, _ string, rs *Response) {
	w := wireErrors[e.Kind]
	rs.Status = w.status
	rs.Header.Set("Content-Type", "application/json")
	rs.Header.Set("X-Amzn-Errortype", w.name)
	body := map[string]string{w.messageKey: e.Message}
	if w.fault != "" && (op == nil || !op.PlainErrors) {
		body["Type"] = w.fault
	}
	if e.Reason != "" {
		body["Reason"] = e.Reason
	}
	rs.Body, _ = encodeJSON(body) // a map of strings can always be written
}
