// Package function keeps functions: their configuration, versions, aliases, event invoke
// configurations, reserved concurrency and tags, with AWS's rules and words.
//
// Ownership: Service alone writes the keys of kinds f, fv, v, n and i. Every change is one atomic
// batch on stable storage, made by one owner at a time for each function. What has been read is
// kept in memory until the function changes; a *lambda.Configuration that is answered is shared
// and must not be written.
//
// Invariants:
//   - a published version never changes, and its number is never used again, not even by another
//     function of the same name;
//   - an alias points to versions that exist;
//   - RevisionID changes with every change of what it stands for. A change takes two steps, as on
//     AWS: the answer shows Pending or InProgress and one RevisionID, every later read the final
//     state and the next one. Both are decided in one batch, so that the window between them is
//     seen by the caller only and nothing can fall into it.
//
// It does not touch code (package blob does) and runs nothing. Times and ids come from the Clock
// and the id source that New is given. Errors are *lambda.Error.
package function
