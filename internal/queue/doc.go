// Package queue delivers asynchronous invocations at least once.
//
// Ownership: the store holds every accepted event until it has an outcome; Queue holds claims
// only, in memory. A claim dies with its process, so that after a crash everything unfinished is
// due again. Run owns all goroutines.
//
// Invariants:
//   - Accept returns after the event is on stable storage;
//   - an event ends in one batch: its keys are deleted and its outcome (destination event, dead
//     letter) is written, or neither;
//   - an attempt is written before it starts, so that an attempt cut off by a crash counts, and a
//     crash adds at most one execution to an event;
//   - nothing polls: an event, a completion or the earliest due time wakes the dispatcher;
//   - memory is bounded by the window of each function and by what is running; the rest is on disk.
//
// An event is three keys: the event as accepted (never rewritten), its place in time, and, from
// its first attempt on, its state. Order is by due time, best effort, as on AWS.
//
// Units: attempts count from 1; times are UTC.
package queue
