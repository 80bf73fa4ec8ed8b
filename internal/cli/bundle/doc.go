// Package bundle turns a folder into the zip file that Lambda takes.
//
// It finds out what a folder holds (Detect), builds a Go module to a bootstrap (Build) and packs
// the rest (Pack), leaving out what .lambentignore and a short list of defaults name.
//
// Invariants: the same files with the same execute bits give the same bytes, whatever their
// times, owners and order on disk; nothing outside the folder is read or linked to; a folder is
// never written to.
// Units: sizes are bytes.
//
// It does not talk to a server, read the environment or keep anything.
package bundle
