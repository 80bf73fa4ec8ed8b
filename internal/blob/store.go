package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

// Store is a folder of code. Its methods are safe for concurrent use.
type Store struct {
	path  string
	root  *os.Root
	clock clock.Clock

	unpacking chan struct{} // bounds what unpacks at once

	mu   sync.Mutex
	busy map[string]*turn
	puts map[string]time.Time // when code was put last, while that keeps it from Sweep
	next uint64               // names in tmp/
}

// turn serialises the work on one package; users counts who holds or waits for it.
type turn struct {
	mu    sync.Mutex
	users int
}

// Grace is how long code that nothing refers to is kept after it was put: a caller puts code
// before it keeps what refers to it.
const Grace = time.Hour

// Open opens the folder at path, making it if need be, and removes what a crash left in it. The
// caller must be its only user.
func Open(path string, now clock.Clock) (*Store, error) {
	s, err := open(path, now)
	if err != nil {
		return nil, fmt.Errorf("open the code store: %w", err)
	}
	return s, nil
}

func open(path string, now clock.Clock) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, root: root, clock: now, unpacking: make(chan struct{}, 4),
		busy: map[string]*turn{}, puts: map[string]time.Time{}}
	err = root.RemoveAll("tmp")
	for _, name := range []string{"zip", "code", "tmp"} {
		if mkErr := root.Mkdir(name, 0o755); mkErr != nil && !errors.Is(mkErr, fs.ErrExist) {
			err = errors.Join(err, mkErr)
		}
	}
	if err = errors.Join(err, syncFolder(root, ".")); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// Close releases the folder. Files that are open stay readable.
func (s *Store) Close() error { return s.root.Close() }

// Put keeps a package and its files, and returns when both are on stable storage. The same
// package twice is no error.
func (s *Store) Put(ctx context.Context, data []byte) (lambda.Package, error) {
	sum := sha256.Sum256(data)
	info := lambda.Package{SHA256: base64.StdEncoding.EncodeToString(sum[:]), ZipBytes: int64(len(data))}
	if len(data) > lambda.MaxZipBytes {
		return lambda.Package{}, &lambda.Error{Kind: lambda.RequestEntityTooLarge,
			Message: fmt.Sprintf("Zipped size must be smaller than %d bytes", lambda.MaxZipBytes)}
	}
	select {
	case s.unpacking <- struct{}{}:
		defer func() { <-s.unpacking }()
	case <-ctx.Done():
		return lambda.Package{}, kinded(ctx.Err())
	}
	a, err := read(data)
	if err != nil {
		return lambda.Package{}, kinded(err)
	}
	info.UnzippedBytes = a.unzipped
	name := hex.EncodeToString(sum[:])
	defer s.take(name)()
	s.mu.Lock()
	s.puts[name] = s.clock()
	s.mu.Unlock()
	if _, err := s.root.Lstat("code/" + name); err == nil {
		return info, nil
	}
	if err := s.keep(ctx, name, data, a); err != nil {
		return lambda.Package{}, kinded(err)
	}
	return info, nil
}

// keep writes both forms under temporary names and then gives them theirs, the code last.
func (s *Store) keep(ctx context.Context, name string, data []byte, a *archive) (err error) {
	zipTemp, codeTemp := s.temp(), s.temp()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.root.RemoveAll(zipTemp), s.root.RemoveAll(codeTemp))
		}
	}()
	if err := s.root.Mkdir(codeTemp, 0o755); err != nil {
		return err
	}
	if err := s.unpackInto(ctx, codeTemp, a); err != nil {
		return err
	}
	if err := s.writeSynced(zipTemp, data); err != nil {
		return err
	}
	if err := s.root.Rename(zipTemp, "zip/"+name); err != nil {
		return err
	}
	if err := syncFolder(s.root, "zip"); err != nil {
		return err
	}
	if err := s.root.Rename(codeTemp, "code/"+name); err != nil {
		return err
	}
	return syncFolder(s.root, "code")
}

