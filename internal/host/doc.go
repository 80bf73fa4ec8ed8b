// Package host is the one place that knows what this machine can do for Lambent.
//
// Probe looks: it reads, and tries what only trying tells (a clone with new namespaces whose child
// never runs anything, a control group made and removed, and one whole environment where the
// caller gives a way to start one). It leaves nothing behind. Assess judges what was seen: a pure
// function. The server, the demo, the tests and "lambent doctor" all ask the Report.
package host
