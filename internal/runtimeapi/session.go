package runtimeapi

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// Options of a Session. The zero value is AWS's behaviour.
type Options struct {
	MaxResponseBytes int // of an answer; default 6,291,556
	MaxConnections   int // at one time; default 64
}

func (o Options) withDefaults() Options {
	if o.MaxResponseBytes == 0 {
		o.MaxResponseBytes = lambda.MaxSyncPayloadBytes
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 64
	}
	return o
}

// Invocation is one event for the environment. Empty texts are not sent.
type Invocation struct {
	RequestID     string
	InvocationID  string // unique for each attempt; a client that echoes it is held to it
	FunctionARN   string // as called
	TraceHeader   string
	ClientContext string // JSON
	Identity      string // JSON
	TenantID      string
	Deadline      time.Time
	Payload       []byte
}

// Response is what the environment answered to one event, verbatim.
type Response struct {
	Payload     []byte
	Failed      bool   // the answer is an error document
	ErrorType   string // of a failure, as the runtime said it in a header
	TooLarge    bool   // the answer was too large; Payload is empty
	ContentType string // "" is application/json
	Streamed    bool
}

// InitError says that the runtime reported a failure instead of getting ready.
type InitError struct {
	ErrorType string // as the runtime said it in a header
	Payload   []byte // the error document, verbatim
}

func (e *InitError) Error() string { return "the runtime reported an init error: " + e.ErrorType }

// Errors of Invoke and Ready.
var (
	ErrClosed = errors.New("session closed")
	ErrBusy   = errors.New("an invocation is in hand")
)

// call is an invocation in hand. Its fields are guarded by Session.mu.
type call struct {
	inv       *Invocation
	delivered bool
	answering bool      // an answer's body is being read
	limit     time.Time // of writing the event; zero: none
	done      chan result
}

type result struct {
	response Response
	err      error
}

// Session serves one execution environment.
type Session struct {
	options   Options
	listeners []net.Listener
	serving   sync.WaitGroup

	mu       sync.Mutex
	conns    map[*conn]struct{}
	drained  chan struct{} // closed when conns is empty; nil when nobody waits for that
	waiter   *conn         // its next waits for an event
	call     *call
	answered string // request id of the last answer
	expired  string // invocation id of the last call that was given up
	ready    chan struct{}
	isReady  bool
	failure  error // ended Ready: an *InitError or Abort's cause
	closed   bool
}

// New serves the listeners until Close.
func New(listeners []net.Listener, o Options) *Session {
	s := &Session{
		options: o.withDefaults(), listeners: listeners,
		conns: map[*conn]struct{}{}, ready: make(chan struct{}),
	}
	for _, l := range listeners {
		s.serving.Go(func() { s.accept(l) })
	}
	return s
}

// Ready waits until the runtime asks for its first event. It answers an *InitError when the
// runtime reports one instead, Abort's cause, or the context's error.
func (s *Session) Ready(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting says whether the runtime waits for an event, having nothing else to do.
func (s *Session) Waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiter != nil
}

// Invoke hands the runtime an event and waits for its answer, until ctx is done. delivered says
// whether the event reached a runtime; where it did not, it can be given to another one.
func (s *Session) Invoke(ctx context.Context, inv *Invocation) (r Response, delivered bool, err error) {
	c := &call{inv: inv, done: make(chan result, 1)}
	c.limit, _ = ctx.Deadline()
	s.mu.Lock()
	switch {
	case s.closed:
		err = ErrClosed
	case s.isReady && s.failure != nil:
		err = s.failure
	case s.call != nil:
		err = ErrBusy
	}
	if err != nil {
		s.mu.Unlock()
		return Response{}, false, err
	}
	s.call = c
	waiter := s.takeWaiter()
	s.mu.Unlock()
	if waiter != nil {
		s.deliver(waiter, c)
	}
	select {
	case got := <-c.done:
		return got.response, s.wasDelivered(c), got.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case got := <-c.done: // answered at the last moment
		return got.response, c.delivered, got.err
	default:
	}
	s.call, s.expired = nil, inv.InvocationID
	return Response{}, c.delivered, ctx.Err()
}

func (s *Session) wasDelivered(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.delivered
}

// takeWaiter takes the waiting connection for the invocation in hand. Caller holds mu.
func (s *Session) takeWaiter() *conn {
	w := s.waiter
	if w == nil || s.call == nil || s.call.delivered {
		return nil
	}
	s.waiter = nil
	s.call.delivered = true
	return w
}

// deliver writes the event to a connection that the caller took.
func (s *Session) deliver(w *conn, c *call) {
	err := w.sendEvent(c)
	if err == nil {
		return
	}
	w.nc.Close()
	s.mu.Lock()
	c.delivered = false // nobody read it: the next one who asks gets it
	next := s.takeWaiter()
	s.mu.Unlock()
	if next != nil {
		s.deliver(next, c)
	}
}

// Abort ends what waits for the runtime, with a cause: its process is gone. Answers that it sent
// before are still taken: Abort waits up to settle for its connections to run dry. Later calls
// fail with the cause until Reset.
func (s *Session) Abort(cause error, settle time.Duration) {
	s.settle(settle)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endReady(cause)
	if s.failure == nil { // what the runtime said itself is worth more
		s.failure = cause
	}
	s.fail(cause)
}

func (s *Session) settle(limit time.Duration) {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return
	}
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	drained := s.drained
	s.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
	}
}

// fail ends the invocation in hand. Caller holds mu.
func (s *Session) fail(cause error) {
	if s.call != nil {
		s.call.done <- result{err: cause}
		s.call = nil
	}
}

// endReady ends Ready once. Caller holds mu.
func (s *Session) endReady(failure error) {
	if !s.isReady {
		s.isReady, s.failure = true, failure
		close(s.ready)
	}
}

// Reset forgets the runtime, so that another process may become it. Connections are ended.
func (s *Session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiter != nil {
		s.waiter.released <- struct{}{}
		s.waiter = nil
	}
	for c := range s.conns {
		c.nc.Close()
	}
	if s.isReady {
		s.ready, s.isReady = make(chan struct{}), false
	}
	s.failure = nil
}

// Close ends everything and returns when no goroutine of the session is left.
func (s *Session) Close() {
	s.mu.Lock()
	s.closed = true
	s.endReady(ErrClosed)
	s.fail(ErrClosed)
	for c := range s.conns {
		c.nc.Close()
	}
	s.mu.Unlock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.serving.Wait()
}
