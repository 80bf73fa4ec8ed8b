// Command bench measures the figures that SPECIFICATION.md promises, each as a ratio to a floor
// measured in the same run on the same machine: `make bench`, or `go run ./bench [NAME...]`.
//
// The server is the real binary in a process of its own (LAMBENT_TEST_BINARY, else
// build/lambent); the floors run in a process of their own too.
package main
