package host

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/cgroup"
)

func (f *Facts) look() {
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		f.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	f.Root = os.Geteuid() == 0
	f.Namespaces = tryNamespaces()
	f.MountAPI = tryMountAPI()
	f.ProcMasked = masked(text("/proc/self/mountinfo"))
	f.Cgroups, f.CgroupError = tryCgroups()
	f.Seccomp = trySeccomp()
	f.Landlock = landlockVersion()
	f.Loop = tryLoop()
	f.Ext4 = findExt4()
	f.Swap = strings.Count(text("/proc/swaps"), "\n") > 1
	f.SMT = text("/sys/devices/system/cpu/smt/active") == "1\n"
	f.KSM = text("/sys/kernel/mm/ksm/run") == "1\n"
	f.IOUring = openIOUring()
	if program, ok := strings.CutPrefix(text("/proc/sys/kernel/core_pattern"), "|"); ok {
		f.CorePipe, _, _ = strings.Cut(strings.TrimSpace(program), " ")
	}
}

// text answers a file's content, "" where there is none.
func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// tryNamespaces clones a child into new namespaces, with its user map written. The program that
// it should run does not exist, so that it ends at once: that error says that all before it went well.
func tryNamespaces() error {
	const noProgram = "/proc/self/fd/there-is-no-such-program"
	own := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	ownGroup := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	p, err := os.StartProcess(noProgram, []string{noProgram}, &os.ProcAttr{Env: []string{}, Sys: &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		UidMappings: own, GidMappings: ownGroup,
	}})
	if err == nil { // not reached: nothing can be run by that name
		return errors.Join(errors.New("a child ran what does not exist"), p.Kill(), p.Release())
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("a process in new namespaces can't be made: %w", rootCause(err))
}

func rootCause(err error) error {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

// tryMountAPI asks for each call with arguments that it must refuse.
func tryMountAPI() error {
	const none = ^uintptr(0)
	for _, call := range []struct {
		name   string
		number uintptr
	}{
		{"open_tree", unix.SYS_OPEN_TREE}, {"move_mount", unix.SYS_MOVE_MOUNT}, {"fsopen", unix.SYS_FSOPEN},
		{"fsmount", unix.SYS_FSMOUNT}, {"mount_setattr", unix.SYS_MOUNT_SETATTR},
	} {
		_, _, e := unix.Syscall6(call.number, none, 0, none, 0, 0, 0)
		if e == unix.ENOSYS || e == unix.EPERM {
			return fmt.Errorf("%s: %w", call.name, e)
		}
	}
	return nil
}

// tryCgroups makes and removes a group in each hierarchy that would be used.
func tryCgroups() (string, error) {
	dirs, v2, err := cgroup.Where()
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		probe := filepath.Join(dir, "lambent-doctor-"+rand.Text())
		if err := os.Mkdir(probe, 0o755); err != nil {
			return "", fmt.Errorf("a group can't be made: %w", err)
		}
		if err := unix.Rmdir(probe); err != nil {
			return "", fmt.Errorf("the group %s can't be removed: %w", probe, err)
		}
	}
	if !v2 {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(dirs)), func(c string) bool { return c == "" }) // v2's, to freeze
		return "v1: " + strings.Join(names, ", "), nil
	}
	for _, dir := range dirs {
		have := strings.Fields(text(filepath.Join(dir, "cgroup.controllers")))
		for _, c := range []string{"memory", "cpu", "pids"} {
			if !slices.Contains(have, c) {
				return "", fmt.Errorf("v2 at %s has no %s controller", dir, c)
			}
		}
	}
	return "v2: memory, cpu, pids", nil
}

func trySeccomp() error {
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if e != 0 {
		return fmt.Errorf("no filters: %w", e)
	}
	return nil
}

func landlockVersion() int {
	n, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return 0
	}
	return int(n)
}

// tryLoop asks for a free loop device, which makes one where all are taken.
func tryLoop() error {
	fd, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/loop-control: %w", err)
	}
	defer unix.Close(fd)
	n, err := unix.IoctlRetInt(fd, unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return fmt.Errorf("no free loop device: %w", err)
	}
	device, err := os.Open(fmt.Sprintf("/dev/loop%d", n))
	if err != nil {
		return err
	}
	return device.Close()
}

func findExt4() error {
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		return errors.New("there is no mkfs.ext4 on the PATH")
	}
	for line := range strings.Lines(text("/proc/filesystems")) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == "ext4" {
			return nil
		}
	}
	return errors.New("the kernel has no ext4")
}

// openIOUring answers whether users without privileges may use it. Its setting is missing on
// kernels that can't turn it off.
func openIOUring() bool {
	_, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
	return e == unix.EFAULT && text("/proc/sys/kernel/io_uring_disabled") != "1\n"
}
