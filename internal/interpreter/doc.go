// Package interpreter finds the language interpreters of this host and says how they serve
// Lambda's runtimes.
//
// Finder looks where interpreters are installed (system folders, PATH, the folders of version
// managers, paths that the operator names), asks each once what it is, and remembers the answers
// in a file keyed by path, modification time and size. A version manager's shim is followed to
// the interpreter behind it. Finding begins with the first question, not with New: a server is
// ready before it.
//
// Ownership: the Finder owns the cache file and the folder of runtime clients, both below its
// data folder. The clients are embedded in the binary and written once, by content.
// Invariants: an interpreter's folders are only read; an operator's home folder or a root folder
// is never made visible to functions as a whole.
package interpreter
