package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"sort"
	"strings"
	"sync"

	"github.com/google/uuid"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

const (
	segmentBytes = 8 << 20
	maxSegments  = 8
)

// Store keeps the logs of all functions.
type Store struct {
	root  *os.Root
	clock clock.Clock
	log   *slog.Logger

	mu    sync.Mutex
	files map[lambda.FunctionID]*file // those with streams or readers
}

// file is one function's log while it is in use.
type file struct {
	dir  string
	refs int // guarded by Store.mu

	mu      sync.Mutex
	segment *os.File // the newest, open for appending; nil until the first line
	number  int
	size    int64
	buffer  []byte
	failing bool
	grown   chan struct{} // closed and replaced when a line is added
}

// Open readies the folder, making it if need be.
func Open(dir string, clk clock.Clock, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	return &Store{root: root, clock: clk, log: log, files: map[lambda.FunctionID]*file{}}, nil
}

// Close frees the folder. Streams must be closed before.
func (s *Store) Close() error { return s.root.Close() }

// Stream is one execution environment's part of a function's log. Each Write is one line.
type Stream struct {
	store   *Store
	fn      lambda.FunctionID
	file    *file
	version string
	name    string
	once    sync.Once
}

// Open begins a stream; the name has AWS's form, YYYY/MM/DD/[version]<32 hex>.
func (s *Store) Open(fn lambda.FunctionID, version string) (name string, w io.WriteCloser, err error) {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	name = fmt.Sprintf("%s[%s]%s", s.clock().Format("2006/01/02/"), version, id)
	return name, &Stream{store: s, fn: fn, file: s.acquire(fn), version: version, name: name}, nil
}

// Write adds one line. A disk that takes none loses it, said once in the server's own log.
func (w *Stream) Write(line []byte) (int, error) {
	f := w.file
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer = appendLine(f.buffer[:0], lambda.LogLine{At: w.store.clock(), Stream: w.name, Version: w.version, Message: string(line)})
	err := w.store.append(f)
	if err != nil && !f.failing {
		w.store.log.Warn("log lines are lost", "function", w.fn.ARN(), "error", err)
	}
	f.failing = err != nil
	close(f.grown)
	f.grown = make(chan struct{})
	return len(line), nil
}

// Close ends the stream.
func (w *Stream) Close() error {
	w.once.Do(func() { w.store.release(w.fn, w.file) })
	return nil
}

func (s *Store) acquire(fn lambda.FunctionID) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[fn]
	if f == nil {
		f = &file{dir: path.Join(fn.Account, fn.Region, fn.Name), grown: make(chan struct{})}
		s.files[fn] = f
	}
	f.refs++
	return f
}

func (s *Store) release(fn lambda.FunctionID, f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.refs--; f.refs > 0 {
		return
	}
	delete(s.files, fn)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.close()
}

// close ends the open segment; what could not be written was already said.
func (f *file) close() {
	if f.segment != nil {
		_ = f.segment.Close()
		f.segment = nil
	}
}

// append writes f.buffer to the newest segment, going on to a new one when that is full.
func (s *Store) append(f *file) error {
	if f.segment == nil || f.size >= segmentBytes {
		if err := s.advance(f); err != nil {
			return err
		}
	}
	n, err := f.segment.Write(f.buffer)
	f.size += int64(n)
	if err != nil && n > 0 {
		// A torn line would swallow the next one.
		f.size -= int64(n)
		err = errors.Join(err, f.segment.Truncate(f.size))
	}
	return err
}

// advance opens the segment that lines go to, and removes those beyond the limit.
func (s *Store) advance(f *file) error {
	f.close()
	segments, err := s.segments(f.dir)
	if err != nil {
		return err
	}
	f.number, f.size = 1, 0
	if n := len(segments); n > 0 {
		f.number = segments[n-1]
		info, err := s.root.Stat(segmentName(f.dir, f.number))
		if err != nil {
			return err
		}
		if f.size = info.Size(); f.size >= segmentBytes {
			f.number, f.size = f.number+1, 0
		}
	} else if err := s.root.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	for len(segments) >= maxSegments && segments[len(segments)-1] != f.number {
		if err := s.root.Remove(segmentName(f.dir, segments[0])); err != nil {
			return err
		}
		segments = segments[1:]
	}
	f.segment, err = s.root.OpenFile(segmentName(f.dir, f.number), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

// segments answers the numbers of a folder's segments, oldest first.
func (s *Store) segments(dir string) ([]int, error) {
	d, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(names))
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(name, "%06d.log", &n); err == nil {
			numbers = append(numbers, n)
		}
	}
	sort.Ints(numbers)
	return numbers, nil
}

func segmentName(dir string, n int) string { return path.Join(dir, fmt.Sprintf("%06d.log", n)) }
