package blob

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

const (
	unzipSentence = "Could not unzip uploaded file. Please check your file, then try to upload again."
	sizeSentence  = "Unzipped size must be smaller than 262144000 bytes"
)

type bad struct {
	name string
	data []byte
	want string // part of the message
}

// badArchives is the corpus of packages that must be refused.
func badArchives(t testing.TB) []bad {
	good := pack(t, member{name: "index.js", content: "exports.handler = 1"}, member{name: "lib/a.js", content: strings.Repeat("a", 5000)})
	link := func(name, target string) member {
		return member{name: name, content: target, mode: fs.ModeSymlink | 0o777}
	}
	cut := func(n int) []byte { return good[:n] }
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 0xff
		return b
	}
	list := []bad{
		{"empty", nil, unzipSentence},
		{"text", []byte("this is no zip file"), unzipSentence},
		{"json", []byte(`{"a":1}`), unzipSentence},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), unzipSentence},
		{"zeros", make([]byte, 4096), unzipSentence},
		{"only an end signature", []byte("PK\x05\x06"), unzipSentence},
		{"only a local header", []byte("PK\x03\x04"), unzipSentence},
		{"cut by a byte", cut(len(good) - 1), unzipSentence},
		{"cut in the directory", cut(len(good) - 40), unzipSentence},
		{"cut in the middle", cut(len(good) / 2), unzipSentence},
		{"cut at the start", good[10:], unzipSentence},
		{"flipped content", flip(45), unzipSentence},
		{"flipped local signature", flip(1), unzipSentence},
		{"wrong sum", build(raw{name: "a", data: []byte("hello"), crc: 1}), unzipSentence},
		{"declared too short", build(raw{name: "a", data: deflate("hello world"), method: 8, size: 5}), unzipSentence},
		{"declared too long", build(raw{name: "a", data: deflate("hello"), method: 8, size: 500}), unzipSentence},
		{"broken deflate", build(raw{name: "a", data: []byte("\xff\xff\xff\xff"), method: 8}), unzipSentence},
		{"directory past the end", build(raw{name: "a", data: []byte("x"), at: 1 << 20}), unzipSentence},
		{"overlap", build(raw{name: "a", data: bytes.Repeat([]byte("x"), 100)}, raw{name: "b", data: bytes.Repeat([]byte("x"), 100), at: 0}, raw{name: "c", data: bytes.Repeat([]byte("x"), 100), at: 131}), unzipSentence},
		{"up", pack(t, member{name: "../evil", content: "x"}), "leads out"},
		{"up in the middle", pack(t, member{name: "a/../../evil", content: "x"}), "leads out"},
		{"up and back", pack(t, member{name: "a/../b", content: "x"}), "leads out"},
		{"up folder", pack(t, member{name: "../", mode: fs.ModeDir | 0o755}), "leads out"},
		{"absolute", pack(t, member{name: "/etc/cron.d/x", content: "x"}), "absolute"},
		{"absolute twice", pack(t, member{name: "//x", content: "x"}), "absolute"},
		{"backslash", pack(t, member{name: `a\b`, content: "x"}), "backslash"},
		{"backslash up", pack(t, member{name: `..\evil`, content: "x"}), "backslash"},
		{"drive", pack(t, member{name: `C:\evil`, content: "x"}), "backslash"},
		{"NUL", build(raw{name: "a\x00b", data: []byte("x")}), "NUL"},
		{"no name", build(raw{name: "", data: []byte("x")}), "no name"},
		{"dot", build(raw{name: ".", data: []byte("x")}), "no name"},
		{"long name", pack(t, member{name: strings.Repeat("n", 256), content: "x"}), "more than 255 bytes"},
		{"long path", pack(t, member{name: strings.Repeat("abcdefgh/", 120) + "x", content: "x"}), "longer than 1024 bytes"},
		{"deep", pack(t, member{name: strings.Repeat("a/", 70) + "x", content: "x"}), "folders deep"},
		{"twice", pack(t, member{name: "a", content: "1"}, member{name: "a", content: "2"}), "twice"},
		{"twice over dots", pack(t, member{name: "a", content: "1"}, member{name: "./a", content: "2"}), "twice"},
		{"file and folder", pack(t, member{name: "a", content: "1"}, member{name: "a/b", content: "2"}), "twice"},
		{"folder and file", pack(t, member{name: "a/"}, member{name: "a", content: "2"}), "twice"},
		{"link and file", pack(t, link("a", "b"), member{name: "a", content: "2"}), "twice"},
		{"link out", pack(t, link("a", "../b")), "leads out"},
		{"link out of a folder", pack(t, link("d/a", "../../b")), "leads out"},
		{"absolute link", pack(t, link("a", "/etc/passwd")), "leads out"},
		{"write through a link", pack(t, link("d", "/tmp"), member{name: "d/evil", content: "x"}), "twice"},
		{"write through an inner link", pack(t, link("d", "."), member{name: "d/evil", content: "x"}), "twice"},
		{"link over a link", pack(t, member{name: "a/b/f", content: "x"}, link("a/b/root", "../.."), link("out", "a/b/root/../x")), "leads out"},
		{"link to itself", pack(t, link("a", "a")), "itself"},
		{"two links in a ring", pack(t, link("a", "b"), link("b", "a")), "itself"},
		{"empty link", pack(t, link("a", "")), "without an end"},
		{"huge link", pack(t, link("a", strings.Repeat("x", 2000))), "without an end"},
		{"device", pack(t, member{name: "a", mode: fs.ModeDevice | 0o644}), "neither"},
		{"character device", pack(t, member{name: "a", mode: fs.ModeDevice | fs.ModeCharDevice | 0o644}), "neither"},
		{"fifo", pack(t, member{name: "a", mode: fs.ModeNamedPipe | 0o644}), "neither"},
		{"socket", pack(t, member{name: "a", mode: fs.ModeSocket | 0o644}), "neither"},
		{"encrypted", build(raw{name: "a", data: []byte("x"), flags: 1}), "encrypted"},
		{"bzip2", build(raw{name: "a", data: []byte("x"), method: 12}), "method 12"},
		{"folder with content", build(raw{name: "a/", data: []byte("x")}), "folder with content"},
		{"declared bomb", build(raw{name: "a", data: deflate("x"), method: 8, size: lambda.MaxUnzippedBytes + 1}), sizeSentence},
		{"declared 4 GB", build(raw{name: "a", data: deflate("x"), method: 8, size: 0xfffffffe}), sizeSentence},
		{"sum of sizes", build(raw{name: "a", data: deflate("x"), method: 8, size: 200e6}, raw{name: "b", data: deflate("x"), method: 8, size: 200e6}), sizeSentence},
	}
	return list
}

