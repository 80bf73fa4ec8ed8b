package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lambent.dev/lambent/internal/lambda"
)

// Recover ends and removes what an earlier process with the same state directory left behind.
// It finds processes by the records and the cgroups, and disks by their files.
func (d *Driver) Recover(ctx context.Context) (int, error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer d.busy.Done()
	n, err := d.recoverAll(ctx)
	if err != nil {
		return n, lambda.Errorf(lambda.Internal, "recover: %w", err)
	}
	return n, nil
}

func (d *Driver) recoverAll(ctx context.Context) (int, error) {
	all, err := d.records.all()
	if err != nil {
		return 0, err
	}
	left := make(map[string]bool)
	var errs []error
	for _, rec := range all {
		if d.isLive(rec.Name) {
			continue
		}
		left[rec.Name] = true
	}
	groups, err := d.tree.Groups()
	errs = append(errs, err)
	for _, g := range groups {
		if d.isLive(g.Name()) {
			continue
		}
		left[g.Name()] = true
		errs = append(errs, g.Kill(patience), g.Remove(patience))
		if ctx.Err() != nil {
			return len(left), errors.Join(append(errs, ctx.Err())...)
		}
	}
	for _, rec := range all {
		if left[rec.Name] {
			errs = append(errs, endProcess(rec.PID, rec.StartTime))
		}
	}
	errs = append(errs, d.recoverDisks(left))
	if err := errors.Join(errs...); err != nil {
		return len(left), err
	}
	for _, rec := range all {
		if left[rec.Name] {
			errs = append(errs, d.records.remove(rec.Name))
			d.slots.free(rec.Slot)
		}
	}
	return len(left), errors.Join(errs...)
}

func (d *Driver) isLive(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live[name] != nil
}

// endProcess ends the process if it is still the one that was recorded.
func endProcess(pid int, started string) error {
	if pid == 0 || started == "" {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if startTime(pid) != started {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	err = poll(patience, func() bool {
		wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(wait, 0)
		return err == nil && n == 1
	})
	if err != nil {
		return fmt.Errorf("process %d does not end: %w", pid, err)
	}
	return nil
}

// recoverDisks removes every disk that belongs to no live environment. Those in memory go by
// themselves, with the last process that sees them.
func (d *Driver) recoverDisks(left map[string]bool) error {
	entries, err := os.ReadDir(d.disks.dir)
	if err != nil {
		return fmt.Errorf("read disks: %w", err)
	}
	loops, err := d.disks.loops()
	if err != nil {
		return err
	}
	old := make(map[string]*disk)
	for path, number := range loops {
		old[path] = &disk{path: path, loop: number}
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(d.disks.dir, name)
		if strings.HasPrefix(name, imagePrefix) && !strings.HasSuffix(name, ".new") {
			delete(old, path)
			continue
		}
		if old[path] == nil {
			old[path] = &disk{path: path, loop: noLoop}
		}
		old[path].kept = true
	}
	var errs []error
	for path, o := range old {
		name := d.disks.nameOf(path)
		if d.isLive(name) {
			continue
		}
		if !strings.HasPrefix(name, imagePrefix) {
			left[name] = true
		}
		if err := o.detached(patience); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, o.removeFile())
	}
	return errors.Join(errs...)
}
