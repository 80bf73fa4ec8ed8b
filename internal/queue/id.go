package queue

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"sync"
	"time"
)

// idEncoding keeps the order of bytes.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const (
	idBytes  = 16 // 6 of Unix milliseconds, 2 of a counter, 8 random
	idLength = 26
)

// ids makes event ids: time-ordered, unique, and strictly increasing within a process, also when
// the clock goes back.
type ids struct {
	mu   sync.Mutex
	last uint64 // time and counter
}

// next makes an id.
func (g *ids) next(now time.Time) string {
	g.mu.Lock()
	g.last = max(g.last+1, uint64(max(now.UnixMilli(), 0))<<16)
	n := g.last
	g.mu.Unlock()
	var b [idBytes]byte
	binary.BigEndian.PutUint64(b[:], n)
	_, _ = rand.Read(b[8:]) // never fails
	return idEncoding.EncodeToString(b[:])
}

// seen keeps later ids above one that is in the store.
func (g *ids) seen(id string) {
	b, err := idEncoding.DecodeString(id)
	if err != nil || len(b) != idBytes {
		return
	}
	g.mu.Lock()
	g.last = max(g.last, binary.BigEndian.Uint64(b))
	g.mu.Unlock()
}
