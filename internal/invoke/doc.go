// Package invoke takes one invocation from a name to an outcome: it resolves the qualifier, asks
// for admission, and has it run.
//
// It serves synchronous calls and the attempts of asynchronous ones alike. It keeps no state and
// retries nothing: what to do with a failed attempt is the queue's to decide.
// Errors are *lambda.Error: ResourceNotFound (no such function or qualifier), ResourceConflict
// (not ready to run), TooManyRequests (see Reason), everything else is a fault of the system.
// What the function itself did wrong is no error but an Outcome.
package invoke
