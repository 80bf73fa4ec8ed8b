// Package store keeps the key space of package kv on one machine's disk, with Pebble.
//
// Ownership: a Store owns its folder, held by a lock; one process at a time. Pebble's own
// goroutines live from Open to Close.
//
// Invariants:
//   - Commit with kv.Synced returns nil only after an fsync that covers the batch returned nil;
//   - a log write or fsync that failed is never tried again and then acknowledged: the store is
//     failed from then on, refuses every write and says so (Health, and once in the log);
//   - a full disk is no failure: new work is refused while less than the reserve is free, work
//     that ends something may use the reserve, and all is accepted again when there is room;
//   - a folder written by a newer version, or by something else, is refused and not changed by us.
//
// The file system is an argument, so that tests cut the power, fill the disk and fail any call.
// Units: sizes are bytes.
package store
