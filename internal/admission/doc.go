// Package admission decides whether an invocation may start now: the account's concurrency and
// the function's reserved concurrency, with AWS's reasons for a refusal.
//
// Ownership: the Gate holds the number of running invocations, in memory only; a restart begins
// at zero because no invocation outlives the process.
// Units: one unit is one running invocation. Pools are per account and region, as on AWS.
package admission
