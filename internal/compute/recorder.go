package compute

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

const (
	readBytes    = 64 << 10
	maxLineBytes = 256 << 10 // as on AWS, a longer line becomes several
	// drainBytes is more than a pipe holds: all that was printed before a moment is in it.
	drainBytes = 1 << 20
)

// recorder is an environment's log: what the function prints and the platform's own lines, in
// order, and the tail of the invocation in hand. All of it is guarded by mu, reading of the pipe
// included: whoever holds mu and has read until the pipe is empty has everything printed so far.
type recorder struct {
	now   clock.Clock
	burst int
	rate  int // bytes a second

	mu      sync.Mutex
	w       io.WriteCloser // nil: nothing is kept
	raw     syscall.RawConn
	buf     []byte
	partial []byte // a line without its end yet
	tail    []byte
	budget  int // bytes that may be logged now
	filled  time.Time
	dropped int
	failed  error // first error of w
}

func newRecorder(w io.WriteCloser, o Options, now clock.Clock) *recorder {
	return &recorder{now: now, burst: o.LogBurstBytes, rate: o.LogBytesPerSecond, w: w, budget: o.LogBurstBytes, filled: now()}
}

// pump reads the environment's output until all writers have closed it or the file is closed.
func (r *recorder) pump(output *os.File) error {
	raw, err := output.SyscallConn()
	if errors.Is(err, os.ErrClosed) { // the environment went before anybody listened
		return nil
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.raw = raw
	r.buf = make([]byte, readBytes)
	r.mu.Unlock()
	err = raw.Read(func(fd uintptr) bool {
		for {
			r.mu.Lock()
			n, again := r.read(fd)
			r.mu.Unlock()
			if n == 0 {
				return !again // false: wait until there is more
			}
		}
	})
	// A file that was closed while it was read has ended; its raw form does not say so by itself.
	if _, closed := output.Stat(); errors.Is(closed, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// read takes what is in the pipe, once. again says that it is empty but not closed. Caller holds mu.
func (r *recorder) read(fd uintptr) (n int, again bool) {
	for {
		n, err := syscall.Read(int(fd), r.buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, true
		case err != nil || n <= 0:
			return 0, false
		}
		r.output(r.buf[:n])
		return n, true
	}
}

// drain takes what the function has printed so far. Caller holds mu.
func (r *recorder) drain() {
	if r.raw == nil {
		return
	}
	// An error means that the pipe is closed: then the pump has taken all.
	_ = r.raw.Control(func(fd uintptr) {
		for total := 0; total < drainBytes; {
			n, _ := r.read(fd)
			if n == 0 {
				return
			}
			total += n
		}
	})
}

// output splits what was printed into lines.
func (r *recorder) output(data []byte) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			r.partial = append(r.partial, data...)
			for len(r.partial) >= maxLineBytes {
				r.emit(append(r.partial[:maxLineBytes:maxLineBytes], '\n'))
				r.partial = append([]byte(nil), r.partial[maxLineBytes:]...)
			}
			return
		}
		line := data[:i+1]
		if len(r.partial) > 0 {
			line = append(r.partial, line...)
			r.partial = r.partial[:0]
		}
		for len(line) > maxLineBytes+1 {
			r.emit(append(bytes.Clone(line[:maxLineBytes]), '\n'))
			line = line[maxLineBytes:]
		}
		r.emit(line)
		data = data[i+1:]
	}
}

// emit logs one line of the function's, within its budget.
func (r *recorder) emit(line []byte) {
	r.keep(line)
	if r.budget < len(line) {
		now := r.now()
		if passed := now.Sub(r.filled); passed > 0 {
			r.budget = min(r.budget+int(passed.Seconds()*float64(r.rate)), r.burst)
			r.filled = now
		}
	}
	if r.budget < len(line) {
		r.dropped += len(line)
		return
	}
	r.budget -= len(line)
	r.mark()
	r.write(line)
}

// mark says how much was dropped, where the gap is.
func (r *recorder) mark() {
	if r.dropped > 0 {
		dropped := r.dropped
		r.dropped = 0
		r.write(fmt.Appendf(nil, "[lambent] %d bytes of log dropped here: the function logs faster than %d bytes a second.\n", dropped, r.rate))
	}
}

func (r *recorder) write(line []byte) {
	if r.w == nil {
		return
	}
	if _, err := r.w.Write(line); err != nil && r.failed == nil {
		r.failed = err
	}
}

// keep adds to the tail, of which only the end matters.
func (r *recorder) keep(line []byte) {
	if len(line) >= lambda.MaxLogTailBytes {
		r.tail = append(r.tail[:0], line[len(line)-lambda.MaxLogTailBytes:]...)
		return
	}
	if len(r.tail)+len(line) > 4*lambda.MaxLogTailBytes {
		n := copy(r.tail, r.tail[len(r.tail)-lambda.MaxLogTailBytes:])
		r.tail = r.tail[:n]
	}
	r.tail = append(r.tail, line...)
}

// endLine ends a line that the function left open, so that the next one begins anew.
func (r *recorder) endLine() {
	if len(r.partial) > 0 {
		r.emit(append(r.partial, '\n'))
		r.partial = r.partial[:0]
	}
}

// note logs platform lines outside of an invocation; they are not part of a tail.
func (r *recorder) note(lines ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range lines {
		if line != "" {
			r.write([]byte(line))
		}
	}
}

// begin starts an invocation's log. The tail of a cold call keeps what the initialisation printed.
func (r *recorder) begin(line string, keepInit bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.endLine()
	if !keepInit {
		r.tail = r.tail[:0]
	}
	r.platform(line)
}

// finish ends an invocation's log: what the function printed so far, then the lines. It answers
// the last 4 KB and the first error of the log, once.
func (r *recorder) finish(lines ...string) (tail []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.endLine()
	r.mark()
	for _, line := range lines {
		r.platform(line)
	}
	tail = bytes.Clone(r.tail[max(0, len(r.tail)-lambda.MaxLogTailBytes):])
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	err, r.failed = r.failed, nil
	return tail, err
}

func (r *recorder) platform(line string) {
	if line == "" {
		return
	}
	r.keep([]byte(line))
	r.write([]byte(line))
}

// close ends the log.
func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.endLine()
	r.mark()
	r.raw = nil
	if r.w == nil {
		return nil
	}
	w := r.w
	r.w = nil
	return w.Close()
}
