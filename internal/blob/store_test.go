package blob

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "blob"), fixed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t testing.TB, s *Store, data []byte) lambda.Package {
	t.Helper()
	info, err := s.Put(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestPut(t *testing.T) {
	s := newStore(t)
	data := pack(t,
		member{name: "bootstrap", content: "#!/bin/sh\n", mode: 0o700},
		member{name: "suid", content: "x", mode: fs.ModeSetuid | 0o4711},
		member{name: "private", content: "x", mode: 0o600},
		member{name: "lib/", mode: fs.ModeDir | 0o700},
		member{name: "./lib//deep/one.py", content: strings.Repeat("one", 1000)},
		member{name: "README", content: "a"}, member{name: "readme", content: "b"},
		member{name: "\xff\xfe", content: "bytes"},
		member{name: "current", content: "lib/deep", mode: fs.ModeSymlink | 0o777},
		member{name: "lib/up", content: "../bootstrap", mode: fs.ModeSymlink | 0o777},
		member{name: "dangling", content: "nothing/here", mode: fs.ModeSymlink | 0o777},
	)
	info := put(t, s, data)
	if again := put(t, s, data); again != info {
		t.Errorf("again: %+v, first %+v", again, info)
	}
	if info.ZipBytes != int64(len(data)) {
		t.Errorf("%+v", info)
	}
	dir, err := s.Dir(info.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, dir, info.UnzippedBytes)
	for path, want := range map[string]fs.FileMode{"bootstrap": 0o755, "suid": 0o755, "private": 0o644, "lib/up": 0o755, "lib": fs.ModeDir | 0o755} {
		if stat, err := os.Stat(filepath.Join(dir, path)); err != nil || stat.Mode() != want {
			t.Errorf("%s: %v, %v", path, stat.Mode(), err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "current/one.py")); err != nil || len(text) != 3000 {
		t.Errorf("through a link: %d bytes, %v", len(text), err)
	}
	f, size, err := s.Open(info.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if back, err := io.ReadAll(f); err != nil || !bytes.Equal(back, data) || size != int64(len(data)) {
		t.Errorf("the zip came back as %d bytes, %v", len(back), err)
	}
}

func TestEmptyPackage(t *testing.T) {
	s := newStore(t)
	dir, err := s.Dir(put(t, s, pack(t)).SHA256)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, dir, 0)
}

func TestTooLarge(t *testing.T) {
	_, err := newStore(t).Put(context.Background(), make([]byte, lambda.MaxZipBytes+1))
	if lambda.KindOf(err) != lambda.RequestEntityTooLarge || err.Error() != "Zipped size must be smaller than 52428800 bytes" {
		t.Error(err)
	}
}

func TestConcurrentPuts(t *testing.T) {
	s := newStore(t)
	data := pack(t, member{name: "a", content: strings.Repeat("a", 100_000)})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			other := pack(t, member{name: "b", content: fmt.Sprint(i % 4)})
			for _, d := range [][]byte{data, other} {
				info, err := s.Put(context.Background(), d)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Dir(info.SHA256); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(s.busy) != 0 {
		t.Errorf("%d turns left", len(s.busy))
	}
}

func TestNamesFromOutside(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"", "..", "../../etc", "a\x00b", strings.Repeat("A", 44), strings.Repeat("x", 300), "%2f",
		base64.StdEncoding.EncodeToString([]byte("short")), base64.StdEncoding.EncodeToString(make([]byte, 32))} {
		if _, err := s.Dir(name); lambda.KindOf(err) != lambda.ResourceNotFound {
			t.Errorf("Dir(%q): %v", name, err)
		}
		if _, _, err := s.Open(name); lambda.KindOf(err) != lambda.ResourceNotFound {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}

func TestSweep(t *testing.T) {
	now := epoch
	s, err := Open(filepath.Join(t.TempDir(), "blob"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := put(t, s, pack(t, member{name: "a", content: "kept"}))
	gone := put(t, s, pack(t, member{name: "a", content: "gone"}))
	keep := func(sum string) bool { return sum == kept.SHA256 }
	if n, err := s.Sweep(keep); n != 0 || err != nil {
		t.Fatalf("fresh code: %d removed, %v", n, err)
	}
	now = now.Add(Grace)
	if n, err := s.Sweep(keep); n != 1 || err != nil {
		t.Fatalf("%d removed, %v", n, err)
	}
	if _, err := s.Dir(kept.SHA256); err != nil {
		t.Error(err)
	}
	if _, err := s.Dir(gone.SHA256); lambda.KindOf(err) != lambda.ResourceNotFound {
		t.Error(err)
	}
	put(t, s, pack(t, member{name: "a", content: "gone"}))
}

// TestLeftovers opens a folder as a crash leaves it at each step of Put.
func TestLeftovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	s, err := Open(path, fixed)
	if err != nil {
		t.Fatal(err)
	}
	data := pack(t, member{name: "a", content: "x"})
	info := put(t, s, data)
	dir, err := s.Dir(info.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	// The zip has its name, the code does not yet have its own.
	if err := os.Rename(dir, filepath.Join(path, "tmp", "99")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, fixed); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if entries, err := os.ReadDir(filepath.Join(path, "tmp")); err != nil || len(entries) != 0 {
		t.Errorf("%v %v", entries, err)
	}
	if _, err := s.Dir(info.SHA256); lambda.KindOf(err) != lambda.ResourceNotFound {
		t.Error(err)
	}
	if again := put(t, s, data); again != info {
		t.Errorf("%+v", again)
	}
	if _, err := s.Dir(info.SHA256); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := newStore(t)
	if _, err := s.Put(ctx, pack(t, member{name: "a"})); err == nil {
		t.Error("a cancelled put went on")
	}
	nothingLeft(t, s.path)
}

func BenchmarkPut(b *testing.B) {
	members := make([]member, 1000)
	for i := range members {
		members[i] = member{name: fmt.Sprintf("d%d/f%d", i%30, i), content: strings.Repeat("x", 2000)}
	}
	s := newStore(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		members[0].content = fmt.Sprint(i)
		put(b, s, pack(b, members...))
	}
}
