// Package client speaks Lambent's own HTTP API, the one below /lambent/, for the CLI.
//
// Requests are signed with AWS signature version 4 for the service name "lambent". Answers keep
// their bytes, so that what a program reads from the CLI is exactly what the API said.
//
// It owns no state besides its HTTP client, starts no goroutine and retries nothing: what to do
// about a failure is its caller's decision.
// Units: times are UTC, durations say their unit in the name.
package client
