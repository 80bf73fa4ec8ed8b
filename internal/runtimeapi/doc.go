// Package runtimeapi serves Lambda's Runtime API to one execution environment.
//
// It is an HTTP/1.1 server of its own, for one client that it must not trust and a round trip
// that must be short: requests are parsed in place, replies leave in one write, and an event is
// written to the waiting connection by the goroutine that brings it. Keep-alive, pipelining,
// chunked bodies with trailers and Expect: 100-continue work; anything else is refused.
//
// Ownership: a Session owns the connections that it accepted and closes its listeners with
// Close. While a connection waits for an event, its unsent replies belong to the session (they
// leave together with the event); otherwise to the connection's goroutine.
// Invariants: an environment has at most one invocation in hand; an answer is taken once, for the
// invocation in hand only; whatever the environment sends, only this Session is hurt. Memory is
// bounded: one answer's body (MaxResponseBytes) and two small buffers a connection.
// Units: bytes; times are UTC.
package runtimeapi
