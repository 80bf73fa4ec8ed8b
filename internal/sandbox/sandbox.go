// Package sandbox is the contract between compute and what isolates untrusted code.
//
// A Driver boots execution environments that hold no user code; an environment is assigned one
// function version, once, and is destroyed after its use: it never serves another. Drivers own
// all kernel resources of an environment (processes, namespaces, mounts, cgroups) and must fail
// closed: an environment that cannot be isolated whole does not start.
// Every driver, and the scripted fake, passes sandboxtest. Sizes are in MB, as AWS counts memory.
package sandbox

import (
	"context"
	"net"
	"os"
)

// Driver makes execution environments on this host.
type Driver interface {
	// Prepare readies what all environments of a runtime share. It is idempotent and may be
	// called at any time. The error says what the host lacks.
	Prepare(ctx context.Context, r Runtime) (Template, error)
	// Boot starts an environment that holds no user code. On error nothing is left behind.
	Boot(ctx context.Context, t Template, s Shape) (Sandbox, error)
	// Recover ends and removes whatever an earlier process with the same data folder left
	// behind, and answers how many environments that were.
	Recover(ctx context.Context) (int, error)
}

// Template is a prepared runtime; only the driver that made it looks inside.
type Template any

// Runtime says what must be there to run a family of functions.
type Runtime struct {
	Name string // "python3.11": for messages and caching
	// Interpreters are host directories (or files) that appear read-only at the same path.
	Interpreters []string
	// Client is the host directory of the runtime client; it appears read-only at /var/runtime. "" for none.
	Client string
}

// Shape is what an environment may use.
type Shape struct {
	Account     string // its cgroup is a child of the account's
	MemoryMB    int    // memory limit; cpu follows it: 1,769 MB = 1 vCPU
	EphemeralMB int    // size of /tmp; not counted as memory by the native driver
}

// Endpoint is where code inside an environment reaches its Runtime API.
type Endpoint struct {
	Address string // AWS_LAMBDA_RUNTIME_API: host:port
	Socket  string // path of a unix socket as seen inside, or "" where there is none
}

// Assignment binds an environment to one function version.
type Assignment struct {
	Code    string   // host directory, visible read-only at TaskRoot; never written
	Command []string // argv; Command[0] is an absolute path as seen inside
	Env     []string // the whole environment, K=V
}

// Exit says that the process started by Assign or Restart has ended.
type Exit struct {
	Code   int    // exit status; -1 when a signal ended it
	Signal string // Go's name, "killed" or "segmentation fault"; "" when it exited
	OOM    bool   // the kernel ended something in this environment for want of memory
}

// Stats are readings of one environment.
type Stats struct {
	MaxMemoryMB int // peak since Assign
}

// Sandbox is one execution environment. Methods are called by one goroutine at a time, except
// Destroy, which is safe at any time.
type Sandbox interface {
	// Root translates a path as seen inside into what code must be told; the identity for
	// drivers with a file system of their own. The process driver has none.
	Root(path string) string
	// Endpoint answers the Runtime API's address as seen inside.
	Endpoint() Endpoint
	// Listeners answers the host's ends of the endpoint. They close with Destroy.
	Listeners() []net.Listener
	// Output is the read end of the environment's stdout and stderr, non-blocking. It ends after
	// Destroy, and is its reader's to close.
	Output() *os.File
	// Assign binds the code and starts the command, once. After an error it is only good for
	// Destroy; one that is fs.ErrNotExist, fs.ErrPermission or syscall.ENOEXEC is about the command.
	Assign(ctx context.Context, a Assignment) error
	// Restart ends every process of the environment and starts the command again. /tmp stays.
	Restart(ctx context.Context) error
	// Exits yields one Exit for each start whose process ended by itself or by a fault, never
	// for one that Restart or Destroy ended. It is closed after Destroy.
	Exits() <-chan Exit
	// Freeze stops all its processes, Thaw lets them go on.
	Freeze() error
	Thaw() error
	// Stats answers current readings.
	Stats() (Stats, error)
	// Destroy ends it in the background and frees everything; it never blocks and may be repeated.
	Destroy()
	// Gone is closed when nothing of it is left.
	Gone() <-chan struct{}
}

// Paths as seen inside an environment.
const (
	TaskRoot    = "/var/task"
	RuntimeRoot = "/var/runtime"
	LayerRoot   = "/opt"
	TempRoot    = "/tmp"
)
