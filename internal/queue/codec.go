package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// Encodings of what the queue keeps. The first byte is the version; an unknown one is refused,
// never guessed. Then fields in a fixed order: text as a length and its bytes, numbers as zig-zag
// varints, times as nanoseconds since 1970 (the zero time as 0), lists as a count and entries. A
// payload comes last, to the end of the record, byte for byte.
const (
	eventVersion = 1
	stateVersion = 1
)

// state is what has happened to an event since it was accepted, and when it is due.
type state struct {
	Due      time.Time
	Backoffs int
	Attempts []lambda.Attempt
}

// errUnreadable marks a record that cannot be read. It is left where it is, and named.
var errUnreadable = errors.New("queue: unreadable record")

func errRecord(what string, raw []byte, version byte) error {
	if len(raw) > 0 && raw[0] != version {
		return fmt.Errorf("%w: %s of version %d, this binary reads %d", errUnreadable, what, raw[0], version)
	}
	return fmt.Errorf("%w: damaged %s of %d bytes", errUnreadable, what, len(raw))
}

func encodeEvent(e *lambda.Event) []byte {
	w := writer{b: make([]byte, 0, 256+len(e.Payload)+len(e.ClientContext))}
	w.b = append(w.b, eventVersion)
	for _, s := range []string{e.ID, e.RequestID, e.Function.Account, e.Function.Region, e.Function.Name,
		e.Qualifier, e.ClientContext, e.TraceHeader} {
		w.text(s)
	}
	w.time(e.AcceptedAt)
	w.number(int64(e.Backoffs))
	w.attempts(e.Attempts)
	p := &e.Provenance
	w.text(p.RedrivenFrom)
	w.text(p.RedriveJob)
	w.number(int64(len(p.Edits)))
	for _, edit := range p.Edits {
		w.time(edit.At)
		w.text(edit.By)
		w.text(edit.Payload)
	}
	w.attempts(p.Earlier)
	return append(w.b, e.Payload...)
}

func decodeEvent(raw []byte) (*lambda.Event, error) {
	if len(raw) == 0 || raw[0] != eventVersion {
		return nil, errRecord("event", raw, eventVersion)
	}
	r := reader{b: raw[1:]}
	var e lambda.Event
	for _, s := range []*string{&e.ID, &e.RequestID, &e.Function.Account, &e.Function.Region, &e.Function.Name,
		&e.Qualifier, &e.ClientContext, &e.TraceHeader} {
		*s = r.text()
	}
	e.AcceptedAt = r.time()
	e.Backoffs = int(r.number())
	e.Attempts = r.attempts()
	p := &e.Provenance
	p.RedrivenFrom, p.RedriveJob = r.text(), r.text()
	for range r.count(3) {
		p.Edits = append(p.Edits, lambda.Edit{At: r.time(), By: r.text(), Payload: r.text()})
	}
	p.Earlier = r.attempts()
	if r.bad {
		return nil, errRecord("event", raw, eventVersion)
	}
	e.Payload = append([]byte{}, r.b...)
	return &e, nil
}

func encodeState(s *state) []byte {
	w := writer{b: []byte{stateVersion}}
	w.time(s.Due)
	w.number(int64(s.Backoffs))
	w.attempts(s.Attempts)
	return w.b
}

func decodeState(raw []byte) (*state, error) {
	if len(raw) == 0 || raw[0] != stateVersion {
		return nil, errRecord("state", raw, stateVersion)
	}
	r := reader{b: raw[1:]}
	s := &state{Due: r.time(), Backoffs: int(r.number()), Attempts: r.attempts()}
	if r.bad || len(r.b) > 0 {
		return nil, errRecord("state", raw, stateVersion)
	}
	return s, nil
}

type writer struct{ b []byte }

func (w *writer) text(s string) {
	w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...)
}

func (w *writer) number(n int64) { w.b = binary.AppendVarint(w.b, n) }

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.number(0)
		return
	}
	w.number(t.UnixNano())
}

func (w *writer) attempts(list []lambda.Attempt) {
	w.number(int64(len(list)))
	for i := range list {
		a := &list[i]
		w.number(int64(a.Number))
		w.time(a.StartedAt)
		w.number(int64(a.Duration))
		w.number(int64(a.Init))
		w.text(a.Version)
		w.text(string(a.Status))
		w.text(a.ErrorType)
		w.text(a.ErrorMessage)
		w.number(int64(len(a.StackTrace)))
		for _, frame := range a.StackTrace {
			w.text(frame)
		}
		w.text(a.LogTail)
		w.number(int64(a.MemorySizeMB))
		w.number(int64(a.MaxMemoryUsedMB))
		w.number(int64(a.TimeoutSeconds))
	}
}

// reader reads what writer wrote. After the first fault it reads zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fault() { r.bad, r.b = true, nil }

func (r *reader) text() string {
	n, w := binary.Uvarint(r.b)
	if w <= 0 || n > uint64(len(r.b)-w) {
		r.fault()
		return ""
	}
	s := string(r.b[w : w+int(n)])
	r.b = r.b[w+int(n):]
	return s
}

func (r *reader) number() int64 {
	n, w := binary.Varint(r.b)
	if w <= 0 {
		r.fault()
		return 0
	}
	r.b = r.b[w:]
	return n
}

// count reads the length of a list whose entries take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.number()
	if n < 0 || n > int64(len(r.b)/size) {
		r.fault()
		return 0
	}
	return int(n)
}

func (r *reader) time() time.Time {
	n := r.number()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (r *reader) attempts() []lambda.Attempt {
	const fields = 13
	n := r.count(fields)
	if n == 0 {
		return nil
	}
	list := make([]lambda.Attempt, 0, min(n, 256))
	for range n {
		a := lambda.Attempt{
			Number: int(r.number()), StartedAt: r.time(), Duration: time.Duration(r.number()), Init: time.Duration(r.number()),
			Version: r.text(), Status: lambda.Status(r.text()), ErrorType: r.text(), ErrorMessage: r.text(),
		}
		for range r.count(1) {
			a.StackTrace = append(a.StackTrace, r.text())
		}
		a.LogTail = r.text()
		a.MemorySizeMB, a.MaxMemoryUsedMB, a.TimeoutSeconds = int(r.number()), int(r.number()), int(r.number())
		list = append(list, a)
	}
	return list
}
