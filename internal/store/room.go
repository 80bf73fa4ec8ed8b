package store

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lambent.dev/lambent/internal/clock"
)

// ballastName is a file that only takes up room, given back when the disk is full all the same
// (others fill it too), so that what ends work can still be written.
const ballastName = "BALLAST"

// refreshEvery is how old a reading of the free space may be.
const refreshEvery = 100 * time.Millisecond

// writeFactor is how much disk a committed byte takes, at least: once in the log, once in a table.
const writeFactor = 2

// room watches the free space.
type room struct {
	fs      vfs.FS // the real one
	dir     string
	reserve uint64 // 0: the file system does not say, nothing is watched
	now     clock.Clock

	written atomic.Uint64 // committed bytes since the last reading
	at      atomic.Int64  // Unix nanoseconds of the last reading
	free    atomic.Uint64

	mu      sync.Mutex
	ballast uint64 // bytes that it should have
	held    bool   // the ballast is there
}

// defaultReserve answers the room that new work must leave, for a disk of a size.
func defaultReserve(total uint64) uint64 { return min(max(total/8, 8<<20), 256<<20) }

// newRoom reads the disk's size. The ballast of an earlier run is given back first, so that a
// full disk can be opened.
func newRoom(fs vfs.FS, dir string, reserve uint64, now clock.Clock) (*room, uint64) {
	r := &room{fs: fs, dir: dir, now: now}
	r.drop()
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		return r, 0
	}
	if r.reserve = reserve; reserve == 0 {
		r.reserve = defaultReserve(usage.TotalBytes)
	}
	r.ballast = r.reserve / 2
	return r, usage.TotalBytes
}

// enough says whether n more bytes of new work leave the reserve free.
func (r *room) enough(n int) bool {
	if r.reserve == 0 {
		return true
	}
	written := r.written.Load() * writeFactor
	if age := r.now().UnixNano() - r.at.Load(); age < 0 || age > int64(refreshEvery) || written > r.reserve/4 {
		r.refresh()
		written = r.written.Load() * writeFactor
	}
	return r.free.Load() >= r.reserve+written+uint64(n)*writeFactor
}

// refresh reads the free space, and takes the ballast back when there is room for it.
func (r *room) refresh() {
	if !r.mu.TryLock() {
		return // another is at it
	}
	defer r.mu.Unlock()
	usage, err := r.fs.GetDiskUsage(r.dir)
	if err != nil {
		return
	}
	free := usage.AvailBytes
	if !r.held && free >= r.reserve+2*r.ballast {
		r.held = r.take()
		if r.held {
			free -= min(free, r.ballast)
		}
	}
	r.written.Store(0)
	r.at.Store(r.now().UnixNano())
	r.free.Store(free)
}

// take makes the ballast. Where the file system cannot, there is none.
func (r *room) take() bool {
	name := r.fs.PathJoin(r.dir, ballastName)
	f, err := r.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return false
	}
	defer f.Close()
	if f.Preallocate(0, int64(r.ballast)) != nil {
		_ = r.fs.Remove(name) // it takes no room; the next start tries again
	}
	return true
}

// drop gives the ballast back.
func (r *room) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.fs.Remove(r.fs.PathJoin(r.dir, ballastName)) // not there, or tried again at the next start
	r.held = false
	r.at.Store(0)
}
