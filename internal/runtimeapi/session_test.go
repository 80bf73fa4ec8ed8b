package runtimeapi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/runtimeapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the environment's side of a session.
type peer struct {
	t testing.TB
	s *runtimeapi.Session
	l net.Listener
}

func newPeer(t testing.TB) *peer {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t, runtimeapi.New([]net.Listener{l}, runtimeapi.Options{}), l}
	t.Cleanup(p.s.Close)
	return p
}

// wire is one raw connection.
type wire struct {
	net.Conn
	br *bufio.Reader
	t  testing.TB
}

func (p *peer) dial() *wire {
	p.t.Helper()
	c, err := net.Dial("unix", p.l.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &wire{c, bufio.NewReader(c), p.t}
}

func (w *wire) send(text string) *wire {
	w.t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// receive reads one reply with a parser that is not ours.
func (w *wire) receive() (status int, header http.Header, body string) {
	w.t.Helper()
	r, err := http.ReadResponse(w.br, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(text)
}

func (w *wire) expect(status int, part string) {
	w.t.Helper()
	got, _, body := w.receive()
	if got != status || !strings.Contains(body, part) {
		w.t.Errorf("%d %s, want %d with %q", got, body, status, part)
	}
}

const nextRequest = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"

func answer(id, kind, body string) string {
	return fmt.Sprintf("POST /2018-06-01/runtime/invocation/%s/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", id, kind, len(body), body)
}

type answered struct {
	r         runtimeapi.Response
	delivered bool
	err       error
}

// invoke starts an invocation of id "1".
func (p *peer) invoke(timeout time.Duration, payload string) <-chan answered {
	done := make(chan answered, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		inv := &runtimeapi.Invocation{
			RequestID: "1", InvocationID: "attempt", FunctionARN: "arn:f", TraceHeader: "Root=1", ClientContext: "{\"a\":\n1}",
			Deadline: time.UnixMilli(1234), Payload: []byte(payload),
		}
		r, delivered, err := p.s.Invoke(ctx, inv)
		done <- answered{r, delivered, err}
	}()
	return done
}

func (p *peer) ready() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.s.Ready(ctx); err != nil {
		p.t.Fatal(err)
	}
}

func TestConversation(t *testing.T) {
	p := newPeer(t)
	w := p.dial().send(nextRequest)
	p.ready()
	for i := range 3 {
		done := p.invoke(10*time.Second, `{"n":1}`)
		status, h, body := w.receive()
		if i > 0 { // the reply to the answer comes first
			status, h, body = w.receive()
		}
		want := map[string]string{
			"Lambda-Runtime-Aws-Request-Id": "1", "Lambda-Runtime-Deadline-Ms": "1234", "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
			"Lambda-Runtime-Trace-Id": "Root=1", "Lambda-Runtime-Client-Context": "{\"a\": 1}", "Lambda-Runtime-Invocation-Id": "attempt",
			"Lambda-Runtime-Cognito-Identity": "", "Content-Type": "application/json",
		}
		for k, v := range want {
			if h.Get(k) != v {
				t.Errorf("%s: %q, want %q", k, h.Get(k), v)
			}
		}
		if status != 200 || body != `{"n":1}` {
			t.Errorf("%d %s", status, body)
		}
		w.send(answer("1", "response", `"ok"`) + nextRequest)
		if got := <-done; got.err != nil || string(got.r.Payload) != `"ok"` || got.r.Failed || !got.delivered {
			t.Errorf("%+v", got)
		}
	}
}

func TestAnswers(t *testing.T) {
	big := strings.Repeat("x", 6_291_556)
	chunked := func(headers, chunks string) string {
		return "POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + headers + "\r\n" + chunks
	}
	cases := map[string]struct {
		send   string
		status int
		part   string
		want   runtimeapi.Response
	}{
		"error": {strings.Replace(answer("1", "error", `{}`), "Host: x", "lambda-runtime-function-error-type: Mine.Bad", 1), 202, "OK",
			runtimeapi.Response{Payload: []byte("{}"), Failed: true, ErrorType: "Mine.Bad"}},
		"empty":          {answer("1", "response", ""), 202, "OK", runtimeapi.Response{}},
		"absolute":       {strings.Replace(answer("1", "response", "a"), "/2018", "http://host:1/2018", 1), 202, "OK", runtimeapi.Response{Payload: []byte("a")}},
		"at the limit":   {answer("1", "response", big), 202, "OK", runtimeapi.Response{Payload: []byte(big)}},
		"over the limit": {answer("1", "response", big+"x"), 413, "Exceeded maximum allowed payload size (6291556 bytes).", runtimeapi.Response{TooLarge: true}},
		"chunked": {chunked("Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: text/x\r\n", "3;ext=1\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"), 202, "OK",
			runtimeapi.Response{Payload: []byte("abcd"), Streamed: true, ContentType: "text/x"}},
		"chunked over the limit": {chunked("", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big)+1, big+"x")), 413, "Exceeded", runtimeapi.Response{TooLarge: true}},
		"trailers": {chunked("Trailer: Lambda-Runtime-Function-Error-Type\r\n", "1\r\na\r\n0\r\nLambda-Runtime-Function-Error-Type: Half\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n"), 202, "OK",
			runtimeapi.Response{Payload: []byte("{}"), Failed: true, ErrorType: "Half"}},
		"long header": {strings.Replace(answer("1", "response", "a"), "Host: x", "Lambda-Runtime-Function-XRay-Error-Cause: "+strings.Repeat("y", 1<<20), 1), 202, "OK", runtimeapi.Response{Payload: []byte("a")}},
		"echoes":      {strings.Replace(answer("1", "response", "a"), "Host: x", "Lambda-Runtime-Invocation-Id: attempt", 1), 202, "OK", runtimeapi.Response{Payload: []byte("a")}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			w := p.dial().send(nextRequest)
			done := p.invoke(10*time.Second, "{}")
			w.expect(200, "{}")
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				io.WriteString(w, c.send)
			}()
			got := <-done
			<-sent
			w.expect(c.status, c.part)
			if got.err != nil || !bytes.Equal(got.r.Payload, c.want.Payload) {
				t.Fatalf("%.200v", got)
			}
			got.r.Payload, c.want.Payload = nil, nil
			if fmt.Sprint(got.r) != fmt.Sprint(c.want) {
				t.Errorf("%+v, want %+v", got.r, c.want)
			}
			done = p.invoke(10*time.Second, "again") // the connection lives on
			w.send(nextRequest).expect(200, "again")
			w.send(answer("1", "response", "1")).expect(202, "OK")
			<-done
		})
	}
}

