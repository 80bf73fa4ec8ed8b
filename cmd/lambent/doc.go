// Command lambent is the whole of Lambent: the server, its command line, and the first process
// of every execution environment.
package main
