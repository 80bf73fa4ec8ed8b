// Package logs keeps what functions and the platform write, per function, on disk, and reads it
// back, also while it grows.
//
// Ownership: the Store owns the folder. A function's log is a row of segment files; the oldest
// are removed beyond a size, so that no function fills the disk.
// Durability: a line is handed to the kernel when Write returns, so it survives the end of the
// process; it is not synced, so a power cut may take the last moments. A full disk drops lines
// and never fails an invocation.
// Units: a line is one write of at most 256 KB; longer ones are cut with a marker.
package logs
