package lambent

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"lambent.dev/lambent/internal/deadletter"
	"lambent.dev/lambent/internal/lambda"
)

const (
	maxLogLines  = 10_000
	writeTimeout = 30 * time.Second // a client that takes no line for this long has left
)

// logQuery says which lines are wanted.
type logQuery struct {
	fn     lambda.FunctionID
	since  time.Time
	follow bool
	limit  int
}

func (s *Server) logQuery(c *call) (q logQuery, err error) {
	if q.fn, _, err = c.function(c.r.PathValue("name")); err != nil {
		return q, err
	}
	if v := c.query["since"]; v != "" {
		if q.since, err = deadletter.ParseWhen(v, s.Clock()); err != nil {
			return q, err
		}
	}
	switch v := c.query["follow"]; v {
	case "", "false":
	case "true":
		q.follow = true
	default:
		return q, lambda.Errorf(lambda.InvalidParameterValue, "follow is true or false, not %.64q.", v)
	}
	q.limit, err = c.number("limit", maxLogLines)
	return q, err
}

// readLog writes a log's lines as they come, until the client leaves or the server drains.
func (s *Server) readLog(c *call) (any, error) {
	q, err := s.logQuery(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	if s.Serving != nil {
		defer context.AfterFunc(s.Serving, cancel)()
	}

	// A deleted function's log can still be read; one that never was is a mistake in the name.
	missing := s.Functions.Check(q.fn, "")
	skip := 0
	if q.limit > 0 || missing != nil {
		there := 0
		for _, err := range s.Logs.Read(ctx, q.fn, q.since, false) {
			if err != nil {
				return nil, err
			}
			there++
		}
		if there == 0 && missing != nil {
			return nil, missing
		}
		if q.limit > 0 {
			skip = max(there-q.limit, 0)
		}
	}
	return nil, s.stream(ctx, c.w, q, skip)
}

// stream answers a log; its error is one from before the first byte, or errAnswered.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, q logQuery, skip int) error {
	control := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	begun := false
	begin := func() {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.WriteHeader(http.StatusOK)
		}
	}
	if q.follow { // a client that waits knows at once that it is served
		begin()
		_ = control.Flush()
	}
	for line, err := range s.Logs.Read(ctx, q.fn, q.since, q.follow) {
		if err != nil && !begun {
			return err
		}
		if err != nil {
			// The answer has begun: breaking the connection is how a client learns of it.
			s.Log.Error("a log cannot be read", "function", q.fn.ARN(), "error", err)
			panic(http.ErrAbortHandler)
		}
		if skip > 0 {
			skip--
			continue
		}
		begin()
		_ = control.SetWriteDeadline(s.Clock().Add(writeTimeout)) // not every writer has deadlines
		if encoder.Encode(lineView{At: stampOf(line.At), Stream: line.Stream, Version: line.Version, Message: line.Message}) != nil {
			return errAnswered // the client has left
		}
		if q.follow {
			_ = control.Flush()
		}
	}
	begin()
	return errAnswered
}
