package kvtest

import (
	"bytes"
	"iter"
	"slices"
	"sync"

	"lambent.dev/lambent/internal/kv"
)

// Memory is a kv.Store for tests of what is built on one. It passes Run, forgets everything, and
// is slow beyond some thousand keys. The zero value is empty and ready.
type Memory struct {
	mu    sync.RWMutex
	pairs []kv.Pair // sorted; replaced, never changed
	// Fail, where set, is asked before each commit; an error is the commit's answer.
	Fail func(*kv.Batch) error
}

func (m *Memory) state() []kv.Pair {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.pairs
}

func find(pairs []kv.Pair, key []byte) (int, bool) {
	return slices.BinarySearchFunc(pairs, key, func(p kv.Pair, k []byte) int { return bytes.Compare(p.Key, k) })
}

// Get implements kv.Store.
func (m *Memory) Get(key []byte) ([]byte, error) {
	pairs := m.state()
	i, ok := find(pairs, key)
	if !ok {
		return nil, kv.ErrNotFound
	}
	return append([]byte{}, pairs[i].Value...), nil
}

// Scan implements kv.Store.
func (m *Memory) Scan(r kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		pairs := m.state()
		from, _ := find(pairs, r.From)
		to := len(pairs)
		if r.To != nil {
			to, _ = find(pairs, r.To)
		}
		pairs = pairs[from:max(from, to)]
		for i := range pairs {
			if r.Reverse {
				i = len(pairs) - 1 - i
			}
			if !yield(pairs[i], nil) {
				return
			}
		}
	}
}

// Commit implements kv.Store.
func (m *Memory) Commit(b *kv.Batch, _ kv.Durability) error {
	if m.Fail != nil {
		if err := m.Fail(b); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	pairs := slices.Clone(m.pairs)
	for _, op := range b.Ops {
		i, ok := find(pairs, op.Key)
		switch {
		case op.To != nil:
			j, _ := find(pairs, op.To)
			pairs = slices.Delete(pairs, i, max(i, j))
		case op.Value == nil && ok:
			pairs = slices.Delete(pairs, i, i+1)
		case op.Value == nil:
		case ok:
			pairs[i] = kv.Pair{Key: bytes.Clone(op.Key), Value: append([]byte{}, op.Value...)}
		default:
			pairs = slices.Insert(pairs, i, kv.Pair{Key: bytes.Clone(op.Key), Value: append([]byte{}, op.Value...)})
		}
	}
	m.pairs = pairs
	return nil
}
