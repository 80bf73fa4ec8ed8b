package process

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// Options of a Driver.
type Options struct {
	Dir    string       // a directory of the driver's own; made if missing
	Logger *slog.Logger // nil drops
}

// Driver makes environments. It implements sandbox.Driver; all methods may be called at once.
type Driver struct {
	dir string
	log *slog.Logger

	mu   sync.Mutex
	live map[string]bool // folders of this driver's environments
}

// New readies a driver, and warns of it.
func New(o Options) (*Driver, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if !filepath.IsAbs(o.Dir) {
		return nil, lambda.Errorf(lambda.InvalidParameterValue, "process sandbox: the folder %q is not an absolute path", o.Dir)
	}
	// Processes carry the folder's name, and what they see is its real one.
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, lambda.Errorf(lambda.Internal, "process sandbox: %w", err)
	}
	dir, err := filepath.EvalSymlinks(o.Dir)
	if err == nil {
		err = keepInheritedFiles()
	}
	if err != nil {
		return nil, lambda.Errorf(lambda.Internal, "process sandbox: %w", err)
	}
	o.Logger.Warn("THE PROCESS SANDBOX ISOLATES NOTHING: functions run as this user and can read and change its files, " +
		"its network, the server's data and each other. Use it for development with code that you trust, never for anything else.")
	return &Driver{dir: dir, log: o.Logger, live: map[string]bool{}}, nil
}

// Prepare has nothing to ready: an interpreter is run where it is.
func (d *Driver) Prepare(ctx context.Context, r sandbox.Runtime) (sandbox.Template, error) {
	return r, ctx.Err()
}

// Boot makes an environment: a folder and the listeners. Its process starts with Assign.
func (d *Driver) Boot(ctx context.Context, t sandbox.Template, s sandbox.Shape) (sandbox.Sandbox, error) {
	runtime, ok := t.(sandbox.Runtime)
	if !ok {
		return nil, lambda.Errorf(lambda.Internal, "boot: the template is of another driver")
	}
	if err := ctx.Err(); err != nil {
		return nil, lambda.Errorf(lambda.Internal, "boot: %w", err)
	}
	e := &environment{
		driver: d, life: context.WithoutCancel(ctx), runtime: runtime, shape: s, dir: filepath.Join(d.dir, rand.Text()),
		exits: make(chan sandbox.Exit, exitsKept), gone: make(chan struct{}), forks: make(chan func()),
	}
	d.mu.Lock()
	d.live[e.dir] = true
	d.mu.Unlock()
	if err := e.open(); err != nil {
		e.closeFiles()
		return nil, lambda.Errorf(lambda.Internal, "boot: %w", errors.Join(err, d.forget(e.dir)))
	}
	go e.keep()
	return e, nil
}

// forget removes an environment's folder. One that holds a mount stays: deleting would reach
// through it.
func (d *Driver) forget(dir string) error {
	defer func() {
		d.mu.Lock()
		delete(d.live, dir)
		d.mu.Unlock()
	}()
	mounted, err := holdsMount(dir)
	if err != nil {
		return err
	}
	if mounted {
		return fmt.Errorf("something is mounted below %s: unmount it, then delete the folder", dir)
	}
	return os.RemoveAll(dir)
}

// Recover ends the processes that an earlier server left and removes their folders.
func (d *Driver) Recover(ctx context.Context) (int, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return 0, lambda.Errorf(lambda.Internal, "recover: %w", err)
	}
	var errs []error
	n := 0
	for _, entry := range entries {
		dir := filepath.Join(d.dir, entry.Name())
		d.mu.Lock()
		ours := d.live[dir]
		d.mu.Unlock()
		if ours || !entry.IsDir() {
			continue
		}
		if err := errors.Join(endLeftover(ctx, dir), d.forget(dir)); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	if err := errors.Join(errs...); err != nil {
		return n, lambda.Errorf(lambda.Internal, "recover: %w", err)
	}
	return n, nil
}

// record says which process leads an environment's group, so that it can be told from a later
// process with the same number.
type record struct {
	PID     int    `json:"pid"`
	Started string `json:"started"` // the kernel's word for when
}

const recordName = "leader.json"

func writeRecord(dir string, pid int) error {
	started, err := startOf(pid)
	if err != nil {
		return err
	}
	text, err := json.Marshal(record{PID: pid, Started: started})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordName), text, 0o600)
}

// endLeftover ends what runs of an environment of an earlier server.
func endLeftover(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var r record
	if err == nil && json.Unmarshal(text, &r) == nil && r.PID > 1 {
		if started, err := startOf(r.PID); err == nil && started == r.Started {
			killGroup(r.PID)
		}
	}
	return endStrays(ctx, dir)
}

// endStrays kills every process that carries the environment's folder until there is none.
func endStrays(ctx context.Context, dir string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for signalStrays(dir, kill) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("processes of %s are still there: %w", dir, ctx.Err())
		}
	}
	return nil
}

// longestSocket is what every system's sockaddr_un has room for.
const longestSocket = 100

func listen(dir string) (tcp, socket net.Listener, err error) {
	tcp, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	if path := filepath.Join(dir, "api.sock"); len(path) <= longestSocket {
		socket, err = net.Listen("unix", path)
	}
	return tcp, socket, err
}
