package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/sandbox"
)

// walls is what init builds before it reports ready. Every mount is made and placed by
// descriptor, and all of it happens while no tenant file is visible.
type walls struct {
	order message
	files []*os.File // from the host: root, tmp, output, cgroup tasks...

	proc, shm, run *os.File // detached until attached
	listeners      []*os.File
	task           *os.File
	done           []string
}

func (w *walls) root() int         { return int(w.files[0].Fd()) }
func (w *walls) tmp() *os.File     { return w.files[1] }
func (w *walls) output() *os.File  { return w.files[2] }
func (w *walls) tasks() []*os.File { return w.files[3:] }

// build does the steps in order and answers the one that failed.
func (w *walls) build() (string, error) {
	steps := []struct {
		name string
		do   func() error
	}{
		{"order", w.checkOrder},
		{"part from the host's mounts", w.partMounts},
		{"host name", func() error { return unix.Sethostname([]byte(hostname)) }},
		{"make /proc", w.makeProc},
		{"make /dev/shm", w.makeShm},
		{"make /run", w.makeRun},
		{"attach root", w.attachRoot},
		{"attach mounts", w.attachMounts},
		{"mask /proc", w.maskProc},
		{"pivot", w.pivot},
		{"loopback", loopbackUp},
		{"listen", w.listen},
		{"close /run", w.closeRun},
		{"limits", setLimits},
		{"task directory", w.openTask},
		{"check", w.check},
	}
	for _, step := range steps {
		err := step.do()
		if err == nil && w.order.FailIn == step.name {
			err = errors.New("made to fail")
		}
		if err != nil {
			return step.name, fmt.Errorf("%s: %w", step.name, err)
		}
		w.done = append(w.done, step.name)
	}
	return "", nil
}

func (w *walls) checkOrder() error {
	if w.order.Op != opSetUp || len(w.files) < 3 {
		return fmt.Errorf("order %q with %d descriptors is not a set-up", w.order.Op, len(w.files))
	}
	return nil
}

func (w *walls) partMounts() error {
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

// newMount answers a detached mount of a fresh file system.
func newMount(kind string, flags int, options ...string) (*os.File, error) {
	ctx, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ctx)
	for i := 0; i < len(options); i += 2 {
		if err := unix.FsconfigSetString(ctx, options[i], options[i+1]); err != nil {
			return nil, fmt.Errorf("option %s: %w", options[i], err)
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), kind), nil
}

