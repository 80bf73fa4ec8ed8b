// Package lambent is the HTTP API that AWS has no words for, below /lambent/: dead letters,
// their jobs, accounts and keys, and a function's log.
//
// One table, routes.go, holds every route with its parameters, bodies and answers. The mux, the
// refusal of unknown parameters and members, and the OpenAPI document are all made of it, so that
// they cannot disagree.
//
// Ownership: the package keeps nothing; a request's body is read once, bounded, and the bytes
// that were authenticated are the bytes that are decoded.
//
// Invariants: every route but the OpenAPI document needs an authenticated principal, and acts on
// that principal's account; accounts and keys need the root key. A name that is not in the table,
// of a query parameter or a body's member, is refused: a misspelt filter never widens a purge.
//
// Errors are JSON, {"code","message"}, with the code in x-amzn-ErrorType too; kinds become
// statuses and codes in awswire's table. Units: times are RFC 3339, UTC, milliseconds.
package lambent
