package store

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Store is a kv.Store on disk. It is safe for concurrent use, but for Close.
type Store struct {
	db    *pebble.DB
	lock  io.Closer
	guard *guard
	room  *room
	log   *slog.Logger

	full      atomic.Bool // new work is being refused, for the log
	closeOnce sync.Once
}

var _ kv.Store = (*Store)(nil)

// Open opens the store in a folder, or makes one. Errors are one sentence: the folder is in use
// (ResourceConflict), was written by a newer version or holds something else
// (PreconditionFailed), or cannot be read or written (Internal).
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.FS.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, lambda.Errorf(lambda.Internal, "The data folder %s cannot be made: %w", o.Dir, err)
	}
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	if err != nil {
		return nil, lockError(o.Dir, err)
	}
	s := &Store{log: o.Log, lock: lock}
	if err := s.open(o, lock); err != nil {
		if e := s.Close(); e != nil {
			o.Log.Debug("The store that could not be opened could not be closed", "error", e)
		}
		return nil, err
	}
	return s, nil
}

func lockError(dir string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.EAGAIN {
		return lambda.Errorf(lambda.Internal, "The data folder %s cannot be written: %w", dir, err)
	}
	return &lambda.Error{Kind: lambda.ResourceConflict, Err: err,
		Message: fmt.Sprintf("The data folder %s is in use by another process.", dir)}
}

func (s *Store) open(o Options, lock *pebble.Lock) (err error) {
	s.guard = &guard{FS: o.FS, closing: make(chan struct{}), onFull: func() { s.room.drop() }, onFailure: s.failed}
	var total uint64
	s.room, total = newRoom(o.FS, o.Dir, o.ReserveBytes, o.Clock)
	look := o.pebbleOptions(total, o.FS, &logger{log: o.Log, fail: func(error) {}})
	look.Lock = lock
	made, err := o.checkMade(look)
	if err != nil {
		return err
	}
	p := o.pebbleOptions(total, s.guard, &logger{log: o.Log, fail: s.guard.fail})
	p.Lock = lock
	if err := s.openPebble(o.Dir, p); err != nil {
		return lambda.Errorf(lambda.Internal, "The store in %s cannot be opened: %w", o.Dir, err)
	}
	if err := s.guard.failed(); err != nil {
		return lambda.Errorf(lambda.Internal, "The store in %s cannot be written: %w", o.Dir, err)
	}
	s.guard.armed.Store(true)
	s.room.refresh() // the first commits may come all at once
	if err := s.checkFormat(o.Dir); err != nil || made {
		return err
	}
	if err := o.writeMade(); err != nil {
		return lambda.Errorf(lambda.Internal, "The data folder of %s cannot be written: %w", o.Dir, err)
	}
	return nil
}

// openPebble turns what Pebble panics with on a failing disk into an error.
func (s *Store) openPebble(dir string, p *pebble.Options) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("store: %v", r)
		}
	}()
	s.db, err = pebble.Open(dir, p)
	return err
}

// checkFormat reads the format key, and writes it into an empty store.
func (s *Store) checkFormat(dir string) error {
	key := kv.Key(kv.Meta, "version")
	value, err := s.Get(key)
	switch {
	case err == nil:
		switch n, err := strconv.Atoi(string(value)); {
		case err != nil || n < 1:
			return lambda.Errorf(lambda.PreconditionFailed, "The data folder %s has a format that is not known (%q).", dir, value)
		case n > kv.Format:
			return lambda.Errorf(lambda.PreconditionFailed,
				"The data folder %s was written by a newer version (format %d, this one reads up to %d); run that version, or use another folder.", dir, n, kv.Format)
		}
		return nil
	case !errors.Is(err, kv.ErrNotFound):
		return err
	}
	for _, err := range s.Scan(kv.Range{}) {
		if err != nil {
			return err
		}
		return lambda.Errorf(lambda.PreconditionFailed, "The data folder %s holds something else than a store of ours.", dir)
	}
	b := &kv.Batch{Urgency: kv.Progress}
	b.Set(key, []byte(strconv.Itoa(kv.Format)))
	return s.Commit(b, kv.Synced)
}

// Close ends the store. No method may run or be called after. It answers the failure, if any.
func (s *Store) Close() (err error) {
	s.closeOnce.Do(func() {
		if s.guard != nil {
			close(s.guard.closing)
		}
		if s.db != nil {
			err = s.closePebble()
		}
		if e := s.lock.Close(); e != nil && err == nil {
			err = fmt.Errorf("store: unlock: %w", e)
		}
		if s.guard != nil && err == nil {
			err = s.guard.failed()
		}
	})
	return err
}

func (s *Store) closePebble() (err error) {
	defer func() {
		if r := recover(); r != nil { // Pebble complains about iterators left open, among others
			err = fmt.Errorf("store: close: %v", r)
		}
	}()
	return s.db.Close()
}

// failed is called once, by guard.
func (s *Store) failed(err error) {
	s.log.Error("The store has failed and accepts no more writes; nothing that was acknowledged is lost. Check the disk and restart.", "error", err)
}

