// Package blob keeps the code of functions: each deployment package as it was sent, for
// GetFunction, and unpacked, for execution environments. Both are named by the SHA-256 of the zip.
//
// Ownership: Store owns its folder alone:
//
//	zip/<sha256 hex>      the package, byte for byte
//	code/<sha256 hex>/    its files; never written again once it has this name
//	tmp/                  what is being written or removed; emptied at start
//
// Invariants:
//   - a name in code/ is complete, on stable storage, and has its zip beside it;
//   - Put is idempotent and safe beside itself; a crash leaves nothing but what Open removes;
//   - nothing in a package reaches a path outside its own folder: all writes go through an
//     os.Root, names are checked first, links are made last and are followed from the root to see
//     where they lead;
//   - files are world-readable (0755 or 0644, folders 0755), so that the uid of a sandbox reads
//     them; no other bit of a package's modes is kept.
//
// Limits: a zip of at most 50 MB unpacks to at most 262,144,000 bytes, 65,535 files and folders,
// paths of 1,024 bytes and
// 64 levels. They hold while unpacking, whatever the zip declares: memory is
// bounded by the central directory (at most 8 MB), time by the sizes.
//
// Sizes are in bytes. Errors are *lambda.Error: InvalidParameterValue for what is wrong with a
// package, ResourceNotFound for code that is not there, Unavailable for a full disk.
package blob
