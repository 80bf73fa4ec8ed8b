package runtimeapi

import (
	"bufio"
	"errors"
	"net"
	"syscall"
	"time"
)

// conn is one accepted connection.
type conn struct {
	s        *Session
	nc       net.Conn
	br       *bufio.Reader
	out      []byte        // replies not yet sent
	waiting  bool          // its goroutine's view: next was asked and not yet known to be answered
	released chan struct{} // the waiting next was answered, or given up
}

// accept takes connections until the listener closes.
func (s *Session) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			if !retryAccept(err) {
				return
			}
			continue
		}
		c := &conn{s: s, nc: nc, br: bufio.NewReaderSize(nc, readBufferBytes), released: make(chan struct{}, 1)}
		if !s.add(c) {
			nc.Close()
			continue
		}
		s.serving.Go(c.serve)
	}
}

// acceptPause is how long a listener rests when the host is out of descriptors.
const acceptPause = 10 * time.Millisecond

// retryAccept says whether a listener lives on after an error: a client was gone before it was
// accepted, or there are no descriptors just now.
func retryAccept(err error) bool {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		<-time.After(acceptPause)
		return true
	}
	return errors.Is(err, syscall.ECONNABORTED)
}

func (s *Session) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.options.MaxConnections {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Session) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// serve answers requests in their order until the connection ends.
func (c *conn) serve() {
	defer c.s.remove(c)
	defer c.nc.Close()
	var r request
	for {
		// Replies wait while more requests are there already: one write for all.
		if !c.waiting && c.br.Buffered() == 0 && !c.flush() {
			return
		}
		err := readRequest(c.br, &r)
		if c.waiting && !c.settleNext(err) {
			return
		}
		if err != nil {
			c.refuse(err)
			return
		}
		if err := c.handle(&r); err != nil {
			c.refuse(err)
			return
		}
		if r.close && !c.waiting {
			c.flush()
			return
		}
	}
}

// settleNext waits until an earlier next is answered. A connection that ended meanwhile gives its
// place up; false says so.
func (c *conn) settleNext(readErr error) bool {
	if readErr != nil && c.s.giveUp(c) {
		return false
	}
	<-c.released
	c.waiting = false
	return true
}

// giveUp takes the connection's next back, unless an event is on its way to it.
func (s *Session) giveUp(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiter != c {
		return false
	}
	s.waiter = nil
	return true
}

// refuse answers a request that can't be served. The connection ends after it.
func (c *conn) refuse(err error) {
	var f *fault
	if errors.As(err, &f) {
		c.out = appendFault(c.out, f, true)
		c.flush()
	}
}

// flush sends the replies; false says that the connection is gone.
func (c *conn) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err == nil
}

// sendEvent answers the waiting next, with the replies before it. The caller has taken the
// connection from the session.
func (c *conn) sendEvent(call *call) error {
	defer func() { c.released <- struct{}{} }()
	// A client that doesn't read must not hold the caller beyond its time.
	if err := c.nc.SetWriteDeadline(call.limit); err != nil {
		return err
	}
	payload := call.inv.Payload
	c.out = appendEvent(c.out, call.inv)
	if len(payload) < vectorBytes {
		c.out, payload = append(c.out, payload...), nil
	}
	err := send(c.nc, c.out, payload)
	c.out = c.out[:0]
	if err != nil {
		return err
	}
	return c.nc.SetWriteDeadline(time.Time{})
}

// handle serves one request. An error ends the connection.
func (c *conn) handle(r *request) error {
	b := newBody(c.br, r)
	switch r.route {
	case routeNext:
		if !r.get {
			return c.reject(r, b, methodFault)
		}
		if err := b.drain(); err != nil {
			return err
		}
		c.next()
		return nil
	case routeResponse, routeError:
		if !r.post {
			return c.reject(r, b, methodFault)
		}
		return c.answer(r, b)
	case routeInitError:
		if !r.post {
			return c.reject(r, b, methodFault)
		}
		return c.initError(r, b)
	case routeRestore:
		return c.reject(r, b, &fault{403, "InvalidStateTransition", "This environment does not come from a snapshot."})
	case routeExtension:
		return c.reject(r, b, &fault{403, "Extension.NotOffered", "Extensions are not offered here."})
	case routeTelemetry:
		return c.reject(r, b, &fault{202, "Telemetry.NotSupported", "Telemetry API is not supported"})
	}
	return c.reject(r, b, &fault{404, "NotFound", "404 page not found"})
}

