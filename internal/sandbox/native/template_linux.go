package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/sandbox"
)

// template is the tree that environments of one runtime see, mounted once and copied for each.
type template struct {
	runtime sandbox.Runtime
	path    string // in the mounter's namespace
}

// templateKey tells runtimes apart.
func templateKey(r sandbox.Runtime) string {
	return strings.Join(append([]string{r.Name, r.Client}, r.Interpreters...), "\x00")
}

// The host's folders that are shown as they are.
var systemDirs = [...]string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// hostDirs are empty in an environment, unless an interpreter lies below; then they are not listed.
var hostDirs = [...]string{"/home", "/mnt", "/srv"}

// reserved paths are an environment's own; an interpreter there would hide it or be hidden.
var reserved = [...]string{
	"/proc", "/sys", "/dev", "/run", "/etc",
	sandbox.TempRoot, sandbox.TaskRoot, sandbox.RuntimeRoot,
}

// The identity of the function's processes, as seen inside and as on AWS.
const (
	functionUID  = 993
	functionGID  = 990
	functionName = "sbx_user1051"
	hostname     = "lambent"
)

// Where the Runtime API is reached from inside.
const (
	apiAddress = "127.0.0.1:9001"
	apiPort    = 9001
	socketDir  = "lambent" // below /run
	socketName = "runtime.sock"
)

// checkRuntime refuses what cannot be shown.
func checkRuntime(r sandbox.Runtime) error {
	for _, p := range r.Interpreters {
		if !filepath.IsAbs(p) || filepath.Clean(p) != p || p == "/" {
			return fmt.Errorf("interpreter %q is not a clean absolute path below /", p)
		}
		for _, own := range reserved {
			if within(p, own) || within(own, p) {
				return fmt.Errorf("interpreter %s cannot be shown: %s is the environment's own", p, own)
			}
		}
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("interpreter of %s: %w", r.Name, err)
		}
	}
	if r.Client == "" {
		return nil
	}
	if !filepath.IsAbs(r.Client) {
		return fmt.Errorf("runtime client %q is not an absolute path", r.Client)
	}
	info, err := os.Stat(r.Client)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: r.Client, Err: unix.ENOTDIR}
	}
	if err != nil {
		return fmt.Errorf("runtime client of %s: %w", r.Name, err)
	}
	return nil
}

// build mounts the template's tree at root. It runs on the mounter's thread.
func build(root string, r sandbox.Runtime) (err error) {
	if err := os.Mkdir(root, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=8m,nr_inodes=4096"); err != nil {
		return fmt.Errorf("mount template: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Unmount(root, unix.MNT_DETACH))
		}
	}()
	for _, dir := range []string{"/proc", "/dev", "/run", "/tmp", "/opt", "/home", "/mnt", "/srv", "/etc", "/var/task", "/var/runtime", "/var/tmp", "/var/lib"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			return err
		}
	}
	if err := showSystem(root); err != nil {
		return err
	}
	if err := writeEtc(root + "/etc"); err != nil {
		return err
	}
	if err := makeDev(root + "/dev"); err != nil {
		return err
	}
	if err := showRuntime(root, r); err != nil {
		return err
	}
	top, err := unix.OpenTree(unix.AT_FDCWD, root, unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	return protect(top, "", 0)
}

// showSystem shows the system folders; a merged /usr's links stay links.
func showSystem(root string) error {
	for _, dir := range systemDirs {
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(dir)
			if err != nil {
				return err
			}
			if err := os.Symlink(to, root+dir); err != nil {
				return err
			}
			continue
		}
		if err := bind(root, dir, dir, false); err != nil {
			return err
		}
	}
	return nil
}

func showRuntime(root string, r sandbox.Runtime) error {
	if r.Client != "" {
		if err := bind(root, r.Client, sandbox.RuntimeRoot, false); err != nil {
			return err
		}
	}
	for _, p := range r.Interpreters {
		// Python looks for itself by the real path, scripts by the given one.
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return err
		}
		for _, at := range slices.Compact([]string{p, real}) {
			if slices.ContainsFunc(systemDirs[:], func(dir string) bool { return within(at, dir) }) {
				continue
			}
			if err := hideAbove(root, at); err != nil {
				return err
			}
			if err := bind(root, p, at, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// etcFiles are the environment's own; none comes from the host.
func etcFiles() map[string]string {
	uid, gid := strconv.Itoa(functionUID), strconv.Itoa(functionGID)
	return map[string]string{
		"passwd":        "root:x:0:0:root:/root:/sbin/nologin\n" + functionName + ":x:" + uid + ":" + gid + "::/home/" + functionName + ":/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
		"group":         "root:x:0:\n" + functionName + ":x:" + gid + ":\nnogroup:x:65534:\n",
		"hosts":         "127.0.0.1 localhost " + hostname + "\n::1 localhost\n",
		"hostname":      hostname + "\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
		"resolv.conf":   "",
		"host.conf":     "multi on\n",
	}
}

// What programs of the system folders need of the host's /etc: the loader's cache, certificates,
// the targets of links, tables without secrets.
var (
	etcCopies = [...]string{"ld.so.cache", "ld.so.conf", "localtime", "timezone", "os-release", "mime.types", "services", "protocols", "gai.conf", "ssl/openssl.cnf", "java.conf", "magic"}
	etcShown  = [...]string{"/etc/ssl/certs", "/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs", "/etc/ca-certificates/extracted", "/etc/alternatives", "/etc/ld.so.conf.d", "/etc/fonts", "/etc/java", "/etc/java-*", "/etc/crypto-policies"}
)

func writeEtc(dir string) error {
	for name, text := range etcFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o444); err != nil {
			return err
		}
	}
	if err := os.Symlink("/proc/self/mounts", filepath.Join(dir, "mtab")); err != nil {
		return err
	}
	for _, name := range etcCopies {
		text, err := os.ReadFile(filepath.Join("/etc", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o444); err != nil {
			return err
		}
	}
	for _, pattern := range etcShown {
		sources, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, source := range sources {
			if err := bind(filepath.Dir(dir), source, source, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeDev mounts /dev with its four devices. The nodes are made, not taken from the host, so
// that nothing there can stand in for them.
func makeDev(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k,nr_inodes=32"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		node := filepath.Join(dir, name)
		if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return fmt.Errorf("make device %s: %w", name, err)
		}
		if err := os.Chmod(node, 0o666); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "shm"), 0o755); err != nil {
		return err
	}
	return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, "")
}
