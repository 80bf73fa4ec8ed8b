// Package lambda is the vocabulary that every other package speaks: the nouns of AWS Lambda
// (function, version, alias, qualifier, event, attempt, outcome), their names and ARNs, the
// limits that AWS documents, and the one error type.
//
// It imports nothing of the project, does no I/O, reads no clock and starts no goroutine.
// Times are UTC; sizes say their unit in the name.
package lambda