var methodFault = &fault{405, "InvalidRequest", "Method Not Allowed"}

// reject answers a request whose body nobody wants.
func (c *conn) reject(r *request, b *body, f *fault) error {
	c.out = appendFault(c.out, f, r.close)
	if r.expect { // the client has not sent the body and may not send it now: nothing is sure after this
		r.close = true
		return nil
	}
	if b.done {
		return nil
	}
	if b.left > int64(c.br.Buffered()) && !c.flush() { // it may want the answer before it sends all
		return net.ErrClosed
	}
	return b.drain()
}

// next takes the event in hand, or becomes the one that waits for it.
func (c *conn) next() {
	s := c.s
	s.mu.Lock()
	old := s.waiter
	s.waiter, c.waiting = c, true
	s.endReady(nil)
	call := s.call
	taken := s.takeWaiter()
	s.mu.Unlock()
	if old != nil { // one runtime, one next: the newest counts
		old.out = appendFault(old.out, transition("Ready", "Ready"), true)
		old.flush()
		old.nc.Close()
		old.released <- struct{}{}
	}
	if taken != nil {
		s.deliver(taken, call)
	}
}

func transition(from, to string) *fault {
	return &fault{403, "InvalidStateTransition", "State transition from " + from + " to " + to +
		" failed for runtime. Error: State transition is not allowed"}
}

// answer takes a response or an error for the invocation in hand.
func (c *conn) answer(r *request, b *body) error {
	call, f := c.s.claim(r)
	if f != nil {
		return c.reject(r, b, f)
	}
	if r.expect {
		c.out = append(c.out, proceed...)
		if !c.flush() {
			c.s.unclaim(call)
			return net.ErrClosed
		}
	}
	data, over, err := b.collect(c.s.options.MaxResponseBytes)
	if err != nil {
		c.s.unclaim(call)
		return err
	}
	got := Response{
		Payload: data, Failed: r.route == routeError, ErrorType: r.errorType,
		TooLarge: over, ContentType: r.contentType, Streamed: r.streaming,
	}
	if b.errorType != "" && !over {
		got.Failed, got.ErrorType, got.Payload = true, b.errorType, b.errorBody
	}
	c.s.finish(call, got)
	if over {
		r.expect = false
		return c.reject(r, b, &fault{413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes)."})
	}
	c.out = append(c.out, accepted...)
	return nil
}

// claim finds the invocation that a request answers and marks it as being answered.
func (s *Session) claim(r *request) (*call, *fault) {
	to := "InvocationResponse"
	if r.route == routeError {
		to = "InvocationErrorResponse"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.call
	switch {
	case r.invocation != "" && r.invocation == s.expired:
		return nil, &fault{410, "ErrorRuntimeInvokeTimeout", "The invocation has timed out."}
	case c != nil && c.delivered && c.inv.RequestID == r.id:
		if r.invocation != "" && c.inv.InvocationID != "" && r.invocation != c.inv.InvocationID {
			return nil, &fault{400, "InvalidInvocationID", "Invalid invocation ID"}
		}
		if c.answering {
			return nil, transition(to, to)
		}
		c.answering = true
		return c, nil
	case c == nil && r.id != "" && r.id == s.answered:
		return nil, transition("ResponseSent", to)
	}
	return nil, &fault{400, "InvalidRequestID", "Invalid request ID"}
}

func (s *Session) unclaim(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.answering = false
}

// finish gives the caller its answer, unless it has gone.
func (s *Session) finish(c *call, r Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call == c {
		s.call, s.answered = nil, c.inv.RequestID
		c.done <- result{response: r}
	}
}

// initError takes the report of a runtime that can't get ready.
func (c *conn) initError(r *request, b *body) error {
	c.s.mu.Lock()
	started := c.s.isReady
	c.s.mu.Unlock()
	if started {
		return c.reject(r, b, transition("Ready", "InitError"))
	}
	if r.expect {
		c.out = append(c.out, proceed...)
		if !c.flush() {
			return net.ErrClosed
		}
	}
	data, over, err := b.collect(c.s.options.MaxResponseBytes)
	if err != nil {
		return err
	}
	if over {
		r.expect = false
		return c.reject(r, b, &fault{413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes)."})
	}
	c.s.mu.Lock()
	c.s.endReady(&InitError{ErrorType: r.errorType, Payload: data})
	c.s.mu.Unlock()
	c.out = append(c.out, accepted...)
	return nil
}
