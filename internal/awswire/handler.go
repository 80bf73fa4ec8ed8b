package awswire

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

// Handler serves the services behind one address. It is safe for concurrent use.
type Handler struct {
	services []*Service
	auth     *Authenticator
	log      *slog.Logger
}

// NewHandler makes a handler. A request whose signature names no service goes to the first one
// with the protocol query when its path is "/", else to the first one.
func NewHandler(auth *Authenticator, log *slog.Logger, services ...*Service) *Handler {
	return &Handler{services: services, auth: auth, log: log}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := &Call{RequestID: NewRequestID(), Host: r.Host, TLS: r.TLS != nil, Header: r.Header, Answer: w.Header()}
	rs := &Response{Header: call.Answer}
	s, known := h.pick(r)
	var op *Operation
	err := h.unknownService(r)
	if known {
		op, err = h.serve(w, r, s, call, rs)
	}
	if err != nil {
		h.fail(r, s, op, call, rs, err)
	}
	h.write(w, call, rs)
}

// pick answers the service that a request is for. known is false when that is one that is not
// offered. Where signatures are verified, one for another service is a wrong signature.
func (h *Handler) pick(r *http.Request) (s *Service, known bool) {
	if name := scopeService(r); name != "" {
		for _, s := range h.services {
			if s.SigningName == name {
				return s, true
			}
		}
		if h.auth.Development {
			return h.services[0], false
		}
	}
	if r.URL.Path == "/" {
		for _, s := range h.services {
			if s.Protocol == Query {
				return s, true
			}
		}
	}
	return h.services[0], true
}

// unknownService is the answer to requests for services that there are not.
func (h *Handler) unknownService(r *http.Request) error {
	names := make([]string, len(h.services))
	for i, s := range h.services {
		names[i] = s.SigningName
	}
	return lambda.Errorf(lambda.NotOffered, "Lambent does not offer the service %.64q; it offers %s.", scopeService(r), strings.Join(names, ", "))
}

// serve authenticates, routes and runs a request. A panic of an operation is its error: one
// request must not take the others down.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, s *Service, call *Call, rs *Response) (op *Operation, err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // it is panicked as it is
				panic(v)
			}
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	m, findErr := s.protocol.find(r, nil)
	p, body, err := h.authenticate(w, r, s, m.op)
	if err != nil {
		return m.op, err
	}
	if errors.Is(findErr, errNeedBody) {
		m, findErr = s.protocol.find(r, body)
	}
	if findErr != nil {
		return nil, findErr
	}
	call.Operation = m.op.Name
	if m.op.serve == nil {
		return m.op, notOffered(s, m.op)
	}
	out, err := m.op.serve(WithCall(r.Context(), call), p, &Request{http: r, body: body, match: m})
	if err != nil {
		return m.op, err
	}
	return m.op, s.protocol.encode(m.op, out, call.RequestID, rs)
}

// authenticate reads the body, once, and answers who sent it. What can be refused without the
// body is refused before it is read.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request, s *Service, op *Operation) (Principal, []byte, error) {
	claim, err := h.auth.begin(r, s.SigningName)
	if err != nil {
		return Principal{}, nil, err
	}
	limit, name := int64(defaultMaxBody), s.Name
	if op != nil {
		limit, name = op.MaxBody, op.Name
		if op.LimitName != "" {
			name = op.LimitName
		}
	}
	body, sum, err := readBody(w, r, limit)
	if errors.Is(err, errTooLarge) {
		return Principal{}, nil, lambda.Errorf(lambda.RequestEntityTooLarge, "Request must be smaller than %d bytes for the %s operation", limit, name)
	}
	if err != nil {
		return Principal{}, nil, &lambda.Error{Kind: lambda.SerializationFailed, Message: "The request body could not be read", Err: err}
	}
	if err := claim.finish(sum); err != nil {
		return Principal{}, nil, err
	}
	return claim.principal, body, nil
}

// defaultMaxBody bounds a body whose operation is not known.
const defaultMaxBody = 1 << 20

var errTooLarge = errors.New("the body is too large")

// readBody reads a body of at most limit bytes, hashing what arrives. Memory is taken as bytes
// arrive, not as a header promises them.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, [sha256.Size]byte, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil, emptySum, nil
	}
	if r.ContentLength > limit {
		drain(w, r, limit)
		return nil, emptySum, errTooLarge
	}
	size := int64(4096)
	if r.ContentLength > 0 {
		size = min(r.ContentLength, 1<<20) + 1 // one more, to see the end without growing
	}
	body, hash := make([]byte, 0, size), sha256.New()
	for {
		if len(body) == cap(body) {
			body = grow(body, r.ContentLength)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		hash.Write(body[len(body) : len(body)+n])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			drain(w, r, limit)
			return nil, emptySum, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return body, [sha256.Size]byte(hash.Sum(nil)), nil
		}
		if err != nil {
			return nil, emptySum, err
		}
	}
}

// grow makes room: in one step for what the header promises, once some of it has come.
func grow(body []byte, promised int64) []byte {
	if promised > int64(len(body)) {
		return append(make([]byte, 0, promised+1), body...)
	}
	return append(body, 0)[:len(body)]
}

var emptySum = sha256.Sum256(nil)

// drain lets a caller that is still sending get to read the refusal: it throws away up to as
// much again, and then the connection ends.
func drain(w http.ResponseWriter, r *http.Request, limit int64) {
	w.Header().Set("Connection", "close")
	_, _ = io.CopyN(io.Discard, r.Body, limit)
}

// fail puts an error into the answer, and tells the operator of our own.
func (h *Handler) fail(r *http.Request, s *Service, op *Operation, call *Call, rs *Response, err error) {
	e, ours := asError(err)
	if ours {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			level = slog.LevelDebug // the caller went away
		}
		h.log.LogAttrs(r.Context(), level, "request failed", slog.String("service", s.Name),
			slog.String("operation", call.Operation), slog.String("requestId", call.RequestID), slog.Any("error", cause(e, err)))
	}
	setRetryAfter(rs.Header, e.RetryAfter)
	rs.Body, rs.hasPayload = nil, false
	s.protocol.fail(op, e, call.RequestID, rs)
}

// cause answers the error with what the caller is not told.
func cause(e *lambda.Error, err error) error {
	if e.Err != nil && e.Err != err { //nolint:errorlint // only the very same value is of no more use
		return fmt.Errorf("%w: %w", err, e.Err)
	}
	return err
}

func (h *Handler) write(w http.ResponseWriter, call *Call, rs *Response) {
	rs.Header.Set("X-Amzn-Requestid", call.RequestID)
	if rs.Status != http.StatusNoContent {
		rs.Header.Set("Content-Length", strconv.Itoa(len(rs.Body)))
	}
	w.WriteHeader(rs.Status)
	if rs.Status != http.StatusNoContent && len(rs.Body) > 0 {
		_, _ = w.Write(rs.Body) // a caller that went away is not our fault
	}
}
