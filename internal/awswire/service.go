package awswire

import (
	"context"
	"fmt"
	"net/http"

	"lambent.dev/lambent/internal/lambda"
)

// Info says what a service is.
type Info struct {
	Name         string // "lambda"
	Version      string // of the model: "2015-03-31"
	SigningName  string // in the scope of a signature: "lambda"
	Protocol     Protocol
	XMLNamespace string
}

// Protocol is how a service's requests and answers are written.
type Protocol uint8

// The protocols.
const (
	RESTJSON Protocol = iota + 1
	Query
)

// Operation is one operation of a service.
type Operation struct {
	Name          string
	Method        string
	Path          string // with labels and, after a question mark, the query that tells it from others
	Status        int    // of success
	MaxBody       int64  // bytes
	LimitName     string // the name in the error about MaxBody; "": Name
	ResultWrapper string // of the query protocol
	PlainErrors   bool   // its errors carry no "Type"

	serve serveFunc // nil: not offered
}

type serveFunc func(ctx context.Context, p Principal, rq *Request) (any, error)

// Offered says whether the operation has an implementation.
func (o *Operation) Offered() bool { return o.serve != nil }

// Service is a generated service joined to its implementation.
type Service struct {
	Info
	operations []*Operation
	byName     map[string]*Operation
	protocol   protocol
}

// NewService makes a service that offers nothing yet.
func NewService(info Info, operations []Operation) *Service {
	s := &Service{Info: info, byName: make(map[string]*Operation, len(operations))}
	for i := range operations {
		op := &operations[i]
		s.operations = append(s.operations, op)
		s.byName[op.Name] = op
	}
	switch info.Protocol {
	case Query:
		s.protocol = &queryProtocol{service: s}
	default:
		s.protocol = newRESTJSON(s)
	}
	return s
}

// Operations lists the service's operations by name.
func (s *Service) Operations() []*Operation { return s.operations }

// Offer gives an operation its implementation. The operation is one of the service's.
func Offer[In, Out any](s *Service, name string, h func(context.Context, Principal, *In) (*Out, error)) {
	s.byName[name].serve = func(ctx context.Context, p Principal, rq *Request) (any, error) {
		in := new(In)
		if err := s.protocol.decode(rq, in); err != nil {
			return nil, err
		}
		if c, ok := any(in).(checked); ok {
			if err := check(c); err != nil {
				return nil, err
			}
		}
		out, err := h(ctx, p, in)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = new(Out)
		}
		return out, nil
	}
}

// notOffered is the one answer of all operations without an implementation.
func notOffered(s *Service, op *Operation) error {
	return lambda.Errorf(lambda.NotOffered, "Lambent does not offer the operation %s of %s.", op.Name, s.Name)
}

// protocol is how requests and answers are written. The interface is the seam for aws-json.
type protocol interface {
	// find answers the operation that a request names. The body is nil when it has not been
	// read yet; a protocol that must see it answers needBody. An *lambda.Error of kind
	// UnknownOperation says that there is none.
	find(r *http.Request, body []byte) (match, error)
	// decode fills the input from the request.
	decode(rq *Request, in any) error
	// encode writes the output into the answer.
	encode(op *Operation, out any, requestID string, rs *Response) error
	// fail writes an error into the answer. op is nil when the operation is not known.
	fail(op *Operation, e *lambda.Error, requestID string, rs *Response)
}

// match is an operation with the labels of its path.
type match struct {
	op     *Operation
	labels []label
}

type label struct{ name, value string }

// errNeedBody asks for the body before the operation can be known.
var errNeedBody = fmt.Errorf("the operation is named in the body")
