// Package cli is the lambent command as a person meets it: its commands, flags, tables, JSON,
// errors and exit codes. testdata/script is its specification.
//
// It speaks to a server over the network only: Lambda's own operations through the AWS SDK,
// Lambent's through package client. Commands that run on the host itself (serve, doctor) are
// made by others and handed to Main, so that this package knows nothing of the server.
//
// Ownership: it keeps nothing between two runs.
// Invariants: results go to standard output and everything said about them to standard error;
// with --output json standard output holds exactly the API's answer; the exit code is 0 when it
// is done, 1 when it failed and 2 when the command was wrong and nothing was tried.
package cli

//go:generate go test . -run TestReferenceIsCurrent -update
