// Package sandboxtest is the conformance suite of package sandbox, and a scripted driver.
//
// Run holds every driver to the contract: it boots real environments, runs a small static program
// in them (testdata/inside, built with the go command) and asks it for its view. What a driver
// can't do by its nature is left out by its Capabilities, and only that.
// Fake is a driver whose environments run a Go function instead of a process, for tests of code
// that uses drivers.
package sandboxtest
