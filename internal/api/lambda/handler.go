package lambda

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/function"
	core "lambent.dev/lambent/internal/lambda"
)

// Code keeps deployment packages.
type Code interface {
	// Put keeps a package; it is idempotent. InvalidParameterValue says what is wrong with it.
	Put(ctx context.Context, zip []byte) (core.Package, error)
	// Open answers a package as it was sent, and its size, or ResourceNotFound.
	Open(sha256Base64 string) (io.ReadSeekCloser, int64, error)
}

// Handler offers the operations. Its methods are safe for concurrent use.
type Handler struct {
	functions *function.Service
	code      Code
	invoker   Invoker
	clock     clock.Clock
	linkKey   []byte
}

// New makes a Handler.
func New(functions *function.Service, code Code, invoker Invoker, now clock.Clock) *Handler {
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // never fails: the program ends first
	return &Handler{functions: functions, code: code, invoker: invoker, clock: now, linkKey: key}
}

// locate answers the function and the qualifier that a request names.
func locate(ctx context.Context, p awswire.Principal, name, qualifier *string) (core.FunctionID, string, error) {
	return function.Locate(callerOf(ctx, p), value(name), value(qualifier))
}

// whole is locate for operations that take no qualifier.
func whole(ctx context.Context, p awswire.Principal, name *string) (core.FunctionID, error) {
	return function.LocateUnqualified(callerOf(ctx, p), value(name))
}

func callerOf(ctx context.Context, p awswire.Principal) function.Caller {
	return function.Caller{Account: p.Account, Region: p.Region, Action: awswire.CallOf(ctx).Operation}
}

// value answers what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// some answers a pointer to v, or nil for the zero value: it is not answered.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func invalid(format string, args ...any) error {
	return core.Errorf(core.InvalidParameterValue, format, args...)
}

const (
	pageSize  = 50 // of functions, versions and event invoke configurations, at most
	aliasPage = 10_000
)

// page answers where a listing goes on and how much it may hold.
func page(ctx context.Context, p awswire.Principal, marker *string, items *int, limit int) (after string, size int, err error) {
	size = min(pageSize, limit)
	if items != nil {
		size = min(max(*items, 1), limit)
	}
	if value(marker) == "" {
		return "", size, nil
	}
	token, err := base64.RawURLEncoding.DecodeString(*marker)
	scope := scopeOf(ctx, p)
	if err != nil || len(token) <= len(scope) || !bytes.HasPrefix(token, scope) {
		return "", 0, invalid("The Marker is not one that this operation answered.")
	}
	return string(token[len(scope):]), size, nil
}

// next answers the marker of the next page; none at the end.
func next(ctx context.Context, p awswire.Principal, token string) *string {
	if token == "" {
		return nil
	}
	marker := base64.RawURLEncoding.EncodeToString(append(scopeOf(ctx, p), token...))
	return &marker
}

// scopeOf binds a marker to the listing that it came from: another one's would end this one early
// and look like its end. It is no secret and protects nothing.
func scopeOf(ctx context.Context, p awswire.Principal) []byte {
	sum := sha256.Sum256([]byte(awswire.CallOf(ctx).Operation + "\x00" + p.Account + "\x00" + p.Region))
	return sum[:8]
}
