package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/cgroup"
)

const (
	maxProcesses = 1024
	// setUpLimit is how long init may take where the caller sets no deadline.
	setUpLimit = 30 * time.Second
)

type step struct {
	name string
	do   func(context.Context) error
}

// steps is Boot in order. Each may fail; Destroy frees what there is by then.
// init is started early, so that it wakes up while the rest of its world is made.
func (e *environment) steps() []step {
	return []step{
		{"identity", e.takeIdentity},
		{"record", func(context.Context) error { return e.driver.records.write(e.record) }},
		{"cgroup", e.makeGroup},
		{"output", e.makeOutput},
		{"start init", e.startInit},
		{"record init", func(context.Context) error { return e.driver.records.write(e.record) }},
		{"out-of-memory score", e.setScore},
		{"disk", e.makeDisk},
		{"root", e.copyRoot},
		{"set up", e.setUp},
		{"listeners", e.openListeners},
		{"namespaces", e.checkNamespaces},
		{"watch", e.watch},
	}
}

func (e *environment) takeIdentity(context.Context) error {
	slot, err := e.driver.slots.take()
	if err != nil {
		return err
	}
	e.slot = slot
	e.initUID, e.functionUID = pair(e.driver.uidBase, slot)
	e.record = record{Name: e.name, Slot: slot}
	return nil
}

func (e *environment) makeGroup(context.Context) (err error) {
	account := e.shape.Account
	if account == "" {
		account = "unassigned"
	}
	e.group, err = e.driver.tree.Create(account, e.name, cgroup.ForMemory(e.shape.MemoryMB, maxProcesses))
	return err
}

// makeOutput makes the pipe for stdout and stderr. It belongs to the function's user, who may
// open it again by /dev/stdout.
func (e *environment) makeOutput(context.Context) (err error) {
	e.output, e.outputWriter, err = os.Pipe()
	if err != nil {
		return err
	}
	return e.outputWriter.Chown(e.functionUID, e.functionUID)
}

func (e *environment) startInit(context.Context) error {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make control socket: %w", err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "control")
	defer theirs.Close()
	if e.control, err = newChannel(os.NewFile(uintptr(ends[0]), "control"), maxReport); err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	words, err := unix.MemfdCreate("init-words", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make init's standard error: %w", err)
	}
	e.words = os.NewFile(uintptr(words), "init-words")
	dir, err := e.group.Dir()
	if err != nil {
		return err
	}
	attr := e.initAttr([]uintptr{null.Fd(), null.Fd(), e.words.Fd(), theirs.Fd(), e.driver.image.Fd()})
	if dir != nil {
		defer dir.Close()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(dir.Fd())
	}
	pidfd := -1
	attr.Sys.PidFD = &pidfd
	err = e.driver.spawner.do(func() error {
		e.pid, err = syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(fdImage), []string{initName}, attr)
		return err
	})
	if err != nil {
		return fmt.Errorf("fork: %w", err)
	}
	if pidfd < 0 {
		return errors.New("the kernel gives no pidfd: Linux 5.4 or newer is needed")
	}
	e.pidfd = os.NewFile(uintptr(pidfd), "init")
	e.record.PID, e.record.StartTime = e.pid, startTime(e.pid)
	return nil
}

func (e *environment) initAttr(files []uintptr) *syscall.ProcAttr {
	ids := func(host, function int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: e.initUID, Size: 1}, {ContainerID: function, HostID: host, Size: 1}}
	}
	return &syscall.ProcAttr{
		Env:   []string{"GOMAXPROCS=2", "GOTRACEBACK=single"},
		Files: files,
		Sys: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
				unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
			UidMappings:                ids(e.functionUID, functionUID),
			GidMappings:                ids(e.functionUID, functionGID),
			GidMappingsEnableSetgroups: true, // init empties the list, then loses the right
			Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
			Pdeathsig:                  syscall.SIGKILL,
			Setsid:                     true,
		},
	}
}

// setScore makes the kernel end environments before anything else of the host. Processes inside
// inherit it.
func (e *environment) setScore(context.Context) error {
	return os.WriteFile("/proc/"+strconv.Itoa(e.pid)+"/oom_score_adj", []byte("1000"), 0)
}

func (e *environment) makeDisk(ctx context.Context) (err error) {
	e.disk, err = e.driver.disks.create(ctx, e.name, e.shape.EphemeralMB, e.functionUID)
	return err
}

func (e *environment) copyRoot(context.Context) (err error) {
	e.root, err = e.driver.mounts.clone(e.template.path)
	return err
}

// setUp hands init all it needs and waits until the walls stand.
func (e *environment) setUp(ctx context.Context) error {
	tasks, err := e.group.Tasks()
	if err != nil {
		return err
	}
	files := append([]*os.File{e.root, e.disk.tree, e.outputWriter}, tasks...)
	order := message{Op: opSetUp, MemoryMB: e.shape.MemoryMB, FailIn: e.driver.options.failIn}
	err = e.control.send(order, files...)
	closeAll(files) // init has them now; so does nobody else
	if err != nil {
		return e.explain(err)
	}
	stop := context.AfterFunc(ctx, e.killInit)
	defer stop()
	if err := e.control.conn.SetReadDeadline(time.Now().Add(setUpLimit)); err != nil {
		return err
	}
	ready, got, err := e.control.receive()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return e.explain(err)
	}
	e.passed = got
	if err := e.control.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if ready.Op != opReady || ready.Error != "" || len(got) != 3 {
		return fmt.Errorf("init: %s", ready.Error)
	}
	e.setUpSteps = ready.Steps
	e.driver.note(ready.Notes)
	return nil
}

// explain adds init's last words to the news that it is gone.
func (e *environment) explain(err error) error {
	text := make([]byte, 4096)
	n, readErr := e.words.ReadAt(text, 0)
	if readErr != nil && !errors.Is(readErr, io.EOF) || n == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", err, text[:n])
}

func (e *environment) openListeners(context.Context) error {
	for _, f := range e.passed[:2] {
		l, err := net.FileListener(f)
		if err != nil {
			return err
		}
		e.listeners = append(e.listeners, l)
	}
	closeAll(e.passed[:2])
	e.task = e.passed[2]
	e.passed = nil
	return nil
}

// checkNamespaces trusts nobody's word that init is apart from the host.
func (e *environment) checkNamespaces(context.Context) error {
	proc := "/proc/" + strconv.Itoa(e.pid) + "/ns/"
	for _, kind := range []string{"user", "mnt", "pid", "ipc", "uts", "net"} {
		own, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return err
		}
		theirs, err := os.Readlink(proc + kind)
		if err != nil {
			return err
		}
		if own == theirs {
			return fmt.Errorf("the %s namespace is the host's", kind)
		}
	}
	var err error
	e.mountNS, err = os.Open(proc + "mnt")
	return err
}

// watch starts the goroutines of a booted environment.
func (e *environment) watch(context.Context) error {
	event, err := e.group.WatchOOM()
	if err != nil {
		return err
	}
	e.oomEvent = event
	e.watched = true
	e.watching.Add(2)
	go e.listenToInit()
	go e.watchOOM()
	return nil
}
