package lambent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/deadletter"
	"lambent.dev/lambent/internal/lambda"
)

// Authenticator knows who makes a request: the signature has to be for one of the services.
type Authenticator interface {
	Authenticate(r *http.Request, body []byte, services ...string) (awswire.Principal, error)
}

// Accounts are the installation's accounts.
type Accounts interface {
	List() ([]Account, error)
	// Create makes an account; one that exists is answered as it is.
	Create(id string) (Account, error)
	// Delete removes an account and its keys, or answers lambda.ResourceNotFound. Its dead letters stay.
	Delete(id string) error
}

// Keys are the accounts' access keys. An unknown account or key is lambda.ResourceNotFound.
type Keys interface {
	List(account string) ([]Key, error) // without secrets
	Create(account string) (Key, error) // with its secret, this once
	Delete(account, accessKey string) error
}

// Account is one account.
type Account struct {
	ID        string
	CreatedAt time.Time
}

// Key is one access key.
type Key struct {
	AccessKey string
	Secret    string // when it is made
	CreatedAt time.Time
}

// Logs reads functions' logs.
type Logs interface {
	// Read yields lines written at or after since, oldest first, and with follow those to come,
	// until ctx ends.
	Read(ctx context.Context, fn lambda.FunctionID, since time.Time, follow bool) iter.Seq2[lambda.LogLine, error]
}

// Options are what the API serves. All but Serving are needed.
type Options struct {
	Auth      Authenticator
	Letters   *deadletter.Store
	Jobs      *deadletter.Jobs
	Functions deadletter.Targets
	Accounts  Accounts
	Keys      Keys
	Logs      Logs
	Clock     clock.Clock
	Log       *slog.Logger
	Version   string          // of the server, for the OpenAPI document
	Serving   context.Context // ends when the server drains: followed logs end with it; nil: never
}

// Server is the API's handler for all of /lambent/.
type Server struct {
	Options
	mux     *http.ServeMux
	openapi []byte
}

// New answers the API's handler.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, mux: http.NewServeMux()}
	routes := s.routes()
	var err error
	if s.openapi, err = document(routes, o.Version); err != nil {
		return nil, err
	}
	for i := range routes {
		rt := &routes[i]
		s.mux.Handle(rt.method+" "+rt.path, s.serve(rt))
	}
	s.mux.Handle("/", s.serve(&route{handle: func(c *call) (any, error) {
		return nil, lambda.Errorf(lambda.UnknownOperation, "There is no %s %.256s. See /lambent/openapi.json.", c.r.Method, c.r.URL.Path)
	}, anyQuery: true}))
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// call is one request on its way through a route.
type call struct {
	awswire.Principal
	w     http.ResponseWriter
	r     *http.Request
	query map[string]string
	body  []byte
}

// errAnswered says that a handler has written its own answer.
var errAnswered = errors.New("answered")

// Bounds of a request's body. An event's payload grows when it is quoted.
const (
	maxBodyBytes    = 1 << 20
	maxPayloadBytes = 8 << 20
)

// serve is the way of every request: body, caller, names, handler, answer.
func (s *Server) serve(rt *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := awswire.NewRequestID()
		w.Header().Set("x-amzn-RequestId", id)
		out, err := s.answer(rt, w, r)
		switch {
		case errors.Is(err, errAnswered):
		case err != nil:
			s.fail(w, r, id, err)
		default:
			writeJSON(w, max(rt.status, http.StatusOK), out)
		}
	})
}

func (s *Server) answer(rt *route, w http.ResponseWriter, r *http.Request) (any, error) {
	c := &call{w: w, r: r}
	var err error
	if c.body, err = readBody(w, r, max(rt.bodyBytes, maxBodyBytes)); err != nil {
		return nil, err
	}
	if !rt.unsigned {
		if c.Principal, err = s.Auth.Authenticate(r, c.body, "lambent", "lambda"); err != nil {
			return nil, err
		}
		if rt.root && !c.Root {
			return nil, lambda.Errorf(lambda.AccessDenied, "This needs the root key of the installation.")
		}
	}
	if !rt.anyQuery {
		if c.query, err = readQuery(rt, r.URL.RawQuery); err != nil {
			return nil, err
		}
		if rt.request == nil && len(bytes.TrimSpace(c.body)) > 0 {
			return nil, lambda.Errorf(lambda.SerializationFailed, "%s %s takes no body.", rt.method, rt.path)
		}
	}
	return rt.handle(c)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, lambda.Errorf(lambda.RequestEntityTooLarge, "The body is larger than %d bytes.", limit)
	case err != nil:
		return nil, &lambda.Error{Kind: lambda.SerializationFailed, Message: "The body cannot be read.", Err: err}
	}
	return body, nil
}