const plain = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// makeProc makes the namespace's own procfs, in which the function sees only its own processes.
func (w *walls) makeProc() (err error) {
	w.proc, err = newMount("proc", plain, "hidepid", "invisible")
	if err != nil {
		return fmt.Errorf("%w (the host's /proc must be whole: nothing mounted over parts of it)", err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(w.proc.Fd()), &fs); err != nil {
		return err
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return fmt.Errorf("file system type %#x is not procfs", fs.Type)
	}
	return nil
}

// makeShm makes shared memory, which counts as the function's memory.
func (w *walls) makeShm() (err error) {
	size := strconv.Itoa(max(1, w.order.MemoryMB)) + "m"
	w.shm, err = newMount("tmpfs", plain, "mode", "1777", "size", size, "nr_inodes", "16384")
	return err
}

// makeRun makes /run, with the Runtime API's directory and the files that stand in for /proc's.
func (w *walls) makeRun() (err error) {
	if w.run, err = newMount("tmpfs", plain, "mode", "0755", "size", "256k", "nr_inodes", "64"); err != nil {
		return err
	}
	run := int(w.run.Fd())
	if err := unix.Mkdirat(run, socketDir, 0o755); err != nil {
		return err
	}
	for name, text := range procFiles(w.order.MemoryMB, time.Now()) {
		fd, err := unix.Openat(run, "proc-"+name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o444)
		if err != nil {
			return err
		}
		_, err = unix.Write(fd, []byte(text))
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}

// attachRoot puts the tree into this namespace; any directory will do, as pivot leaves it.
func (w *walls) attachRoot() error {
	return unix.MoveMount(w.root(), "", unix.AT_FDCWD, "/usr", unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// at opens a path below dir that crosses no link, for use as a mount's place.
func at(dir int, path string) (int, error) {
	return unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// place moves a detached mount to path below dir.
func place(tree *os.File, dir int, path string) error {
	to, err := at(dir, path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(to)
	err = unix.MoveMount(int(tree.Fd()), "", to, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("place %s: %w", path, err)
	}
	return nil
}

func (w *walls) attachMounts() error {
	for _, m := range []struct {
		tree *os.File
		path string
	}{{w.proc, "proc"}, {w.shm, "dev/shm"}, {w.run, "run"}, {w.tmp(), sandbox.TempRoot[1:]}} {
		if err := place(m.tree, w.root(), m.path); err != nil {
			return err
		}
	}
	return nil
}

// maskProc hides, replaces or write-protects what is in /proc besides processes.
func (w *walls) maskProc() error {
	dir, err := unix.Openat(int(w.proc.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	listing := os.NewFile(uintptr(dir), "/proc")
	entries, err := listing.ReadDir(-1)
	if err := errors.Join(err, listing.Close()); err != nil {
		return err
	}
	fakes := procFiles(0, time.Time{})
	for _, e := range entries {
		_, faked := fakes[e.Name()]
		var err error
		switch decideProc(e.Name(), faked) {
		case procFreeze:
			err = w.cover(e.Name(), int(w.proc.Fd()), e.Name())
		case procFake:
			err = w.cover(e.Name(), int(w.run.Fd()), "proc-"+e.Name())
		case procMask:
			over := "dev/null"
			if e.IsDir() {
				over = "mnt"
			}
			err = w.cover(e.Name(), w.root(), over)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

// cover lays a read-only copy of source over /proc/name.
func (w *walls) cover(name string, dir int, source string) error {
	from, err := at(dir, source)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	tree, err := unix.OpenTree(from, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(tree), source)
	defer f.Close()
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC}); err != nil {
		return err
	}
	return place(f, int(w.proc.Fd()), name)
}

// pivot makes the tree the root and lets go of everything of the host's.
func (w *walls) pivot() error {
	if err := unix.Fchdir(w.root()); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	// The old root lies on top of the new one now.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	closeAll(w.files[:2])
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// listen opens the Runtime API's two addresses inside; the host accepts on them.
func (w *walls) listen() error {
	tcp, err := listenOn(unix.AF_INET, &unix.SockaddrInet4{Port: apiPort, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		return err
	}
	w.listeners = append(w.listeners, tcp)
	path := filepath.Join("/run", socketDir, socketName)
	local, err := listenOn(unix.AF_UNIX, &unix.SockaddrUnix{Name: path})
	if err != nil {
		return err
	}
	w.listeners = append(w.listeners, local)
	return unix.Chmod(path, 0o666)
}

func listenOn(family int, address unix.Sockaddr) (*os.File, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "listener")
	if family == unix.AF_INET {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err == nil {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// closeRun makes /run read-only; a socket in it can still be connected to.
func (w *walls) closeRun() error {
	err := protect(int(w.run.Fd()), "", 0)
	closeAll([]*os.File{w.proc, w.shm, w.run})
	return err
}

// setLimits sets what forked processes inherit. The syscall package's own Setrlimit also stops it
// from giving children the limit that this process was born with.
func setLimits() error {
	return errors.Join(
		syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1024, Max: 1024}),
		syscall.Setrlimit(unix.RLIMIT_CORE, &syscall.Rlimit{}),
		syscall.Setrlimit(unix.RLIMIT_MEMLOCK, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}),
		syscall.Setrlimit(unix.RLIMIT_MSGQUEUE, &syscall.Rlimit{}),
	)
}

// openTask opens the place for code, for the host to attach it there.
func (w *walls) openTask() error {
	fd, err := unix.Open(sandbox.TaskRoot, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.task = os.NewFile(uintptr(fd), sandbox.TaskRoot)
	return nil
}

// check looks whether the outcome is what the steps were for.
func (w *walls) check() error {
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	if cwd != "/" {
		return fmt.Errorf("working directory is %q", cwd)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return err
	}
	if fs.Type != unix.TMPFS_MAGIC || fs.Flags&unix.ST_RDONLY == 0 {
		return errors.New("root is not the read-only tree")
	}
	if err := unix.Access(sandbox.TaskRoot, unix.W_OK); !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s is writable", sandbox.TaskRoot)
	}
	return nil
}
