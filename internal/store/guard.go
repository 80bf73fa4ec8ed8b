package store

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errFailed is what Pebble is told about every write after the first that failed for good.
var errFailed = errors.New("store: writes have stopped after a failed write")

// pause keeps what Pebble tries again at once (a flush that met a full disk) from spinning, and
// is how often a log that waits for room looks again.
const pause = 100 * time.Millisecond

// guard is the file system that Pebble sees. Pebble ends the process, beyond any recover, when
// its log or manifest cannot be written; guard keeps it alive and the promise true: after the
// first failure nothing more reaches the disk, log writes seem to work, and Store answers every
// commit with the failure. A full disk is waited out for the log, and answered for tables, so
// that a compaction lets go of the room it took.
type guard struct {
	vfs.FS
	onFailure func(error)
	onFull    func()        // makes room, if it can
	closing   chan struct{} // ends waiting

	armed   atomic.Bool // after Open: errors of the log are kept from Pebble
	failure atomic.Pointer[error]
	once    sync.Once
	waiting atomic.Int32 // log writes that wait for room
}

// kind is what a file is for, as far as it matters here.
type kind uint8

const (
	table    kind = iota // may be lost and made again
	log                  // the write-ahead log
	manifest             // which tables there are
	folder
)

func kindOf(name string) kind {
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	switch {
	case strings.HasSuffix(base, ".log"):
		return log
	case strings.HasPrefix(base, "MANIFEST"), strings.HasPrefix(base, "marker"):
		return manifest
	}
	return table
}

// fail records the first failure. It is seen by every commit that returns afterwards.
func (g *guard) fail(err error) {
	g.once.Do(func() {
		g.failure.Store(&err)
		g.onFailure(err)
	})
}

// failed answers the first failure, or nil.
func (g *guard) failed() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// hold waits a little, less when the store closes. It answers false then.
func (g *guard) hold() bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-g.closing:
		return false
	}
}

// settle decides what Pebble is told about a change that failed, other than for want of room.
func (g *guard) settle(k kind, err error) error {
	if k == table {
		g.hold()
		return err
	}
	g.fail(err)
	if k != manifest && g.armed.Load() {
		return nil
	}
	return err
}

// change runs an operation on names (create, rename, remove, link).
func (g *guard) change(k kind, op func() error) error {
	for {
		if g.failed() != nil && g.armed.Load() {
			return g.refused(k)
		}
		err := op()
		if err == nil || !g.full(k, err) {
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return g.settle(k, err)
		}
	}
}

// refused is the answer to every change after a failure.
func (g *guard) refused(k kind) error {
	switch k {
	case log, folder:
		return nil
	case table:
		g.hold()
	}
	return errFailed
}

// full handles an error for want of room. It answers true when the operation should be tried
// again: always for the log and the manifest, until the store closes.
func (g *guard) full(k kind, err error) bool {
	if !vfs.IsNoSpaceError(err) || k == folder {
		return false
	}
	g.onFull()
	if k == table || !g.armed.Load() {
		return false
	}
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	return g.hold()
}

func (g *guard) wrap(f vfs.File, k kind, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	if f == nil { // a log file that could not be made, after the failure was recorded
		return nullFile{}, nil
	}
	return &guardFile{File: f, g: g, kind: k}, nil
}

// Create implements vfs.FS.
func (g *guard) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	k := kindOf(name)
	err = g.change(k, func() (err error) {
		if f, err = g.FS.Create(name, c); err != nil {
			f = nil
		}
		return err
	})
	return g.wrap(f, k, err)
}

// OpenReadWrite implements vfs.FS.
func (g *guard) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (f vfs.File, err error) {
	k := kindOf(name)
	err = g.change(k, func() (err error) {
		if f, err = g.FS.OpenReadWrite(name, c, opts...); err != nil {
			f = nil
		}
		return err
	})
	return g.wrap(f, k, err)
}

// ReuseForWrite implements vfs.FS.
func (g *guard) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	k := kindOf(to)
	err = g.change(k, func() (err error) {
		if f, err = g.FS.ReuseForWrite(from, to, c); err != nil {
			f = nil
		}
		return err
	})
	return g.wrap(f, k, err)
}

// OpenDir implements vfs.FS.
func (g *guard) OpenDir(name string) (f vfs.File, err error) {
	err = g.change(folder, func() (err error) {
		if f, err = g.FS.OpenDir(name); err != nil {
			f = nil
		}
		return err
	})
	return g.wrap(f, folder, err)
}

// Rename implements vfs.FS.
func (g *guard) Rename(from, to string) error {
	return g.change(kindOf(to), func() error { return g.FS.Rename(from, to) })
}

// Link implements vfs.FS.
func (g *guard) Link(from, to string) error {
	return g.change(kindOf(to), func() error { return g.FS.Link(from, to) })
}

// Remove implements vfs.FS. What cannot be removed is removed at the next start.
func (g *guard) Remove(name string) error {
	if g.failed() != nil && g.armed.Load() {
		return nil
	}
	return g.FS.Remove(name)
}

// Unwrap implements vfs.FS.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// guardFile is a file that Pebble writes.
type guardFile struct {
	vfs.File
	g    *guard
	kind kind
}

// Write implements vfs.File. After a short write for want of room it goes on with the rest.
func (f *guardFile) Write(p []byte) (n int, err error) {
	for {
		if f.g.failed() != nil && f.g.armed.Load() {
			if err := f.g.refused(f.kind); err != nil {
				return n, err
			}
			return len(p), nil
		}
		m, err := f.File.Write(p[n:])
		n += m
		switch {
		case err == nil:
			return n, nil
		case f.g.full(f.kind, err):
			continue
		}
		if err = f.g.settle(f.kind, err); err == nil {
			n = len(p)
		}
		return n, err
	}
}

// Sync implements vfs.File.
func (f *guardFile) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *guardFile) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *guardFile) SyncTo(length int64) (full bool, err error) {
	err = f.sync(func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// sync runs an fsync once. What was not synced may be lost even when a second try succeeds, so
// there is none.
func (f *guardFile) sync(op func() error) error {
	if f.g.failed() != nil && f.g.armed.Load() {
		return f.g.refused(f.kind)
	}
	if err := op(); err != nil {
		return f.g.settle(f.kind, err)
	}
	return nil
}

// Close implements vfs.File.
func (f *guardFile) Close() error {
	if err := f.File.Close(); err != nil && f.kind != table {
		return f.g.settle(f.kind, err)
	} else if err != nil {
		return err
	}
	return nil
}

// nullFile stands for a log file after the store has failed.
type nullFile struct{}

func (nullFile) Close() error                           { return nil }
func (nullFile) Read([]byte) (int, error)               { return 0, errFailed }
func (nullFile) ReadAt([]byte, int64) (int, error)      { return 0, errFailed }
func (nullFile) Write(p []byte) (int, error)            { return len(p), nil }
func (nullFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nullFile) Preallocate(_, _ int64) error           { return nil }
func (nullFile) Stat() (vfs.FileInfo, error)            { return nil, errFailed }
func (nullFile) Sync() error                            { return nil }
func (nullFile) SyncTo(int64) (bool, error)             { return true, nil }
func (nullFile) SyncData() error                        { return nil }
func (nullFile) Prefetch(int64, int64) error            { return nil }
func (nullFile) Fd() uintptr                            { return vfs.InvalidFd }
