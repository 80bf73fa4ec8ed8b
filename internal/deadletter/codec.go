package deadletter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// codecVersion is the first byte of every head and body. A reader refuses what it does not know.
const codecVersion = 1

var errCorrupt = errors.New("deadletter: damaged record")

// A record is a version byte, then fields in a fixed order: text as a length and its bytes,
// numbers as zig-zag varints, times as nanoseconds since 1970 (the zero time as 0), lists as a
// count and their entries.
type encoder struct{ b []byte }

func (e *encoder) text(s string) {
	e.b = binary.AppendUvarint(e.b, uint64(len(s)))
	e.b = append(e.b, s...)
}
func (e *encoder) number(n int64) { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) count(n int)    { e.b = binary.AppendUvarint(e.b, uint64(n)) }
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.number(0)
		return
	}
	e.number(t.UnixNano())
}

// decoder reads what encoder wrote. After the first fault it reads zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) text() string {
	n, w := binary.Uvarint(d.b)
	if w <= 0 || n > uint64(len(d.b)-w) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[w : w+int(n)])
	d.b = d.b[w+int(n):]
	return s
}

func (d *decoder) number() int64 {
	n, w := binary.Varint(d.b)
	if w <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return n
}

func (d *decoder) int() int {
	n := d.number()
	if n < math.MinInt32 || n > math.MaxInt32 {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

// count reads the length of a list whose entries take at least one byte each.
func (d *decoder) count() int {
	n, w := binary.Uvarint(d.b)
	if w <= 0 || n > uint64(len(d.b)-w) {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return int(n)
}

func (d *decoder) time() time.Time {
	n := d.number()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (d *decoder) open() {
	if len(d.b) == 0 || d.b[0] != codecVersion {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[1:]
}

func (d *decoder) close() error {
	if d.bad || len(d.b) != 0 {
		return errCorrupt
	}
	return nil
}

func encodeHead(s *Summary) []byte {
	e := encoder{b: make([]byte, 0, 256+len(s.ErrorMessage))}
	e.b = append(e.b, codecVersion)
	e.text(s.RequestID)
	e.text(s.Function.Region)
	e.text(s.Function.Name)
	e.text(s.Qualifier)
	e.text(string(s.Condition))
	e.text(string(s.Ending))
	e.text(s.ErrorType)
	e.text(s.ErrorMessage)
	e.text(s.Fingerprint)
	if s.Destination == nil {
		e.count(0)
	} else {
		e.count(1)
		e.text(s.Destination.ARN)
		e.text(s.Destination.Error)
	}
	e.time(s.AcceptedAt)
	e.time(s.BuriedAt)
	e.number(int64(s.AttemptCount))
	e.text(s.RedriveJob)
	return e.b
}

// decodeHead reads a head; the account and the id are in its key.
func decodeHead(account, id string, b []byte) (Summary, error) {
	d := decoder{b: b}
	d.open()
	s := Summary{ID: id, RequestID: d.text()}
	s.Function = lambda.FunctionID{Account: account, Region: d.text(), Name: d.text()}
	s.Qualifier = d.text()
	s.Condition, s.Ending = lambda.Condition(d.text()), lambda.Condition(d.text())
	s.ErrorType, s.ErrorMessage, s.Fingerprint = d.text(), d.text(), d.text()
	switch d.count() {
	case 0:
	case 1:
		s.Destination = &lambda.DestinationFailure{ARN: d.text(), Error: d.text()}
	default:
		d.bad = true
	}
	s.AcceptedAt, s.BuriedAt = d.time(), d.time()
	s.AttemptCount = d.int()
	s.RedriveJob = d.text()
	if err := d.close(); err != nil {
		return Summary{}, fmt.Errorf("head of letter %s: %w", id, err)
	}
	return s, nil
}

func encodeBody(l *Letter) []byte {
	e := encoder{b: []byte{codecVersion}}
	e.text(l.EventID)
	e.text(l.ClientContext)
	e.text(l.TraceHeader)
	e.attempts(l.Attempts)
	e.text(l.Provenance.RedrivenFrom)
	e.text(l.Provenance.RedriveJob)
	e.count(len(l.Provenance.Edits))
	for _, x := range l.Provenance.Edits {
		e.time(x.At)
		e.text(x.By)
		e.text(x.Payload)
	}
	e.attempts(l.Provenance.Earlier)
	return e.b
}

// decodeBody completes a letter whose Summary is set.
func decodeBody(l *Letter, b []byte) error {
	d := decoder{b: b}
	d.open()
	l.EventID, l.ClientContext, l.TraceHeader = d.text(), d.text(), d.text()
	l.Attempts = d.attempts()
	l.Provenance.RedrivenFrom, l.Provenance.RedriveJob = d.text(), d.text()
	for range d.count() {
		l.Provenance.Edits = append(l.Provenance.Edits, lambda.Edit{At: d.time(), By: d.text(), Payload: d.text()})
		if d.bad {
			break
		}
	}
	l.Provenance.Earlier = d.attempts()
	if err := d.close(); err != nil {
		return fmt.Errorf("body of letter %s: %w", l.ID, err)
	}
	return nil
}

func (e *encoder) attempts(all []lambda.Attempt) {
	e.count(len(all))
	for i := range all {
		a := &all[i]
		e.number(int64(a.Number))
		e.time(a.StartedAt)
		e.number(int64(a.Duration))
		e.number(int64(a.Init))
		e.text(a.Version)
		e.text(string(a.Status))
		e.text(a.ErrorType)
		e.text(a.ErrorMessage)
		e.count(len(a.StackTrace))
		for _, f := range a.StackTrace {
			e.text(f)
		}
		e.text(a.LogTail)
		e.number(int64(a.MemorySizeMB))
		e.number(int64(a.MaxMemoryUsedMB))
		e.number(int64(a.TimeoutSeconds))
	}
}

func (d *decoder) attempts() []lambda.Attempt {
	var all []lambda.Attempt
	for range d.count() {
		a := lambda.Attempt{Number: d.int(), StartedAt: d.time(), Duration: time.Duration(d.number()), Init: time.Duration(d.number())}
		a.Version, a.Status = d.text(), lambda.Status(d.text())
		a.ErrorType, a.ErrorMessage = d.text(), d.text()
		for range d.count() {
			a.StackTrace = append(a.StackTrace, d.text())
			if d.bad {
				break
			}
		}
		a.LogTail = d.text()
		a.MemorySizeMB, a.MaxMemoryUsedMB, a.TimeoutSeconds = d.int(), d.int(), d.int()
		if d.bad {
			return nil
		}
		all = append(all, a)
	}
	return all
}