func (s *Store) unpackInto(ctx context.Context, path string, a *archive) error {
	if err := s.root.Chmod(path, 0o755); err != nil {
		return err
	}
	root, err := s.root.OpenRoot(path)
	if err != nil {
		return err
	}
	if err = a.unpack(ctx, root); err == nil {
		err = syncTree(root)
	}
	return errors.Join(err, root.Close())
}

func (s *Store) writeSynced(path string, data []byte) error {
	f, err := s.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(data))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (s *Store) temp() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return "tmp/" + strconv.FormatUint(s.next, 10)
}

// take waits for a package's turn and answers what ends it.
func (s *Store) take(name string) (release func()) {
	s.mu.Lock()
	t := s.busy[name]
	if t == nil {
		t = &turn{}
		s.busy[name] = t
	}
	t.users++
	s.mu.Unlock()
	t.mu.Lock()
	return func() {
		t.mu.Unlock()
		s.mu.Lock()
		if t.users--; t.users == 0 {
			delete(s.busy, name)
		}
		s.mu.Unlock()
	}
}

func syncFolder(root *os.Root, path string) error {
	f, err := root.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Dir answers the absolute path of a package's files, which must not be written.
func (s *Store) Dir(sha256Base64 string) (string, error) {
	name, err := fileName(sha256Base64)
	if err != nil {
		return "", err
	}
	if _, err := s.root.Lstat("code/" + name); err != nil {
		return "", absent(err)
	}
	return filepath.Join(s.path, "code", name), nil
}

// Open answers a package as it was sent, and its size.
func (s *Store) Open(sha256Base64 string) (io.ReadSeekCloser, int64, error) {
	name, err := fileName(sha256Base64)
	if err != nil {
		return nil, 0, err
	}
	f, err := s.root.Open("zip/" + name)
	if err != nil {
		return nil, 0, absent(err)
	}
	stat, err := f.Stat()
	if err != nil {
		return nil, 0, kinded(errors.Join(err, f.Close()))
	}
	return f, stat.Size(), nil
}

// fileName turns the base64 form of a hash, which comes from outside, into the name of a file.
func fileName(sha256Base64 string) (string, error) {
	sum, err := base64.StdEncoding.Strict().DecodeString(sha256Base64)
	if err != nil || len(sum) != sha256.Size {
		return "", absent(err)
	}
	return hex.EncodeToString(sum), nil
}

func absent(err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		var text base64.CorruptInputError
		if !errors.As(err, &text) {
			return kinded(err)
		}
	}
	return &lambda.Error{Kind: lambda.ResourceNotFound, Message: "The code does not exist.", Err: err}
}

// Sweep removes all code that keep does not want and that was not put within Grace. keep is
// asked for the base64 form, and must say yes for whatever is referred to or in use. It answers
// how many packages went.
func (s *Store) Sweep(keep func(sha256Base64 string) bool) (int, error) {
	names := map[string]bool{}
	for _, dir := range []string{"zip", "code"} {
		entries, err := fs.ReadDir(s.root.FS(), dir)
		if err != nil {
			return 0, kinded(err)
		}
		for _, e := range entries {
			names[e.Name()] = true
		}
	}
	removed := 0
	for name := range names {
		sum, err := hex.DecodeString(name)
		if err != nil || len(sum) != sha256.Size {
			continue
		}
		gone, err := s.sweepOne(name, func() bool { return keep(base64.StdEncoding.EncodeToString(sum)) })
		if err != nil {
			return removed, kinded(err)
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

func (s *Store) sweepOne(name string, keep func() bool) (bool, error) {
	defer s.take(name)()
	s.mu.Lock()
	put, recent := s.puts[name]
	if recent && s.clock().Sub(put) >= Grace {
		delete(s.puts, name)
		recent = false
	}
	s.mu.Unlock()
	if recent || keep() {
		return false, nil
	}
	temp := s.temp()
	if err := s.root.Rename("code/"+name, temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := s.root.Remove("zip/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, s.root.RemoveAll(temp)
}
