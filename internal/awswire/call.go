package awswire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// Call is the exchange that a handler answers, for the little that the shapes do not carry.
type Call struct {
	RequestID string      // of the answer, in its header x-amzn-RequestId; a handler may set it before it returns
	Operation string      // "" outside a service
	Host      string      // as the caller named the server
	TLS       bool        // the caller came over TLS
	Header    http.Header // the request's; not to be changed
	Answer    http.Header // headers to add to the answer
}

type callKey struct{}

// CallOf answers the exchange of a handler's context; outside of one it is empty and private.
func CallOf(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{Header: http.Header{}, Answer: http.Header{}}
}

// WithCall answers a context that carries the exchange.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// NewRequestID answers a random UUID.
func NewRequestID() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails: the program ends first
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