// readQuery answers the query's parameters. Those of a presigned signature are the signature's.
func readQuery(rt *route, raw string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, lambda.Errorf(lambda.InvalidParameterValue, "The query cannot be read.")
	}
	known := map[string]bool{}
	for _, p := range rt.query {
		known[p.name] = true
	}
	query := map[string]string{}
	for name, all := range values {
		switch {
		case strings.HasPrefix(name, "X-Amz-"):
		case !known[name]:
			return nil, lambda.Errorf(lambda.InvalidParameterValue, "Unknown query parameter %.64q.", name)
		case len(all) > 1:
			return nil, lambda.Errorf(lambda.InvalidParameterValue, "Query parameter %s is given %d times.", name, len(all))
		default:
			query[name] = all[0]
		}
	}
	return query, nil
}

// decode reads a body into a pointer to the route's request type.
func (c *call) decode(to any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil && d.Decode(&struct{}{}) != io.EOF {
		err = errors.New("more than one JSON value")
	}
	if err == nil {
		return nil
	}
	var kind *json.UnmarshalTypeError
	text := strings.TrimPrefix(err.Error(), "json: ")
	switch {
	case errors.Is(err, io.EOF):
		text = "it is empty"
	case errors.As(err, &kind):
		text = fmt.Sprintf("member %q cannot be %s", kind.Field, kind.Value)
	case strings.HasPrefix(text, "unknown field "):
		text = "unknown member " + strings.TrimPrefix(text, "unknown field ")
	}
	return lambda.Errorf(lambda.SerializationFailed, "The body is not what this takes: %.200s.", text)
}

// number reads a query parameter between 1 and limit; 0 when it is not given.
func (c *call) number(name string, limit int) (int, error) {
	text := c.query[name]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, lambda.Errorf(lambda.InvalidParameterValue, "%s must be a number between 1 and %d.", name, limit)
	}
	return n, nil
}

// function reads a function's name or ARN, with the caller's account and region for what it leaves out.
func (c *call) function(text string) (fn lambda.FunctionID, qualifier string, err error) {
	ref, ok := lambda.ParseFunctionName(text)
	if !ok {
		return fn, "", lambda.Errorf(lambda.InvalidParameterValue, "%.200q is no function's name or ARN.", text)
	}
	fn = lambda.FunctionID{Account: ref.Account, Region: ref.Region, Name: ref.Name}
	if fn.Account == "" {
		fn.Account = c.Account
	}
	if fn.Region == "" {
		fn.Region = c.Region
	}
	if fn.Account != c.Account {
		return fn, "", lambda.Errorf(lambda.AccessDenied, "%.200s belongs to another account.", text)
	}
	return fn, ref.Qualifier, nil
}

// fail answers an error; the cause of our own faults is for the operator alone.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, id string, err error) {
	var e *lambda.Error
	if !errors.As(err, &e) || e.Kind >= lambda.KindCount {
		e = &lambda.Error{Kind: lambda.Internal, Message: "An internal error occurred.", Err: err}
	}
	if e.Kind == lambda.Internal && r.Context().Err() == nil {
		s.Log.Error("request failed", "request", id, "method", r.Method, "path", r.URL.Path, "error", err, "cause", e.Err)
	}
	status, name := awswire.WireName(e.Kind)
	w.Header().Set("x-amzn-ErrorType", name)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, status, errorBody{Code: name, Message: e.Message})
}

// writeJSON writes an answer. A client that has left is not an error of ours.
func writeJSON(w http.ResponseWriter, status int, out any) {
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(out)
}
