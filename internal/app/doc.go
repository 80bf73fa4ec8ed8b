// Package app wires the server and runs it. It alone sees every other package.
//
// Ownership: App owns the listener, every long-lived goroutine (each is a Run of some package)
// and the order in which they start and stop.
package app
