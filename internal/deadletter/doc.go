// Package deadletter keeps the events that could not be processed, and processes them again.
//
// A letter is a head (what lists show and filters read), a body (attempts, context, provenance)
// and the payload, each under its own key, so that a search reads heads alone. A letter's id is
// made of the time of its burial and its event's id: ids sort by time, and one event can become
// one letter only.
//
// Ownership: Store owns every letter and index; Jobs owns redrive and purge jobs, and its Run is
// the one goroutine. The caller of Bury commits the batch that ends the event.
//
// Invariants:
//   - an event is either queued or a letter, never both and never neither: burying and redriving
//     are one batch each;
//   - groups are counted off the index and stored nowhere, so that they cannot disagree with it;
//   - burying takes no lock and reads nothing; whatever changes or removes a letter holds the
//     owner lock of its account from the read to the commit, so that of two such changes the
//     second sees the first;
//   - a job's progress is in the batch that made it: a kill between two batches repeats nothing.
//
// Units: times are UTC; burial times are whole milliseconds, as ids are.
package deadletter
