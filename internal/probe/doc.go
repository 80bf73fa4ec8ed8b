// Package probe looks for ways out of a sandbox, from inside it.
//
// It is a list of numbered checks. Each looks for one thing that code in an execution environment
// must not have; finding it is a hit. In a whole sandbox there are none. Outside of any, as root,
// there must be many, or the probe proves nothing: a test holds it to that.
//
// No check harms the host, even when it is run as root outside: files are opened and not
// written, what is created is the probe's own and removed, and system calls get arguments that
// fail (a null pointer, descriptor -1) in a way that tells "refused" from "reached". What a call
// would change for its caller is tried on an OS thread that ends with the check.
//
// It runs as the command "lambent probe", and as a function: with AWS_LAMBDA_RUNTIME_API it
// answers every invocation with its report.
package probe
