package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is Lambent's part of the cgroup hierarchy.
type Tree struct {
	roots map[string]string // controller, or unified for v2 -> directory
	v2    bool              // limits are v2's
	depth int               // of what Open made
}

// Open finds the host's cgroups and makes the directories parts below the process's own.
// The error says what the host lacks.
func Open(parts ...string) (*Tree, error) {
	own, v2, err := Where()
	if err != nil {
		return nil, err
	}
	return openIn(own, v2, parts)
}

// Where answers the process's own directories, by controller ("" is v2's), and whether v2 does
// the limiting. It changes nothing. The error says what the host lacks.
func Where() (dirs map[string]string, v2 bool, err error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, false, fmt.Errorf("find cgroups: %w", err)
	}
	defer mounts.Close()
	self, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil, false, fmt.Errorf("find cgroups: %w", err)
	}
	defer self.Close()
	found, err := parse(mounts, self)
	if err != nil {
		return nil, false, fmt.Errorf("find cgroups: %w", err)
	}
	return choose(found)
}

func openIn(own map[string]string, v2 bool, parts []string) (*Tree, error) {
	for _, part := range parts {
		if err := CheckName(part); err != nil {
			return nil, err
		}
	}
	t := &Tree{roots: make(map[string]string), v2: v2, depth: len(parts)}
	if v2 {
		if err := delegate(own[unified]); err != nil {
			return nil, err
		}
	}
	for controller, dir := range own {
		for _, part := range parts {
			dir = filepath.Join(dir, part)
		}
		if err := t.makePath(own[controller], parts); err != nil {
			return nil, fmt.Errorf("make cgroup: %w", err)
		}
		t.roots[controller] = dir
	}
	return t, nil
}

// makePath makes the directories parts below dir. Another process may remove the upper ones,
// empty until the last is made, at any moment; hence the attempts.
func (t *Tree) makePath(dir string, parts []string) error {
	var err error
	for range 10 {
		at := dir
		for _, part := range parts {
			at = filepath.Join(at, part)
			if err = makeDir(at); err != nil {
				break
			}
			if t.v2 {
				if err = enable(at); err != nil {
					break
				}
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// Version answers 1 or 2.
func (t *Tree) Version() int {
	if t.v2 {
		return 2
	}
	return 1
}

// Create makes the group account/name with its limits. On error nothing is left of it.
func (t *Tree) Create(account, name string, l Limits) (*Group, error) {
	for _, part := range []string{account, name} {
		if err := CheckName(part); err != nil {
			return nil, err
		}
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	g := &Group{dirs: make(map[string]string), v2: t.v2}
	for controller, root := range t.roots {
		dir, err := t.makeLeaf(root, account, name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make cgroup %s/%s: %w", account, name, err), g.tryRemove())
		}
		g.dirs[controller] = dir
	}
	if err := g.setLimits(l); err != nil {
		return nil, errors.Join(fmt.Errorf("limit cgroup %s/%s: %w", account, name, err), g.tryRemove())
	}
	return g, nil
}

// makeLeaf makes root/account/name. The account's directory may be removed at any moment by
// the end of the account's last group, hence the attempts.
func (t *Tree) makeLeaf(root, account, name string) (string, error) {
	var err error
	for range 10 {
		if err = t.makePath(root, []string{account}); err != nil {
			return "", err
		}
		leaf := filepath.Join(root, account, name)
		if err = os.Mkdir(leaf, 0o755); !errors.Is(err, fs.ErrNotExist) {
			return leaf, err
		}
	}
	return "", err
}

// Groups answers every group below the tree, also those that another process made.
func (t *Tree) Groups() ([]*Group, error) {
	names := make(map[string]*Group)
	for controller, root := range t.roots {
		leaves, err := filepath.Glob(filepath.Join(root, "*", "*", "cgroup.procs"))
		if err != nil {
			return nil, fmt.Errorf("list cgroups: %w", err)
		}
		for _, leaf := range leaves {
			dir := filepath.Dir(leaf)
			rel, err := filepath.Rel(root, dir)
			if err != nil {
				return nil, fmt.Errorf("list cgroups: %w", err)
			}
			if names[rel] == nil {
				names[rel] = &Group{dirs: make(map[string]string), v2: t.v2}
			}
			names[rel].dirs[controller] = dir
		}
	}
	groups := make([]*Group, 0, len(names))
	for _, g := range names {
		groups = append(groups, g)
	}
	return groups, nil
}

// Remove removes the tree with its empty accounts, and what Open made above it unless another
// tree is there.
func (t *Tree) Remove() error {
	var errs []error
	for _, root := range t.roots {
		accounts, err := os.ReadDir(root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		for _, a := range accounts {
			if a.IsDir() {
				errs = append(errs, removeDir(filepath.Join(root, a.Name())))
			}
		}
		errs = append(errs, removeDir(root))
		for range t.depth - 1 {
			root = filepath.Dir(root)
			if err := removeDir(root); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func removeDir(dir string) error {
	if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// write writes a control file, which must exist.
func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// writeIfThere writes a control file that not every kernel has.
func writeIfThere(dir, file, value string) error {
	if err := write(dir, file, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func read(dir, file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSpace(string(b)), err
}

func readNumber(dir, file string) (int64, error) {
	s, err := read(dir, file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// enable gives dir's children the controllers (v2).
func enable(dir string) error {
	if err := write(dir, "cgroup.subtree_control", "+memory +cpu +pids"); err != nil {
		return fmt.Errorf("enable memory, cpu and pids in %s: %w", dir, err)
	}
	return nil
}

// delegate makes the process's own v2 cgroup fit to hold limited children. A cgroup with
// processes in it cannot; they go to a child of their own, as delegation by systemd expects.
func delegate(own string) error {
	have, err := read(own, "cgroup.controllers")
	if err != nil {
		return fmt.Errorf("find cgroups: %w", err)
	}
	for _, c := range []string{"memory", "cpu", "pids"} {
		if !slices.Contains(strings.Fields(have), c) {
			return fmt.Errorf("cgroup v2 at %s has no %s controller: delegate it (systemd: Delegate=yes)", own, c)
		}
	}
	err = enable(own)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	server := filepath.Join(own, "lambent-server")
	if err := makeDir(server); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	text, err := read(own, "cgroup.procs")
	if err != nil {
		return err
	}
	pids, err := parsePids(text)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := write(server, "cgroup.procs", strconv.Itoa(pid)); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %d out of %s: %w", pid, own, err)
		}
	}
	return enable(own)
}

// until repeats try, often at first and then ever more rarely, until it says done or the limit
// is over.
func until(limit time.Duration, try func() (done bool, err error)) error {
	const shortest, longest = 50 * time.Microsecond, 10 * time.Millisecond
	over := time.NewTimer(limit)
	defer over.Stop()
	wait := shortest
	next := time.NewTimer(wait)
	defer next.Stop()
	for {
		done, err := try()
		if done {
			return err
		}
		select {
		case <-over.C:
			return errors.Join(os.ErrDeadlineExceeded, err)
		case <-next.C:
		}
		wait = min(2*wait, longest)
		next.Reset(wait)
	}
}
