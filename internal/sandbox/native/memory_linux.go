package native

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// memoryShare of the host's memory is what all disks in memory may take. A function that writes
// past it gets EIO, as on a full disk.
const memoryShare = "25%"

// memory is a file system in memory that is mounted nowhere. Its files have no names: each goes
// when nothing uses it any more, also should the server die. label tells them from those of
// other servers, in the paths by which the kernel calls them.
type memory struct {
	root  *os.File
	label string
}

func newMemory(label string) (*memory, error) {
	ctx, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make memory for disks: %w", err)
	}
	defer unix.Close(ctx)
	err = errors.Join(
		unix.FsconfigSetString(ctx, "size", memoryShare),
		unix.FsconfigSetString(ctx, "mode", "0700"),
	)
	if err == nil {
		err = unix.FsconfigCreate(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("make memory for disks: %w", err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make memory for disks: %w", err)
	}
	return &memory{root: os.NewFile(uintptr(fd), "memory"), label: label}, nil
}

func (m *memory) close() error { return m.root.Close() }

func (m *memory) fileName(name string) string { return "lambent-" + m.label + "-" + name }

// path answers the path by which the kernel calls a file.
func (m *memory) path(name string) string { return "/" + m.fileName(name) }

// create makes an empty file.
func (m *memory) create(name string) (*os.File, error) {
	file := m.fileName(name)
	fd, err := unix.Openat(int(m.root.Fd()), file, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), m.path(name))
	if err := unix.Unlinkat(int(m.root.Fd()), file, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("make a file in memory: %w", err), f.Close())
	}
	return f, nil
}