// Health answers why the store accepts nothing, or nil. Unavailable passes by itself; anything
// else needs a restart.
func (s *Store) Health() error {
	if err := s.failure(); err != nil {
		return err
	}
	if s.guard.waiting.Load() > 0 || !s.room.enough(0) {
		return s.noRoom()
	}
	return nil
}

func (s *Store) failure() error {
	if err := s.guard.failed(); err != nil {
		return &lambda.Error{Kind: lambda.Internal, Message: "The store has failed and accepts no more writes.", Err: err}
	}
	return nil
}

func (s *Store) noRoom() error {
	return &lambda.Error{Kind: lambda.Unavailable, Message: "The disk is full: nothing new can be kept until there is room."}
}

// Get implements kv.Store.
func (s *Store) Get(key []byte) ([]byte, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, kv.ErrNotFound
	}
	if err != nil {
		return nil, readError(err)
	}
	value = append(make([]byte, 0, len(value)), value...)
	if err := closer.Close(); err != nil {
		return nil, readError(err)
	}
	return value, nil
}

func readError(err error) error {
	return &lambda.Error{Kind: lambda.Internal, Message: "The store cannot be read.", Err: err}
}

// Scan implements kv.Store.
func (s *Store) Scan(r kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: r.From, UpperBound: r.To})
		if err != nil {
			yield(kv.Pair{}, readError(err))
			return
		}
		first, next := it.First, it.Next
		if r.Reverse {
			first, next = it.Last, it.Prev
		}
		stopped := false
		for ok := first(); ok && !stopped; ok = next() {
			value, err := it.ValueAndErr()
			if err != nil {
				break // it.Close answers it
			}
			if stopped = !yield(kv.Pair{Key: it.Key(), Value: value}, nil); stopped {
				break
			}
		}
		if err := it.Close(); err != nil && !stopped {
			yield(kv.Pair{}, readError(err))
		}
	}
}

// Commit implements kv.Store.
func (s *Store) Commit(b *kv.Batch, d kv.Durability) error {
	if err := s.admit(b); err != nil {
		return err
	}
	if len(b.Ops) == 0 {
		return nil
	}
	w := s.db.NewBatchWithSize(size(b))
	if err := fill(w, b); err != nil {
		return errors.Join(&lambda.Error{Kind: lambda.Internal, Message: "The store cannot take this.", Err: err}, w.Close())
	}
	options := pebble.NoSync
	if d == kv.Synced {
		options = pebble.Sync
	}
	err := s.db.Apply(w, options)
	s.room.written.Add(uint64(w.Len()))
	if failure := s.failure(); failure != nil {
		// Whatever Apply said: after a failure it cannot be believed. The batch is not closed
		// for reuse, as Pebble may hold it still.
		return failure
	}
	if err != nil {
		return errors.Join(&lambda.Error{Kind: lambda.Internal, Message: "The store cannot be written.", Err: err}, w.Close())
	}
	return w.Close()
}

// admit refuses what cannot be kept now.
func (s *Store) admit(b *kv.Batch) error {
	if err := s.failure(); err != nil {
		return err
	}
	refuse := s.guard.waiting.Load() > 0 || b.Urgency == kv.Growth && !s.room.enough(size(b))
	if b.Urgency == kv.Growth && s.full.CompareAndSwap(!refuse, refuse) {
		if refuse {
			s.log.Warn("The disk is full: new work is refused until there is room", "free", s.room.free.Load(), "reserve", s.room.reserve)
		} else {
			s.log.Info("There is room on the disk again: new work is accepted")
		}
	}
	if refuse {
		return s.noRoom()
	}
	return nil
}

// size answers about how many bytes a batch takes.
func size(b *kv.Batch) int {
	n := 16
	for _, op := range b.Ops {
		n += 12 + len(op.Key) + len(op.Value) + len(op.To)
	}
	return n
}

func fill(w *pebble.Batch, b *kv.Batch) error {
	for _, op := range b.Ops {
		var err error
		switch {
		case op.To != nil:
			err = w.DeleteRange(op.Key, op.To, nil)
		case op.Value == nil:
			err = w.Delete(op.Key, nil)
		default:
			err = w.Set(op.Key, op.Value, nil)
		}
		if err != nil {
			return fmt.Errorf("store: batch: %w", err)
		}
	}
	return nil
}

// Metrics are readings for telemetry.
type Metrics struct {
	DiskBytes      uint64 // of the folder
	FreeBytes      uint64 // of the disk, as last read
	ReserveBytes   uint64
	MemTableBytes  uint64
	Compactions    int64
	WriteAmplified float64
}

// Metrics answers readings.
func (s *Store) Metrics() Metrics {
	m := s.db.Metrics()
	total := m.Total()
	return Metrics{
		DiskBytes: m.DiskSpaceUsage(), FreeBytes: s.room.free.Load(), ReserveBytes: s.room.reserve,
		MemTableBytes: m.MemTable.Size, Compactions: m.Compact.Count, WriteAmplified: total.WriteAmp(),
	}
}
