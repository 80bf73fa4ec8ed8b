// Package account keeps the installation's accounts and their access keys.
//
// Ownership: the Service owns the account and access key records of the store, and a copy of all
// keys in memory, because every request looks one up.
// Invariants: a key belongs to an account that exists, but for the root key, whose account
// (RootAccount) needs no record. A secret is shown when its key is made and never again; it is kept
// because a signature can only be verified with it.
package account
