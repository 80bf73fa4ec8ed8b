package native

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"lambent.dev/lambent/internal/cgroup"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// patience is how long the removal of a kernel resource may take before it is given up and left
// to Recover.
const patience = 30 * time.Second

// Driver makes environments. It implements sandbox.Driver; all methods may be called at once.
type Driver struct {
	options Options
	log     *slog.Logger
	image   *os.File // the sealed copy of the binary
	mounts  *mounter
	spawner *thread
	tree    *cgroup.Tree
	memory  *memory
	disks   *disks
	records records
	uids    net.Listener // holds this driver's range of uids
	uidBase int
	slots   slotSet

	mu        sync.Mutex
	closed    bool
	templates map[string]*template
	live      map[string]*environment
	noted     map[string]bool // of the host, said once
	busy      sync.WaitGroup  // calls in flight, which use the threads
}

// New readies a driver. It answers an error that says what the host lacks when environments
// cannot be isolated whole. Call Recover before the first Boot.
func New(o Options) (*Driver, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, lambda.Errorf(lambda.InvalidParameterValue, "native sandbox: %w", err)
	}
	d := &Driver{
		options: o, log: o.Logger,
		templates: make(map[string]*template),
		live:      make(map[string]*environment),
		noted:     make(map[string]bool),
		slots:     slotSet{used: make(map[int]bool)},
	}
	if err := d.open(); err != nil {
		return nil, lambda.Errorf(lambda.Internal, "native sandbox: %w", errors.Join(err, d.release()))
	}
	return d, nil
}

func (d *Driver) open() (err error) {
	if os.Geteuid() != 0 {
		return errors.New("only root can make environments")
	}
	if err := os.MkdirAll(d.options.StateDir, 0o700); err != nil {
		return err
	}
	// The kernel names files by their real paths, which are compared with ours.
	if d.options.StateDir, err = filepath.EvalSymlinks(d.options.StateDir); err != nil {
		return err
	}
	mnt, diskDir := filepath.Join(d.options.StateDir, "mnt"), filepath.Join(d.options.StateDir, "disks")
	for _, dir := range []string{mnt, diskDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	instance, err := instanceID(filepath.Join(d.options.StateDir, "instance"))
	if err != nil {
		return err
	}
	if d.records, err = openRecords(d.options.StateDir, instance); err != nil {
		return err
	}
	if len(d.records.memory) == 0 {
		d.log.Warn("no tmpfs takes records: no environment can be made while the disk is full")
	}
	survivors, err := d.records.all()
	if err != nil {
		return err
	}
	for _, rec := range survivors {
		d.slots.reserve(rec.Slot)
	}
	if d.uidBase, d.uids, err = claimRange(d.options.UIDBase); err != nil {
		return err
	}
	if d.tree, err = cgroup.Open("lambent", instance); err != nil {
		return err
	}
	if d.image, err = sealedCopy(d.options.Executable); err != nil {
		return err
	}
	if d.mounts, err = newMounter(mnt); err != nil {
		return err
	}
	if d.memory, err = newMemory(instance); err != nil {
		return err
	}
	d.disks = &disks{dir: diskDir, memory: d.memory, mounter: d.mounts, log: d.log, ready: make(map[int]bool)}
	d.spawner, err = startThread(func() error { return nil })
	return err
}

// instanceID answers the name of this state directory's cgroups, the same after every start.
func instanceID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && cgroup.CheckName(id) == nil {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := randomName()
	return id, os.WriteFile(path, []byte(id+"\n"), 0o600)
}

func randomName() string {
	var b [8]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	return hex.EncodeToString(b[:])
}

// claimRange takes the first range of uids that no other server on this host has. An abstract
// socket's name marks it, which goes with its process however that ends.
func claimRange(base int) (int, net.Listener, error) {
	for n := range uidRanges {
		first := base + n*uidRange
		l, err := net.Listen("unix", "@lambent-uids-"+strconv.Itoa(first))
		if err == nil {
			return first, l, nil
		}
	}
	return 0, nil, fmt.Errorf("all %d ranges of uids from %d on are taken", uidRanges, base)
}

// enter counts a call in, unless the driver is closed.
func (d *Driver) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return lambda.Errorf(lambda.Internal, "native sandbox: %w", errClosed)
	}
	d.busy.Add(1)
	return nil
}

