package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// disks makes the /tmp of environments: a sparse file with ext4 in it, on a loop device. What is
// written there fills the file, not the function's memory, and stops at the file's size.
// One formatted image per size is kept and copied. While the disk has no room for one more copy,
// the file is one in memory.
type disks struct {
	dir     string
	memory  *memory
	mounter *mounter
	log     *slog.Logger
	full    atomic.Bool // the last copy did not fit on the disk
	mu      sync.Mutex  // formatting, and the choice of a loop device
	ready   map[int]bool
}

// disk is one environment's /tmp.
type disk struct {
	path string // of its file, as the kernel names it
	kept bool   // the file is on the disk, to be removed; one in memory goes by itself
	loop int
	tree *os.File // the detached mount
}

// noLoop stands for a disk without a loop device.
const noLoop = -1

// imagePrefix starts the names of the formatted images that are kept.
const imagePrefix = "image-"

// The file system's own needs: an inode for each 16 KB, 256 bytes each, and its bitmaps.
const bytesPerInode = 16 << 10

func imageMB(mb int) int { return mb + mb/32 + 2 }

// format answers the image for a size, made once. What does not fit on the disk is not kept.
func (d *disks) format(ctx context.Context, mb int) (*os.File, error) {
	name := imagePrefix + strconv.Itoa(mb)
	path := filepath.Join(d.dir, name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ready[mb] {
		return os.Open(path)
	}
	image, err := d.formatInMemory(ctx, name, mb)
	if err == nil {
		err = keepImage(path, image)
		d.ready[mb] = err == nil
		if noSpace(err) {
			return image, nil
		}
	}
	if err != nil {
		closeAll([]*os.File{image})
		return nil, fmt.Errorf("format a /tmp of %d MB: %w", mb, err)
	}
	return image, nil
}

// formatInMemory makes an image in memory, where a full disk does not hinder it.
func (d *disks) formatInMemory(ctx context.Context, name string, mb int) (*os.File, error) {
	image, err := d.memory.create(name)
	if err != nil {
		return nil, err
	}
	size := strconv.Itoa(imageMB(mb)) + "M"
	cmd := exec.CommandContext(ctx, formatter(), "-q", "-F", "-m", "0", "-i", strconv.Itoa(bytesPerInode), "-I", "256",
		"-O", "^has_journal,^resize_inode,^metadata_csum", "-E", "lazy_itable_init=1,nodiscard", "/proc/self/fd/3", size)
	cmd.ExtraFiles = []*os.File{image}
	if out, err := cmd.CombinedOutput(); err != nil {
		err = fmt.Errorf("mkfs.ext4, of e2fsprogs, is needed: %w: %s", err, strings.TrimSpace(string(out)))
		return nil, errors.Join(err, image.Close())
	}
	first := &disk{path: d.memory.path(name)}
	err = d.attach(first, image)
	if err == nil {
		err = unix.Unlinkat(int(first.tree.Fd()), "lost+found", unix.AT_REMOVEDIR)
		err = errors.Join(err, first.tree.Close(), first.remove(patience))
	}
	if err != nil {
		return nil, errors.Join(err, image.Close())
	}
	return image, nil
}

// keepImage puts an image at path, whole or not at all.
func keepImage(path string, image *os.File) error {
	tmp := path + ".new"
	if err := ignoreMissing(os.Remove(tmp)); err != nil {
		return err
	}
	f, err := copyToDisk(tmp, image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), os.Rename(tmp, path)); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	return nil
}

// formatter answers where mkfs.ext4 is; a user's PATH often leaves the system's programs out.
func formatter() string {
	for _, path := range []string{"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/local/sbin/mkfs.ext4"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "mkfs.ext4"
}

// create makes the disk of an environment, owned by uid. On error nothing is left.
func (d *disks) create(ctx context.Context, name string, mb, uid int) (*disk, error) {
	image, err := d.format(ctx, mb)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	made, backing, err := d.copyImage(name, image)
	if err != nil {
		return nil, fmt.Errorf("make /tmp: %w", err)
	}
	defer backing.Close()
	d.mu.Lock()
	err = d.attach(made, backing)
	d.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("make /tmp: %w", errors.Join(err, made.removeFile()))
	}
	fd := int(made.tree.Fd())
	if err := errors.Join(fchownat(fd, uid), fchmodat(fd, 0o700)); err != nil {
		return nil, fmt.Errorf("make /tmp: %w", errors.Join(err, made.tree.Close(), made.remove(patience)))
	}
	return made, nil
}

// copyImage copies an image to a file of the environment's own: on the disk, or in memory when
// that is full.
func (d *disks) copyImage(name string, image *os.File) (*disk, *os.File, error) {
	path := filepath.Join(d.dir, name)
	var backing *os.File
	err := d.roomFor(image)
	if err == nil {
		backing, err = copyToDisk(path, image)
	}
	if err == nil {
		d.full.Store(false)
		return &disk{path: path, kept: true}, backing, nil
	}
	if !noSpace(err) {
		return nil, nil, err
	}
	if !d.full.Swap(true) {
		d.log.Warn("the disk is full: new environments have their /tmp in memory", "error", err)
	}
	if backing, err = d.memory.create(name); err != nil {
		return nil, nil, err
	}
	if err := copySparse(backing, image); err != nil {
		return nil, nil, errors.Join(err, backing.Close())
	}
	return &disk{path: d.memory.path(name)}, backing, nil
}

// spare is what the /tmp of functions leave of the disk for others.
const spare = 32 << 20