// bombs are those that are large, or would be.
func bombs(t testing.TB) []bad {
	return []bad{
		{"lying bomb", build(raw{name: "a", data: zeros(300 << 20), method: 8, size: 1000}), unzipSentence},
		{"bomb", build(raw{name: "a", data: zeros(300 << 20), method: 8, size: 300 << 20}), sizeSentence},
		{"100,000 entries", many(100_000), "too many"},
		{"many folders", folders(t, 1400), "too many"},
		{"huge directory", build(wide(20_000)...), "directory is larger"},
		{"overlapping bomb", overlapping(200), unzipSentence},
	}
}

func deflate(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

// zeros is n bytes of zeros, deflated: the same flushed megabyte over and over, and an end.
func zeros(n int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Flush()
	megabyte := bytes.Clone(b.Bytes())
	_ = w.Close()
	end := b.Bytes()[len(megabyte):]
	return append(bytes.Repeat(megabyte, n>>20), end...)
}

func many(n int) []byte {
	entries := make([]raw, n)
	for i := range entries {
		entries[i].name = fmt.Sprint(i)
	}
	return build(entries...)
}

// folders packs n files, each 60 folders deep in a branch of its own.
func folders(t testing.TB, n int) []byte {
	members := make([]member, n)
	for i := range members {
		members[i] = member{name: fmt.Sprintf("%d/", i) + strings.Repeat("d/", 58) + "f", content: "x"}
	}
	return pack(t, members...)
}

func wide(n int) []raw {
	entries := make([]raw, n)
	for i := range entries {
		entries[i].name = fmt.Sprintf("%d/%s", i, strings.Repeat("w", 600))
	}
	return entries
}

// overlapping is n entries over the same compressed megabytes.
func overlapping(n int) []byte {
	kernel := zeros(1 << 20)
	entries := []raw{{name: "pad", data: []byte("x")}, {name: "0", data: kernel, method: 8, size: 1 << 20}}
	at := 30 + 3 + 1
	for i := 1; i < n; i++ {
		entries = append(entries, raw{name: fmt.Sprint(i), data: kernel, method: 8, size: 1 << 20, at: at})
	}
	return build(entries...)
}

func TestBadArchives(t *testing.T) {
	list := append(badArchives(t), bombs(t)...)
	if len(list) < 40 {
		t.Fatalf("the corpus holds only %d archives", len(list))
	}
	base := t.TempDir()
	s, err := Open(filepath.Join(base, "blob"), fixed)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, b := range list {
		t.Run(b.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := s.Put(context.Background(), b.data)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if lambda.KindOf(err) != lambda.InvalidParameterValue || !strings.Contains(err.Error(), b.want) {
				t.Errorf("kind %d: %v", lambda.KindOf(err), err)
			}
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("not one sentence: %q", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("it took %d MB of memory", grown>>20)
			}
			if took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			nothingLeft(t, filepath.Join(base, "blob"))
		})
	}
	entries, err := os.ReadDir(base)
	if err != nil || len(entries) != 1 {
		t.Errorf("something got out: %v %v", entries, err)
	}
}