func TestContinue(t *testing.T) {
	p := newPeer(t)
	w := p.dial().send(nextRequest)
	done := p.invoke(10*time.Second, "{}")
	w.expect(200, "{}")
	head, body, _ := strings.Cut(answer("1", "response", "later"), "\r\n\r\n")
	w.send(head + "\r\nExpect: 100-continue\r\n\r\n")
	line, err := w.br.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%q %v", line, err)
	}
	w.br.ReadString('\n')
	w.send(body).expect(202, "OK")
	if got := <-done; string(got.r.Payload) != "later" {
		t.Errorf("%+v", got)
	}
}

func TestWrongAnswers(t *testing.T) {
	p := newPeer(t)
	w := p.dial().send(answer("1", "response", "early"))
	w.expect(400, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`)
	w.send(nextRequest)
	done := p.invoke(10*time.Second, "{}")
	w.expect(200, "{}")
	w.send(answer("2", "response", "other")).expect(400, "InvalidRequestID")
	w.send(answer("", "response", "none")).expect(400, "InvalidRequestID")
	w.send(strings.Replace(answer("1", "response", "a"), "Host: x", "Lambda-Runtime-Invocation-Id: another", 1)).expect(400, "InvalidInvocationID")
	w.send("POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").expect(403, "InvalidStateTransition")
	w.send("GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n").expect(403, "snapshot")
	w.send("POST /2020-01-01/extension/register HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").expect(403, "Extension")
	w.send("PUT /2022-07-01/telemetry HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").expect(202, "Telemetry")
	w.send("GET / HTTP/1.1\r\n\r\n").expect(404, "not found")
	w.send("DELETE /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n").expect(405, "")
	w.send("GET /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\n\r\n").expect(405, "")
	w.send(answer("1", "response", "good")).expect(202, "OK")
	if got := <-done; string(got.r.Payload) != "good" {
		t.Errorf("%+v", got)
	}
	w.send(answer("1", "response", "twice")).expect(403, "InvalidStateTransition")
	w.send(answer("1", "error", "twice")).expect(403, "InvalidStateTransition")
}

func TestNonsense(t *testing.T) {
	p := newPeer(t)
	for _, text := range []string{
		"hello\r\n\r\n", "GET / HTTP/2\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nbad name: 1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nExpect: more\r\n\r\n", "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 200) + "\r\n",
		"GET / HTTP/1.1\r\ncontent-length: " + strings.Repeat(" ", 10000) + "1\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "\x00\x01\x02\r\n\r\n",
	} {
		w := p.dial().send(text)
		for { // a reply to what was understood may come first; then the fault, then the end
			r, err := http.ReadResponse(w.br, nil)
			if err != nil {
				if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
					t.Errorf("%.40q: %v", text, err)
				}
				break
			}
			if r.StatusCode < 400 {
				t.Errorf("%.40q: %d", text, r.StatusCode)
			}
			io.Copy(io.Discard, r.Body)
		}
	}
	// The environment is not hurt by itself here: it may still go on.
	w := p.dial().send(nextRequest)
	done := p.invoke(10*time.Second, "{}")
	w.expect(200, "{}")
	w.send(answer("1", "response", "fine")).expect(202, "OK")
	if got := <-done; string(got.r.Payload) != "fine" {
		t.Errorf("%+v", got)
	}
}

func TestEndlessHeaderIsBounded(t *testing.T) {
	p := newPeer(t)
	w := p.dial()
	go func() {
		for {
			if _, err := io.WriteString(w, strings.Repeat("a", 4096)); err != nil {
				return
			}
		}
	}()
	if _, err := io.ReadAll(w.br); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestNewestNextCounts(t *testing.T) {
	p := newPeer(t)
	first := p.dial().send(nextRequest)
	p.ready()
	second := p.dial().send(nextRequest)
	first.expect(403, "InvalidStateTransition")
	done := p.invoke(10*time.Second, "{}")
	second.expect(200, "{}")
	third := p.dial() // and any connection may answer
	third.send(answer("1", "response", "ok")).expect(202, "OK")
	if got := <-done; string(got.r.Payload) != "ok" {
		t.Errorf("%+v", got)
	}
}

func TestGoneWaiterIsNotMet(t *testing.T) {
	p := newPeer(t)
	for range 20 {
		gone := p.dial().send(nextRequest)
		p.ready()
		gone.Close()
		done := p.invoke(10*time.Second, "{}")
		w := p.dial().send(nextRequest)
		w.expect(200, "{}")
		w.send(answer("1", "response", "ok")).expect(202, "OK")
		if got := <-done; string(got.r.Payload) != "ok" {
			t.Fatalf("%+v", got)
		}
		w.Close()
	}
}

func TestInitError(t *testing.T) {
	p := newPeer(t)
	w := p.dial().send("POST /2018-06-01/runtime/init/error HTTP/1.1\r\nLambda-Runtime-Function-Error-Type: Runtime.Bad\r\nContent-Length: 2\r\n\r\n{}")
	var e *runtimeapi.InitError
	if err := p.s.Ready(context.Background()); !errors.As(err, &e) || e.ErrorType != "Runtime.Bad" || string(e.Payload) != "{}" {
		t.Errorf("%v", err)
	}
	w.expect(202, "OK")
	if got := <-p.invoke(time.Second, "{}"); got.err == nil || got.delivered {
		t.Errorf("%+v", got)
	}
	p.s.Reset()
	w = p.dial().send(nextRequest)
	p.ready()
	done := p.invoke(10*time.Second, "{}")
	w.expect(200, "{}")
	w.send(answer("1", "response", "ok")).expect(202, "OK")
	if got := <-done; string(got.r.Payload) != "ok" {
		t.Errorf("%+v", got)
	}
}

func TestTimeoutThenLateAnswer(t *testing.T) {
	p := newPeer(t)
	w := p.dial().send(nextRequest)
	done := p.invoke(50*time.Millisecond, "{}")
	w.expect(200, "{}")
	if got := <-done; !errors.Is(got.err, context.DeadlineExceeded) || !got.delivered {
		t.Errorf("%+v", got)
	}
	w.send(strings.Replace(answer("1", "response", "a"), "Host: x", "Lambda-Runtime-Invocation-Id: attempt", 1)).expect(410, "ErrorRuntimeInvokeTimeout")
	w.send(answer("1", "response", "a")).expect(400, "InvalidRequestID")
}

func TestSlowBodyAndStalledReader(t *testing.T) {
	p := newPeer(t)
	w := p.dial().send(nextRequest)
	done := p.invoke(200*time.Millisecond, "{}")
	w.expect(200, "{}")
	w.send(answer("1", "response", "12345")[:80])
	if got := <-done; !errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("%+v", got)
	}
	// One that asks for an event and does not read it: the caller is free after its time.
	p.dial().send(nextRequest)
	if got := <-p.invoke(200*time.Millisecond, strings.Repeat("x", 6<<20)); !errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("%.100v", got)
	}
}

func TestAbort(t *testing.T) {
	p := newPeer(t)
	cause := errors.New("exited")
	w := p.dial().send(nextRequest)
	done := p.invoke(10*time.Second, "{}")
	w.expect(200, "{}")
	p.s.Abort(cause, time.Millisecond)
	if got := <-done; !errors.Is(got.err, cause) || !got.delivered {
		t.Errorf("%+v", got)
	}
	if got := <-p.invoke(10*time.Second, "{}"); !errors.Is(got.err, cause) || got.delivered {
		t.Errorf("%+v", got)
	}
	// What was sent before the end is taken.
	p.s.Reset()
	w = p.dial().send(nextRequest)
	done = p.invoke(10*time.Second, "{}")
	w.expect(200, "{}")
	w.send(answer("1", "response", "last words"))
	w.Close()
	p.s.Abort(cause, 5*time.Second)
	if got := <-done; string(got.r.Payload) != "last words" {
		t.Errorf("%+v", got)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	p := newPeer(t)
	var first *wire
	for i := range 80 {
		w := p.dial()
		switch {
		case i == 0:
			first = w
		case i >= 64:
			if _, err := w.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("connection %d was taken: %v", i, err)
			}
		}
	}
	first.send("GET / HTTP/1.1\r\n\r\n").expect(404, "")
}

// Official clients use Go's, curl's or Node's HTTP: Go's stands for them.
func TestStandardClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := runtimeapi.New([]net.Listener{l}, runtimeapi.Options{})
	defer s.Close()
	p := &peer{t, s, l}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	base := "http://" + l.Addr().String() + "/2018-06-01/runtime/invocation/"
	for range 3 {
		done := p.invoke(10*time.Second, "{}")
		r, err := client.Get(base + "next")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if string(body) != "{}" {
			t.Errorf("%s", body)
		}
		r, err = client.Post(base+r.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", io.MultiReader(strings.NewReader("chun"), strings.NewReader("ked")))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if got := <-done; string(got.r.Payload) != "chunked" {
			t.Errorf("%+v", got)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	p := newPeer(b)
	w := p.dial()
	w.SetDeadline(time.Time{})
	go func() {
		reply := []byte(answer("1", "response", `{"a":1}`) + nextRequest)
		io.WriteString(w, nextRequest)
		buf := make([]byte, 4096)
		for {
			if _, err := w.Read(buf); err != nil {
				return
			}
			if _, err := w.Write(reply); err != nil {
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	inv := &runtimeapi.Invocation{RequestID: "1", FunctionARN: "arn:aws:lambda:us-east-1:1:function:f", Payload: []byte(`{"a":1}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.s.Invoke(ctx, inv); err != nil {
			b.Fatal(err)
		}
	}
}
