package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// Bounds of a request's head. The head may be large because runtime clients put a trace document
// of up to 1 MiB into a header; it is skipped, never stored.
const (
	readBufferBytes = 8 << 10
	maxHeadBytes    = 1<<20 + 64<<10
	maxHeaders      = 100
)

// route is what a request asks for.
type route uint8

const (
	routeUnknown route = iota
	routeNext
	routeResponse
	routeError
	routeInitError
	routeRestore
	routeExtension
	routeTelemetry
)

// request is the head of one request, reused from one to the next.
type request struct {
	get, post   bool
	route       route
	id          string // of response and error
	length      int64  // of the body; -1: chunked
	old         bool   // HTTP/1.0
	close       bool
	expect      bool
	streaming   bool
	errorType   string
	invocation  string // Lambda-Runtime-Invocation-Id
	contentType string
}

// fault is a request that can't be served; its connection ends after the reply.
type fault struct {
	status  int
	kind    string
	message string
}

func (f *fault) Error() string { return f.message }

func badRequest(message string) error { return &fault{400, "InvalidRequest", message} }

// readRequest reads a head. io.EOF means that the client closed between two requests.
func readRequest(br *bufio.Reader, r *request) error {
	*r = request{}
	budget := maxHeadBytes
	line, err := readLine(br, &budget)
	if err != nil {
		return err
	}
	if err := r.parseStart(line); err != nil {
		return err
	}
	sized := false
	for range maxHeaders {
		line, err := readLine(br, &budget)
		switch {
		case errors.Is(err, errLongLine):
			if name, _, ok := bytes.Cut(line, colon); !ok || framing(name) {
				return &fault{431, "InvalidRequest", "A header is too long."}
			}
			continue
		case err != nil:
			return unexpected(err)
		case len(line) == 0:
			return nil
		}
		if err := r.parseHeader(line, &sized); err != nil {
			return err
		}
	}
	return &fault{431, "InvalidRequest", "Too many headers."}
}

var (
	colon       = []byte(":")
	errLongLine = errors.New("line too long")
)

// framing says whether a header decides where the body ends.
func framing(name []byte) bool {
	return foldEqual(name, "content-length") || foldEqual(name, "transfer-encoding")
}

// readLine reads up to a newline and answers the line without its end, valid until the next
// read. Of a line longer than the buffer it answers the start and errLongLine.
func readLine(br *bufio.Reader, budget *int) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if *budget -= len(line); *budget < 0 {
		return nil, &fault{431, "InvalidRequest", "The request's head is too large."}
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return skipLine(br, bytes.Clone(line[:64]), budget)
	}
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func skipLine(br *bufio.Reader, start []byte, budget *int) ([]byte, error) {
	for {
		part, err := br.ReadSlice('\n')
		if *budget -= len(part); *budget < 0 {
			return nil, &fault{431, "InvalidRequest", "The request's head is too large."}
		}
		if err == nil {
			return start, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

// unexpected turns an end of input inside a request into what it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *request) parseStart(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 {
		return badRequest("The request line is not HTTP.")
	}
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		r.old, r.close = true, true
	default:
		return &fault{505, "InvalidRequest", "Only HTTP/1.1 is spoken here."}
	}
	switch string(method) {
	case "GET":
		r.get = true
	case "POST":
		r.post = true
	}
	r.parseTarget(target)
	return nil
}

// parseTarget finds the route. Clients may send an absolute URL.
func (r *request) parseTarget(target []byte) {
	if after, ok := bytes.CutPrefix(target, []byte("http://")); ok {
		if i := bytes.IndexByte(after, '/'); i >= 0 {
			target = after[i:]
		}
	}
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target = target[:i]
	}
	rest, ok := bytes.CutPrefix(target, []byte("/2018-06-01/runtime/"))
	if !ok {
		switch {
		case bytes.HasPrefix(target, []byte("/2020-01-01/extension/")):
			r.route = routeExtension
		case bytes.Equal(target, []byte("/2020-08-15/logs")), bytes.Equal(target, []byte("/2022-07-01/telemetry")):
			r.route = routeTelemetry
		}
		return
	}
	switch string(rest) {
	case "invocation/next":
		r.route = routeNext
		return
	case "init/error":
		r.route = routeInitError
		return
	case "restore/next", "restore/error":
		r.route = routeRestore
		return
	}
	if rest, ok = bytes.CutPrefix(rest, []byte("invocation/")); !ok {
		return
	}
	if id, ok := bytes.CutSuffix(rest, []byte("/response")); ok {
		r.route, r.id = routeResponse, string(id)
	} else if id, ok := bytes.CutSuffix(rest, []byte("/error")); ok {
		r.route, r.id = routeError, string(id)
	}
}

func (r *request) parseHeader(line []byte, sized *bool) error {
	name, value, ok := bytes.Cut(line, colon)
	if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
		return badRequest("A header is malformed.")
	}
	value = bytes.Trim(value, " \t")
	switch len(name) { // most headers are told apart by their length alone
	case len("expect"):
		if foldEqual(name, "expect") {
			if !foldEqual(value, "100-continue") {
				return &fault{417, "InvalidRequest", "Only Expect: 100-continue is understood."}
			}
			r.expect = true
		}
	case len("connection"):
		if foldEqual(name, "connection") && foldEqual(value, "close") {
			r.close = true
		}
	case len("content-type"):
		if foldEqual(name, "content-type") && string(value) != "application/json" {
			r.contentType = string(value)
		}
	case len("content-length"):
		if foldEqual(name, "content-length") {
			return r.setLength(value, sized)
		}
	case len("transfer-encoding"):
		if foldEqual(name, "transfer-encoding") {
			if *sized || r.old || !foldEqual(value, "chunked") {
				return badRequest("The body's length is not clear.")
			}
			r.length, *sized = -1, true
		}
	case len("lambda-runtime-invocation-id"):
		if foldEqual(name, "lambda-runtime-invocation-id") {
			r.invocation = string(value)
		}
	case len("lambda-runtime-function-error-type"):
		if foldEqual(name, "lambda-runtime-function-error-type") {
			r.errorType = string(value)
		}
	case len("lambda-runtime-function-response-mode"):
		if foldEqual(name, "lambda-runtime-function-response-mode") {
			r.streaming = foldEqual(value, "streaming")
		}
	}
	return nil
}

func (r *request) setLength(value []byte, sized *bool) error {
	n, err := strconv.ParseUint(string(value), 10, 62)
	if err != nil || (*sized && r.length != int64(n)) {
		return badRequest("The body's length is not clear.")
	}
	r.length, *sized = int64(n), true
	return nil
}

// foldEqual compares without regard to ASCII case; s is lower case.
func foldEqual(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}