// Prepare mounts the runtime's tree, once.
func (d *Driver) Prepare(_ context.Context, r sandbox.Runtime) (sandbox.Template, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.busy.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	key := templateKey(r)
	if t := d.templates[key]; t != nil {
		return t, nil
	}
	if err := checkRuntime(r); err != nil {
		return nil, lambda.Errorf(lambda.InvalidParameterValue, "prepare %s: %w", r.Name, err)
	}
	path := filepath.Join(d.mounts.dir, randomName())
	if err := d.mounts.do(func() error { return build(path, r) }); err != nil {
		return nil, lambda.Errorf(lambda.Internal, "prepare %s: %w", r.Name, err)
	}
	t := &template{runtime: r, path: path}
	d.templates[key] = t
	return t, nil
}

// Boot starts an environment without user code. On error nothing is left behind.
func (d *Driver) Boot(ctx context.Context, t sandbox.Template, s sandbox.Shape) (sandbox.Sandbox, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.busy.Done()
	prepared, ok := t.(*template)
	if !ok || prepared == nil {
		return nil, lambda.Errorf(lambda.Internal, "boot: the template is not of this driver")
	}
	if s.MemoryMB < 16 || s.EphemeralMB < 1 {
		return nil, lambda.Errorf(lambda.InvalidParameterValue, "boot: %d MB of memory and %d MB of /tmp are too small", s.MemoryMB, s.EphemeralMB)
	}
	e := newEnvironment(d, prepared, s)
	for _, step := range e.steps() {
		err := d.options.failAt(step.name)
		if err == nil {
			err = step.do(ctx)
		}
		if err != nil {
			e.Destroy()
			<-e.gone
			return nil, lambda.Errorf(lambda.Internal, "boot %s: %s: %w", prepared.runtime.Name, step.name, err)
		}
	}
	return e, nil
}

// SelfTest boots an environment, runs a program in it and ends it: whether this host can isolate
// whole, said by doing it. The error says what failed.
func (d *Driver) SelfTest(ctx context.Context) error {
	t, err := d.Prepare(ctx, sandbox.Runtime{Name: "self-test"})
	if err != nil {
		return err
	}
	s, err := d.Boot(ctx, t, sandbox.Shape{MemoryMB: 64, EphemeralMB: 16})
	if err != nil {
		return err
	}
	defer func() {
		s.Destroy()
		<-s.Gone()
	}()
	code := filepath.Join(d.options.StateDir, "self-test")
	if err := os.MkdirAll(code, 0o755); err != nil {
		return lambda.Errorf(lambda.Internal, "self-test: %w", err)
	}
	if err := s.Assign(ctx, sandbox.Assignment{Code: code, Command: []string{"/bin/sh", "-c", "exit 42"}}); err != nil {
		return err
	}
	select {
	case x := <-s.Exits():
		if x.Code != 42 {
			return lambda.Errorf(lambda.Internal, "self-test: the program ended with %+v, not with status 42", x)
		}
		return nil
	case <-ctx.Done():
		return lambda.Errorf(lambda.Internal, "self-test: %w", ctx.Err())
	}
}

// note logs what the host lacks without harm, once.
func (d *Driver) note(notes []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range notes {
		if !d.noted[n] {
			d.noted[n] = true
			d.log.Warn(n)
		}
	}
}

// Close ends every environment, waits for them to be gone, and frees what they shared.
func (d *Driver) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	d.busy.Wait()
	d.mu.Lock()
	live := make([]*environment, 0, len(d.live))
	for _, e := range d.live {
		live = append(live, e)
	}
	d.mu.Unlock()
	for _, e := range live {
		e.Destroy()
	}
	for _, e := range live {
		<-e.gone
	}
	return d.release()
}

func (d *Driver) release() error {
	var errs []error
	if d.spawner != nil {
		d.spawner.close()
	}
	if d.mounts != nil {
		errs = append(errs, d.mounts.close())
	}
	if d.memory != nil {
		errs = append(errs, d.memory.close())
	}
	if d.image != nil {
		errs = append(errs, d.image.Close())
	}
	if d.tree != nil {
		if err := d.tree.Remove(); err != nil {
			d.log.Warn("cgroups stay behind", "error", err)
		}
	}
	d.records.close()
	if d.uids != nil {
		errs = append(errs, d.uids.Close())
	}
	return errors.Join(errs...)
}
