package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// FuzzRequest holds the parser to its bounds, and to net/http where both understand a request.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"POST /2018-06-01/runtime/invocation/1/error HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"POST / HTTP/1.0\nContent-Length: 0\n\n", "GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		br := bufio.NewReaderSize(bytes.NewReader(data), readBufferBytes)
		var r request
		if err := readRequest(br, &r); err != nil {
			return
		}
		body, over, err := newBody(br, &r).collect(1000)
		if len(body) > 1000 {
			t.Fatalf("%d bytes", len(body))
		}
		if err != nil || over {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return // net/http is stricter about names and targets
		}
		want, err := io.ReadAll(theirs.Body)
		if err == nil && !bytes.Equal(want, body) && r.length != 0 {
			t.Errorf("body %q, net/http reads %q", body, want)
		}
	})
}

func TestUnexpectedEnd(t *testing.T) {
	for text, want := range map[string]error{"": io.EOF, "GET /": io.ErrUnexpectedEOF, "GET / HTTP/1.1\r\nA: b\r\n": io.ErrUnexpectedEOF} {
		var r request
		if err := readRequest(bufio.NewReader(bytes.NewReader([]byte(text))), &r); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
