// Package native runs untrusted code in the host kernel's own walls.
//
// An environment is a process tree in user, mount, PID, IPC, UTS, network and cgroup namespaces
// of its own, below an init that is this very binary (re-executed from a sealed copy in memory).
// The function's processes run as a uid that no other environment and nothing on the host has,
// without capabilities, with no_new_privs, inside a Landlock domain and under a system call
// allow-list, on a read-only tree that shows the host's system folders and nothing else of it.
//
// Order is the security core. Everything is mounted by file descriptor while no tenant file is
// visible; init then gives up what it no longer needs; only then is code bound, by the host, as
// a detached read-only mount, and after that nothing trusted resolves a path inside. Any step
// that fails ends the environment: there is no half-isolated one.
//
// Ownership: a Driver owns two OS threads. "mounts" lives in a mount namespace of its own, so
// that nothing is ever mounted in the host's; "spawner" is the parent of every init, so that
// the kernel ends all of them should the server die. An environment owns its processes, cgroup,
// loop device, /tmp image, uid pair and sockets; all are on its undo list, which Destroy runs.
// Files: one record each, for Recover, in a folder of this StateDir's on a tmpfs (/run/lambent or
// /dev/shm/lambent) or, where there is none, in StateDir/environments; StateDir/disks holds the
// /tmp images; StateDir/mnt is a mount point, empty as seen from outside.
//
// It needs root, Linux 5.12 or newer, cgroup v1 or v2, loop devices, mkfs.ext4, and a /proc that
// nothing is mounted over. Where the v2 hierarchy is mounted, be it beside v1, frozen environments
// die with the server; on a host with v1 alone they stay until the next start recovers them.
// Every environment's /tmp is a sparse file: the sum of their sizes may exceed the disk, and a
// function that writes when the disk is full gets EIO. A new environment needs no room on it:
// when there is none, its /tmp is a file in memory, of the same size and subject to the same, where
// the memory for all such is a quarter of the host's.
//
// Files of code, interpreters and clients are read as "others": they must be world-readable.
// Namespaces share one kernel. That is the weaker tier, and SECURITY.md says so.
package native
