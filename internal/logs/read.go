package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// Read yields a function's lines written at or after since, oldest first. With follow it then
// waits for more until ctx ends. A function without a log yields nothing.
func (s *Store) Read(ctx context.Context, fn lambda.FunctionID, since time.Time, follow bool) iter.Seq2[lambda.LogLine, error] {
	return func(yield func(lambda.LogLine, error) bool) {
		f := s.acquire(fn)
		defer s.release(fn, f)
		r := reader{store: s, dir: f.dir, since: since}
		for ctx.Err() == nil {
			f.mu.Lock()
			grown := f.grown
			f.mu.Unlock()
			if more, err := r.drain(yield); err != nil {
				yield(lambda.LogLine{}, err)
				return
			} else if !more || !follow {
				return
			}
			select {
			case <-ctx.Done():
			case <-grown:
			}
		}
	}
}

// reader remembers how far one Read has come.
type reader struct {
	store  *Store
	dir    string
	since  time.Time
	number int // of the segment being read; 0: none yet
	offset int64
}

// drain yields all whole lines that are there. more is false when the consumer has enough.
func (r *reader) drain(yield func(lambda.LogLine, error) bool) (more bool, err error) {
	segments, err := r.store.segments(r.dir)
	if err != nil {
		return false, err
	}
	for _, n := range segments {
		if n < r.number {
			continue
		}
		if n > r.number {
			r.number, r.offset = n, 0
		}
		more, err := r.drainSegment(yield)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile: too old to keep
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (r *reader) drainSegment(yield func(lambda.LogLine, error) bool) (more bool, err error) {
	f, err := r.store.root.OpenFile(segmentName(r.dir, r.number), os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := f.Seek(r.offset, io.SeekStart); err != nil {
		return false, err
	}
	lines := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return true, nil // a torn tail is read again when it is whole
		}
		if err != nil {
			return false, err
		}
		r.offset += int64(len(line))
		l, ok := parseLine(line[:len(line)-1])
		if ok && !l.At.Before(r.since) && !yield(l, nil) {
			return false, nil
		}
	}
}
