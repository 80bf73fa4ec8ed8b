package probe

import (
	"errors"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	none    = ^uintptr(0) // descriptor -1
	bad     = uintptr(1)  // a pointer into nothing
	unknown = uintptr(0x7fffff00)
)

// The arguments of each call fail after the kernel has asked whether the caller may, and before
// anything happens.
func callChecks() []check {
	call := func(id, name string, number uintptr, args ...uintptr) check {
		return check{id, name, func(*world) finding { return reached(number, args...) }}
	}
	return append([]check{
		call("C01", "bpf", unix.SYS_BPF, unknown, 0, 0),
		call("C02", "perf_event_open", unix.SYS_PERF_EVENT_OPEN, 0, 0, none, none, 0),
		call("C03", "userfaultfd", unix.SYS_USERFAULTFD, unknown),
		call("C04", "io_uring_setup", unix.SYS_IO_URING_SETUP, 1, 0),
		call("C05", "io_uring_enter", unix.SYS_IO_URING_ENTER, none, 0, 0, 0, 0, 0),
		call("C06", "add_key", unix.SYS_ADD_KEY, 0, 0, 0, 0, 0),
		call("C07", "request_key", unix.SYS_REQUEST_KEY, 0, 0, 0, 0),
		call("C08", "keyctl", unix.SYS_KEYCTL, unknown, 0, 0, 0, 0),
		call("C09", "ptrace", unix.SYS_PTRACE, unknown, unknown, 0, 0),
		call("C10", "process_vm_readv", unix.SYS_PROCESS_VM_READV, pid(), 0, 0, 0, 0, 0),
		call("C11", "process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, pid(), 0, 0, 0, 0, 0),
		call("C12", "pidfd_getfd", unix.SYS_PIDFD_GETFD, none, none, 0),
		call("C13", "kcmp", unix.SYS_KCMP, unknown, unknown, 0, 0, 0),
		{"C14", "unshare a user namespace", unshareUser},
		{"C15", "unshare a namespace", unshareName},
		{"C16", "clone with a user namespace", cloneUser},
		call("C17", "clone3", unix.SYS_CLONE3, 0, 0),
		call("C18", "setns", unix.SYS_SETNS, none, 0),
		call("C19", "mount", unix.SYS_MOUNT, 0, 0, 0, 0, 0),
		call("C20", "umount", unix.SYS_UMOUNT2, 0, 0),
		call("C21", "fsopen", unix.SYS_FSOPEN, 0, 0),
		call("C22", "fsmount", unix.SYS_FSMOUNT, none, 0, 0),
		call("C23", "open_tree with a copy", unix.SYS_OPEN_TREE, none, 0, unix.OPEN_TREE_CLONE),
		call("C24", "move_mount", unix.SYS_MOVE_MOUNT, none, 0, none, 0, 0),
		call("C25", "mount_setattr", unix.SYS_MOUNT_SETATTR, none, 0, 0, 0, 0),
		call("C26", "pivot_root", unix.SYS_PIVOT_ROOT, 0, 0),
		{"C27", "chroot", chroot},
		call("C28", "name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT, none, 0, 0, 0, 0),
		call("C29", "open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, none, 0, 0),
		call("C30", "kexec_load", unix.SYS_KEXEC_LOAD, 0, 0, 0, 0xff00),
		call("C31", "init_module", unix.SYS_INIT_MODULE, 0, 0, 0),
		call("C32", "finit_module", unix.SYS_FINIT_MODULE, none, 0, 0),
		call("C33", "delete_module", unix.SYS_DELETE_MODULE, 0, unix.O_NONBLOCK),
		call("C34", "reboot", unix.SYS_REBOOT, 0, 0, 0, 0), // not the magic numbers
		call("C35", "swapon", unix.SYS_SWAPON, 0, 0),
		call("C36", "swapoff", unix.SYS_SWAPOFF, 0),
		call("C37", "set the clock", unix.SYS_SETTIMEOFDAY, 0, 0),
		call("C38", "set the host name", unix.SYS_SETHOSTNAME, 0, none),
		call("C39", "the kernel's log by call", unix.SYS_SYSLOG, 10, 0, 0), // its size
		call("C40", "process accounting", unix.SYS_ACCT, bad),
		call("C41", "fanotify_init", unix.SYS_FANOTIFY_INIT, unknown, 0),
		call("C42", "quotactl", unix.SYS_QUOTACTL, unknown, 0, 0, 0),
		call("C43", "vmsplice", unix.SYS_VMSPLICE, none, 0, 0, 0),
		call("C44", "move_pages", unix.SYS_MOVE_PAGES, unknown, 0, 0, 0, 0, 0),
		call("C45", "process_madvise", unix.SYS_PROCESS_MADVISE, none, 0, 0, 0, 0),
	}, archChecks(call)...)
}

func pid() uintptr { return uintptr(unix.Getpid()) }

// refused are the answers of a kernel or a filter that says no.
var refused = []error{unix.ENOSYS, unix.EPERM, unix.EACCES}

// reached makes a system call and hits unless it was refused.
func reached(number uintptr, args ...uintptr) finding {
	var a [6]uintptr
	copy(a[:], args)
	return onThread(func() finding {
		_, _, e := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		return answered(e)
	})
}

func answered(err error) finding {
	var e syscall.Errno
	if errors.As(err, &e) && e != 0 {
		for _, r := range refused {
			if errors.Is(e, r) {
				return clean("%v", e)
			}
		}
		return hit("reached: %v", e)
	}
	return hit("reached: it was done")
}

// onThread runs a check on an OS thread that ends with it, and with all that it changed of itself.
func onThread(f func() finding) finding {
	answer := make(chan finding)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		answer <- f()
	}()
	return <-answer
}

// unshareUser can't succeed in a process of several threads, but says whether it was looked at.
func unshareUser(*world) finding { return reached(unix.SYS_UNSHARE, unix.CLONE_NEWUSER) }

// cloneUser asks for what Linux refuses in any case, though perhaps not every other kernel: a
// child that comes to be must not go on with a copy of this program.
func cloneUser(*world) finding {
	return onThread(func() finding {
		child, _, e := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_FS|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if e == 0 && child == 0 {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		if e == 0 {
			if _, err := unix.Wait4(int(child), nil, 0, nil); err != nil {
				return hit("a child was made: %v", err)
			}
		}
		return answered(e)
	})
}

func unshareName(*world) finding { return reached(unix.SYS_UNSHARE, unix.CLONE_NEWUTS) }

// chroot to the root changes nothing.
func chroot(*world) finding {
	if err := unix.Chroot("/"); err != nil {
		return answered(err)
	}
	return hit("reached: it was done")
}
