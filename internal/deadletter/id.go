package deadletter

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// idEncoding keeps the order of bytes and leaves out letters that look like others.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const (
	idBytes  = 15 // 6 of Unix milliseconds, 9 of the seed's hash
	idLength = 24
)

// newID makes an id that sorts by time, in milliseconds, and is unique as its seed is.
func newID(at time.Time, seed string) string {
	b := idTime(at)
	sum := sha256.Sum256([]byte(seed))
	copy(b[6:], sum[:])
	return idEncoding.EncodeToString(b[:])
}

// firstID sorts before or equal to every id of at's millisecond and later.
func firstID(at time.Time) string {
	b := idTime(at)
	return idEncoding.EncodeToString(b[:])
}

func idTime(at time.Time) (b [idBytes]byte) {
	ms := min(max(at.UnixMilli(), 0), 1<<48-1)
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], uint64(ms))
	copy(b[:6], wide[2:])
	return b
}

// timeOf answers the time in an id.
func timeOf(id string) (time.Time, bool) {
	if len(id) != idLength {
		return time.Time{}, false
	}
	b, err := idEncoding.DecodeString(id)
	if err != nil || len(b) != idBytes {
		return time.Time{}, false
	}
	var wide [8]byte
	copy(wide[2:], b[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(wide[:]))).UTC(), true
}

// validID keeps foreign bytes out of keys.
func validID(id string) bool { _, ok := timeOf(id); return ok }

// shortHash stands for text of any length and bytes in a key.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
