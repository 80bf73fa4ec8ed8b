package native

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/sandbox"
)

// starter is the one OS thread that forks the function's processes. It has been confined itself,
// so that what it forks is confined from its first instruction: cgroups, capability bounding set,
// no_new_privs, landlock, seccomp. init's other threads stay outside, to reap and to kill.
type starter struct {
	*thread
	output *os.File // held: a file that nobody holds is closed when Go collects it
	null   int
}

// Capabilities that init keeps, all only within the environment's user namespace: to end the
// function's processes and to become the function's user when forking.
const initCapabilities = 1<<unix.CAP_KILL | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID

// notedCgo is said of a binary that Go cannot change all threads of. The release is built without.
const notedCgo = "built with cgo: init keeps its capabilities inside its user namespace"

const (
	securityBits = 1<<0 | 1<<1 | 1<<6 | 1<<7 // SECBIT_NOROOT and SECBIT_NO_CAP_AMBIENT_RAISE, locked
	lastKnownCap = 63
)

// newStarter answers the confined thread, and what it had to do without.
func newStarter(w *walls) (*starter, []string, error) {
	filter, err := assemble()
	if err != nil {
		return nil, nil, err
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open /dev/null: %w", err)
	}
	s := &starter{output: w.output(), null: null}
	var notes []string
	s.thread, err = startThread(func() error {
		notes, err = confine(w, filter)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return s, notes, nil
}

// confine confines the calling thread. The order matters: each step needs what a later one takes.
func confine(w *walls, filter []bpf.RawInstruction) (notes []string, err error) {
	var last string
	do := func(name string, f func() error) {
		if err != nil {
			return
		}
		last = name
		err = f()
		if err == nil && w.order.FailIn == name {
			err = errors.New("made to fail")
		}
		w.done = append(w.done, name)
	}
	do("join cgroups", func() error { return join(w.tasks()) })
	do("cgroup namespace", func() error { return unix.Unshare(unix.CLONE_NEWCGROUP) })
	do("security bits", func() error { return unix.Prctl(unix.PR_SET_SECUREBITS, securityBits, 0, 0, 0) })
	do("bounding set", dropBounding)
	do("init's capabilities", func() error {
		all, err := dropCapabilities()
		if !all {
			notes = append(notes, notedCgo)
		}
		return err
	})
	do("no new privileges", func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
	do("landlock", func() error {
		abi := landlockABI()
		if abi == 0 {
			notes = append(notes, "no landlock: the second wall is missing")
			return nil
		}
		return restrict(abi)
	})
	do("init is opaque", func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) })
	do("system call filter", func() error { return install(filter) })
	do("check confinement", checkConfined)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", last, err)
	}
	return notes, nil
}

// join moves the calling thread into the cgroups (v1); on v2 init was born there.
func join(tasks []*os.File) error {
	for _, f := range tasks {
		if _, err := unix.Write(int(f.Fd()), []byte("0")); err != nil {
			return err
		}
	}
	closeAll(tasks)
	return nil
}

func dropBounding() error {
	for c := uintptr(0); c <= lastKnownCap; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err == unix.EINVAL { // past the kernel's last one
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropCapabilities leaves init's threads only what init needs. Go cannot do that to all threads
// of a program that holds C code; then it is done to the calling one, which is the one that forks.
func dropCapabilities() (all bool, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: initCapabilities, Permitted: initCapabilities}}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&header)
	switch errno {
	case 0:
		return true, nil
	case syscall.ENOTSUP:
		return false, unix.Capset(&header, &data[0])
	default:
		return false, errno
	}
}

func install(filter []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(filter))
	for i, in := range filter {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

func checkConfined() error {
	for _, c := range []struct {
		name string
		op   int
		want int
	}{{"no_new_privs", unix.PR_GET_NO_NEW_PRIVS, 1}, {"seccomp", unix.PR_GET_SECCOMP, unix.SECCOMP_MODE_FILTER}} {
		got, err := unix.PrctlRetInt(c.op, 0, 0, 0, 0)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", c.name, err)
		}
		if got != c.want {
			return fmt.Errorf("%s is %d, not %d", c.name, got, c.want)
		}
	}
	return nil
}

// start forks the command as the function's user and answers its process id.
func (s *starter) start(command, env []string) (int, error) {
	if len(command) == 0 {
		return 0, errors.New("no command")
	}
	var pid int
	output := s.output.Fd()
	err := s.do(func() error {
		var err error
		pid, err = syscall.ForkExec(command[0], command, &syscall.ProcAttr{
			Dir:   sandbox.TaskRoot,
			Env:   env,
			Files: []uintptr{uintptr(s.null), output, output},
			Sys: &syscall.SysProcAttr{
				Credential: &syscall.Credential{Uid: functionUID, Gid: functionGID},
				Setsid:     true,
			},
		})
		return err
	})
	return pid, err
}
