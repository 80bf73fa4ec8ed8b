// Package compute runs invocations in execution environments.
//
// A Pool boots environments on a sandbox driver, binds each to one function version and
// configuration, brings it events through the Runtime API, judges how each invocation ended and
// writes the log lines that AWS writes. Idle environments are used again newest first, frozen
// when idle for a moment, ended when idle for long or when their memory is needed.
//
// Ownership: the Pool owns every environment from Boot to Gone; one Invoke at a time owns a busy
// environment. An environment's log is written by its recorder only, under one lock, so that what
// a function printed before its answer stands before END.
// Invariants: an environment serves one Key (account, region, function, version, configuration)
// all its life; one that exited, timed out or was retired serves nobody again; a call never fails
// because an idle environment died: it takes another. The sum of the environments' memory limits
// stays within MaxMemoryMB, but for a single environment that is larger than that.
// Units: memory in MB; times are UTC, durations are monotonic.
//
// It does not admit calls (concurrency limits are admission's) and does not retry (queue's).
package compute
