// Package awswire speaks AWS's protocols: it authenticates a request, routes it, decodes its
// input, checks the constraints of AWS's model, calls the handler and writes the answer or the
// error, each in the form that AWS's own services give it.
//
// What a service looks like (shapes, routes, constraints) is generated from AWS's models by
// awswire/gen into packages of their own, lambdawire and stswire; an implementation is a value
// with the handler interfaces of the operations that it offers. The protocols rest-json and
// query are here; another one is another implementation of the interface protocol.
//
// Ownership: a Handler holds no state but the cache of signing keys. A request's body is read
// once, bounded by its operation, and belongs to the request.
//
// Invariants: a handler is called only with a Principal that the credentials vouch for (or, in
// development mode, that the request claims), and only with an input that meets the model. The
// same bytes that were authenticated are decoded. An error that a handler gives is answered
// through one table, in errors.go; the cause of an internal error is logged, never answered.
//
// Units: sizes are bytes; times are UTC.
package awswire
