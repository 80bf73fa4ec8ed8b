package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mounter does all mounting on the host's side, on its own thread in its own mount namespace.
// What the host mounts later is seen there too; what is mounted there is never seen by the host.
type mounter struct {
	*thread
	home int    // the thread's own mount namespace and
	root int    // root directory, to come back to
	dir  string // where the templates are
}

func newMounter(dir string) (*mounter, error) {
	m := &mounter{dir: dir}
	var err error
	m.thread, err = startThread(m.enter)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *mounter) enter() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("part from the host's mounts: %w", err)
	}
	if err := unix.Mount("tmpfs", m.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700,size=1m"); err != nil {
		return fmt.Errorf("mount %s: %w", m.dir, err)
	}
	if err := unix.Mount("", m.dir, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part from the host's mounts: %w", err)
	}
	home, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open mount namespace: %w", err)
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Join(fmt.Errorf("open root: %w", err), unix.Close(home))
	}
	m.home, m.root = home, root
	return nil
}

func (m *mounter) close() error {
	m.thread.close()
	return errors.Join(unix.Close(m.home), unix.Close(m.root))
}

// clone answers a detached copy of the tree at path, with everything mounted below it.
func (m *mounter) clone(path string) (*os.File, error) {
	var f *os.File
	err := m.do(func() error {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return fmt.Errorf("copy mounts of %s: %w", path, err)
		}
		f = os.NewFile(uintptr(fd), path)
		return nil
	})
	return f, err
}

// cloneDir answers a detached read-only mount of the directory, without what is mounted below.
func (m *mounter) cloneDir(dir string) (*os.File, error) {
	var f *os.File
	err := m.do(func() error {
		var err error
		f, err = readOnlyTree(dir, unix.O_DIRECTORY)
		return err
	})
	return f, err
}

// readOnlyTree answers a detached read-only mount of a directory or file.
func readOnlyTree(path string, flags int) (*os.File, error) {
	at, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(at)
	fd, err := unix.OpenTree(at, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, fmt.Errorf("copy mount of %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := protect(fd, "", 0); err != nil {
		return nil, errors.Join(fmt.Errorf("make %s read-only: %w", path, err), f.Close())
	}
	return f, nil
}

// protect makes a mount read-only, without set-user-id programs and devices.
func protect(fd int, path string, flags uint) error {
	return unix.MountSetattr(fd, path, flags|unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE,
	})
}

// attachIn moves the detached mount tree to the directory that at refers to, in the mount
// namespace ns. No path is looked up there.
func (m *mounter) attachIn(ns, tree, at *os.File) error {
	return m.do(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter mount namespace: %w", err)
		}
		err := unix.MoveMount(int(tree.Fd()), "", int(at.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
		if back := m.goHome(); back != nil {
			// From here on this thread would work inside a tenant's tree. That must not be.
			panic(fmt.Sprintf("native: cannot leave a mount namespace: %v", back))
		}
		if err != nil {
			return fmt.Errorf("attach code: %w", err)
		}
		return nil
	})
}

func (m *mounter) goHome() error {
	if err := unix.Setns(m.home, unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Fchdir(m.root); err != nil {
		return err
	}
	return unix.Chroot(".")
}

// bind shows the host's source read-only at path inside root. Missing sources are skipped when
// optional. path's directories are made.
func bind(root, source, path string, optional bool) error {
	info, err := os.Stat(source)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return err
	}
	target := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else {
		err = os.WriteFile(target, nil, 0o444)
	}
	if err != nil {
		return err
	}
	tree, err := readOnlyTree(real, 0)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("show %s at %s: %w", source, path, err)
	}
	return nil
}

// hideAbove makes the folders above path inside root, which can be gone through but not listed: what
// else the host has beside an interpreter is not told. A folder of the template's own that is
// already there stays as it is, but for those that hold the host's homes and data.
func hideAbove(root, path string) error {
	dir := filepath.Dir(path)
	if dir == "/" {
		return nil
	}
	if err := hideAbove(root, dir); err != nil {
		return err
	}
	err := os.Mkdir(root+dir, 0o711)
	if errors.Is(err, fs.ErrExist) && !slices.Contains(hostDirs[:], dir) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	err = os.Chmod(root+dir, 0o711) // whatever the umask
	if errors.Is(err, unix.EROFS) { // shown itself, as an interpreter
		return nil
	}
	return err
}

// within says whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