func nothingLeft(t testing.TB, root string) {
	t.Helper()
	for _, dir := range []string{"zip", "code", "tmp"} {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil || len(entries) != 0 {
			t.Errorf("%s: %d entries left, %v", dir, len(entries), err)
		}
	}
}

func FuzzPut(f *testing.F) {
	for _, b := range badArchives(f) {
		f.Add(b.data)
	}
	f.Add(pack(f, member{name: "a/b", content: "x", mode: 0o755}, member{name: "l", content: "a/b", mode: fs.ModeSymlink | 0o777}))
	base := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s, err := Open(filepath.Join(dir, "blob"), fixed)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		info, err := s.Put(context.Background(), data)
		if err != nil {
			if lambda.KindOf(err) != lambda.InvalidParameterValue {
				t.Fatalf("kind %d: %v", lambda.KindOf(err), err)
			}
			nothingLeft(t, filepath.Join(dir, "blob"))
			return
		}
		code, err := s.Dir(info.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, code, info.UnzippedBytes)
	})
}

// wellFormed checks what every unpacked package must be.
func wellFormed(t testing.TB, dir string, size int64) {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		stat, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case stat.IsDir() && stat.Mode() != fs.ModeDir|0o755:
			t.Errorf("%s has mode %v", path, stat.Mode())
		case stat.Mode().IsRegular():
			total += stat.Size()
			if p := stat.Mode(); p != 0o644 && p != 0o755 {
				t.Errorf("%s has mode %v", path, p)
			}
		case stat.Mode().Type() == fs.ModeSymlink:
			total += stat.Size()
			to, err := filepath.EvalSymlinks(path)
			if err == nil && to != real && !strings.HasPrefix(to, real+"/") {
				t.Errorf("%s leads to %s", path, to)
			}
		case !stat.IsDir():
			t.Errorf("%s is a %v", path, stat.Mode())
		}
		return nil
	})
	if err != nil || total != size {
		t.Errorf("%d bytes, %d expected, %v", total, size, err)
	}
}
