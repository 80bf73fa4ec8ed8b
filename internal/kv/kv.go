// Package kv is the seam between what Lambent decides and where it keeps it: batches of
// deterministic writes over one ordered key space.
//
// A Batch is applied whole or not at all. Times and ids are in its values, never read during
// apply, so that the same batches give the same state on any replica. Package store keeps it on
// Pebble; keys.go draws every key.
package kv

import (
	"errors"
	"iter"
)

// ErrNotFound says that a key is absent.
var ErrNotFound = errors.New("kv: not found")

// Durability says when Commit may return.
type Durability uint8

const (
	// Synced returns after the batch is on stable storage.
	Synced Durability = iota
	// Ordered returns at once; the batch is never on storage without all batches before it. It
	// is for what a crash may forget: that an attempt has begun.
	Ordered
)

// Urgency says what may be refused when room is short.
type Urgency uint8

const (
	// Growth adds new work; it is refused first (lambda.Unavailable) when the disk runs full.
	Growth Urgency = iota
	// Progress ends or moves work that is already kept; it may use the reserve.
	Progress
)

// Store is one ordered key space. Implementations are safe for concurrent use.
type Store interface {
	// Get answers the value, which the caller owns, or ErrNotFound.
	Get(key []byte) ([]byte, error)
	// Scan yields the pairs of a range in key order. A pair is valid until the next step.
	// The scan sees the state at its start.
	Scan(r Range) iter.Seq2[Pair, error]
	// Commit applies the batch atomically. A lambda.Unavailable error means that nothing was
	// kept and that it may be tried again; after any other error the store accepts no more writes.
	Commit(b *Batch, d Durability) error
}

// Range is From <= key < To. A nil To means the end.
type Range struct {
	From, To []byte
	Reverse  bool
}

// Pair is one key with its value.
type Pair struct{ Key, Value []byte }

// Op is one write of a Batch: a set, a delete (Value nil) or a range delete (To not nil).
type Op struct{ Key, Value, To []byte }

// Batch collects writes. The zero value is ready to use. Later writes win.
type Batch struct {
	Urgency Urgency
	Ops     []Op
}

// Set stores value under key; both are kept, not copied.
func (b *Batch) Set(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	b.Ops = append(b.Ops, Op{Key: key, Value: value})
}

// Delete removes key; an absent key is no error.
func (b *Batch) Delete(key []byte) { b.Ops = append(b.Ops, Op{Key: key}) }

// DeleteRange removes all keys with from <= key < to.
func (b *Batch) DeleteRange(from, to []byte) { b.Ops = append(b.Ops, Op{Key: from, To: to}) }