// roomFor answers ENOSPC when the disk could not hold the image full, besides what the images
// that are there may still grow by: they are sparse, and a function that fills the disk within its
// own size would stop everybody else.
func (d *disks) roomFor(image *os.File) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(d.dir, &disk); err != nil {
		return err
	}
	info, err := image.Stat()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	need := info.Size() + spare
	for _, e := range entries {
		var file unix.Stat_t
		if err := unix.Lstat(filepath.Join(d.dir, e.Name()), &file); err == nil && !strings.HasPrefix(e.Name(), imagePrefix) {
			need += max(file.Size-file.Blocks*512, 0)
		}
	}
	if int64(disk.Bavail)*disk.Bsize < need {
		return unix.ENOSPC
	}
	return nil
}

// The descriptor of a mount is an O_PATH one, which fchown and fchmod refuse.
func fchownat(fd, uid int) error { return unix.Fchownat(fd, ".", uid, uid, 0) }

func fchmodat(fd int, mode uint32) error { return unix.Fchmodat(fd, ".", mode, 0) }

// attach gives the disk's file a loop device and mounts it, detached. The caller holds d.mu.
func (d *disks) attach(made *disk, backing *os.File) error {
	number, loop, err := configureLoop(int(backing.Fd()), made.path)
	if err != nil {
		return fmt.Errorf("loop device: %w", err)
	}
	defer loop.Close() // the mount keeps it; without one it goes back by itself
	made.loop = number
	err = d.mounter.do(func() error {
		made.tree, err = mountExt4(loop.Name())
		return err
	})
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

// configureLoop takes a free loop device; the kernel adds one when all are in use. Another
// process may take the same one first.
func configureLoop(backing int, path string) (int, *os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return 0, nil, err
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(backing)}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	copy(config.Info.File_name[:63], path)
	for range 64 {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return 0, nil, err
		}
		loop, err := openLoop(number)
		if err != nil {
			return 0, nil, err
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return number, loop, nil
		}
		loop.Close()
		if err != unix.EBUSY {
			return 0, nil, err
		}
	}
	return 0, nil, unix.EBUSY
}

func openLoop(number int) (*os.File, error) {
	return os.OpenFile("/dev/loop"+strconv.Itoa(number), os.O_RDWR, 0)
}

func mountExt4(device string) (*os.File, error) {
	ctx, err := unix.Fsopen("ext4", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ctx)
	// Inode tables are zeroed when used, not by a kernel thread beforehand.
	err = errors.Join(
		unix.FsconfigSetString(ctx, "source", device),
		unix.FsconfigSetFlag(ctx, "noinit_itable"),
		unix.FsconfigSetString(ctx, "errors", "remount-ro"),
	)
	if err == nil {
		err = unix.FsconfigCreate(ctx)
	}
	if err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOATIME)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/tmp"), nil
}

// remove waits for the loop device to be free, which it is when the last mount has gone, and
// deletes the file.
func (d *disk) remove(limit time.Duration) error {
	return errors.Join(d.detached(limit), d.removeFile())
}

func (d *disk) removeFile() error {
	if !d.kept {
		return nil
	}
	return os.Remove(d.path)
}

func (d *disk) detached(limit time.Duration) error {
	err := poll(limit, func() bool {
		path, err := backingPath(fmt.Sprintf("/sys/block/loop%d/loop/backing_file", d.loop))
		return err != nil || path != d.path
	})
	if err != nil {
		return fmt.Errorf("loop device %d is still in use: %w", d.loop, err)
	}
	return nil
}

// backingPath reads the path of a loop device's file.
func backingPath(attribute string) (string, error) {
	text, err := os.ReadFile(attribute)
	return strings.TrimSuffix(strings.TrimSpace(string(text)), " (deleted)"), err
}

// loops answers the loop devices of this driver's disks, by the paths of their files.
func (d *disks) loops() (map[string]int, error) {
	attributes, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, fmt.Errorf("list loop devices: %w", err)
	}
	loops := make(map[string]int)
	for _, a := range attributes {
		path, err := backingPath(a)
		if err != nil {
			continue // gone meanwhile
		}
		number, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(filepath.Dir(filepath.Dir(a))), "loop"))
		if err == nil && d.nameOf(path) != "" {
			loops[path] = number
		}
	}
	return loops, nil
}

// nameOf answers the name of the disk whose file is at path; "" where it is not of this driver.
func (d *disks) nameOf(path string) string {
	if name, ok := strings.CutPrefix(path, d.memory.path("")); ok {
		return name
	}
	if filepath.Dir(path) == d.dir {
		return filepath.Base(path)
	}
	return ""
}

// poll asks every few milliseconds until the answer is yes.
func poll(limit time.Duration, yes func() bool) error {
	ticks := time.NewTicker(2 * time.Millisecond)
	defer ticks.Stop()
	over := time.NewTimer(limit)
	defer over.Stop()
	for !yes() {
		select {
		case <-over.C:
			return os.ErrDeadlineExceeded
		case <-ticks.C:
		}
	}
	return nil
}

// copyToDisk makes a file with an image's content. On error nothing is left.
func copyToDisk(path string, image *os.File) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := copySparse(f, image); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return f, nil
}

// noSpace says whether an error is that of a full disk, or of a full share of it.
func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// copySparse copies only what is allocated.
func copySparse(target, source *os.File) error {
	info, err := source.Stat()
	if err != nil {
		return err
	}
	return errors.Join(target.Truncate(info.Size()), copyData(target, source, info.Size()))
}

func copyData(target, source *os.File, size int64) error {
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(source.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(source.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(target, data), io.NewSectionReader(source, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	return nil
}
