// Package process runs functions as plain child processes, for hosts without namespaces.
//
// It isolates nothing. A function runs as the server's user, sees the host's files, network and
// processes, the server's data and every other function. It is for development, and New says so.
//
// What is enforced: at most 1,024 open files, no file longer than EphemeralMB and no core dumps
// (rlimits of each process, Linux only); resident memory, by looking five times a second (Linux only): what is over MemoryMB
// is killed and reported as OOM. The address space is no measure of it (V8 reserves gigabytes), and
// RLIMIT_NPROC counts all processes of the user, so that it would refuse forks for what others
// do: neither is set. /tmp is a folder without a limit of its size, code can be written, cpu and
// the number of processes are not limited.
//
// Paths are the host's: Root says where what an environment knows as /var/task, /var/runtime and
// /tmp really is, and whoever writes a command or an environment variable has to ask it.
//
// Ownership: an environment is a process group and a folder below Options.Dir; both end with it.
// Processes that left the group are found, on Linux, by the folder's name in their environment
// variables. An OS thread belongs to each environment, since the kernel ends a child when the
// thread that forked it ends. Readings are in MB.
package process
