package native

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/sandbox"
)

// Landlock is the second wall: should a mount ever be more than it ought to be, the domain still
// allows writing only where an environment's own files are.

const (
	accessRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE
	accessV1      = 1<<13 - 1 // the thirteen rights of the first version
	accessDevices = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
)

// handledAccess answers the rights to restrict under a version of Landlock.
func handledAccess(abi int) uint64 {
	access := uint64(accessV1)
	if abi >= 2 {
		access |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		access |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 5 {
		access |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return access
}

// landlockABI answers the kernel's version of Landlock, 0 for none.
func landlockABI() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// restrict puts the calling thread, and what it forks, into the domain. The thread must have
// no_new_privs.
func restrict(abi int) error {
	handled := handledAccess(abi)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	size := unsafe.Offsetof(attr.Handled_access_net) // what the first versions know
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(attr.Quiet_access_fs)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make landlock rules: %w", errno)
	}
	rules := int(fd)
	defer unix.Close(rules)
	device := handled & (unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)
	own := handled &^ accessDevices
	for _, rule := range []struct {
		path   string
		access uint64
	}{
		{"/", accessRead},
		{"/proc", accessRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | handled&unix.LANDLOCK_ACCESS_FS_TRUNCATE},
		{sandbox.TempRoot, own},
		{"/dev/shm", own &^ unix.LANDLOCK_ACCESS_FS_EXECUTE},
		{"/dev/null", device}, {"/dev/zero", device}, {"/dev/full", device}, {"/dev/random", device}, {"/dev/urandom", device},
	} {
		if err := permit(rules, rule.path, rule.access); err != nil {
			return fmt.Errorf("landlock rule for %s: %w", rule.path, err)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules), 0, 0); errno != 0 {
		return fmt.Errorf("enter landlock domain: %w", errno)
	}
	return nil
}

func permit(rules int, path string, access uint64) error {
	at, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	attr := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(at)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
