package kv

import (
	"encoding/binary"

	"lambent.dev/lambent/internal/lambda"
)

// Every key of the store. A part is written as its bytes followed by 0x00 (names hold no NUL);
// times are 8 big-endian bytes of Unix nanoseconds, so that they sort.
//
//	m  version                                   store format, decimal text
//	a  <account>                                 account
//	k  <access key>                              access key
//	f  <account> <region> <function>             function: tags, concurrency, next version, $LATEST
//	fv <account> <region> <function>             next version of a deleted function: numbers are never used again
//	v  <account> <region> <function> <version8>  published version (8 big-endian bytes)
//	n  <account> <region> <function> <alias>     alias
//	i  <account> <region> <function> <qualifier> event invoke config
//	e  <account> <region> <function> <event>     accepted event, all that is unfinished; never rewritten
//	s  <account> <region> <function> <event>     its state from its first attempt on: due time, attempts
//	d  <account> <region> <function> <due8> <event>  its place in time; the value is its payload's size
//	l  <account> <letter>                        dead letter's head: what lists show; ids are time-ordered by burial
//	lb <account> <letter>                        its body: attempts, context, provenance
//	lp <account> <letter>                        its payload, byte for byte
//	lf <account> <region> <function> <letter>    index: letters of a function; all index values are empty
//	lt <account> <type hash> <letter>            index: letters of an error type
//	lx <account> <region> <function> <type hash> <letter>  index: of both
//	lg <account> <fingerprint> <letter>          index: letters of a group; its count is the number of its keys
//	j  <account> <job>                           redrive or purge job: definition and progress
//	ji <account> <job>                           its ids and payload patch, which do not change
//
// Migration rule: a change of any layout or encoding raises Format; an older binary refuses a
// newer store, a newer binary migrates or refuses by name, and never guesses.
const Format = 1

// The first byte or bytes of each kind of key.
const (
	Meta             = "m"
	Account          = "a"
	AccessKey        = "k"
	Function         = "f"
	NextVersion      = "fv"
	Version          = "v"
	Alias            = "n"
	InvokeConfig     = "i"
	Event            = "e"
	EventState       = "s"
	Due              = "d"
	Letter           = "l"
	LetterBody       = "lb"
	LetterPayload    = "lp"
	LetterByFunction = "lf"
	LetterByType     = "lt"
	LetterByBoth     = "lx"
	LetterByPrint    = "lg"
	Job              = "j"
	JobInput         = "ji"
)

// Key joins a kind and its parts.
func Key(kind string, parts ...string) []byte {
	n := len(kind) + 1
	for _, p := range parts {
		n += len(p) + 1
	}
	k := make([]byte, 0, n+16)
	k = append(append(k, kind...), 0)
	for _, p := range parts {
		k = append(append(k, p...), 0)
	}
	return k
}

// FunctionKey is Key with a function's three parts, then more.
func FunctionKey(kind string, f lambda.FunctionID, more ...string) []byte {
	return Key(kind, append([]string{f.Account, f.Region, f.Name}, more...)...)
}

// AppendUint64 appends a number so that it sorts.
func AppendUint64(key []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(key, n) }

// Prefix is the range of all keys that begin with prefix.
func Prefix(prefix []byte) Range {
	to := append([]byte(nil), prefix...)
	for i := len(to) - 1; i >= 0; i-- {
		if to[i] < 0xff {
			to[i]++
			return Range{From: prefix, To: to[:i+1]}
		}
	}
	return Range{From: prefix}
}
