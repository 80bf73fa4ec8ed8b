package store

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/kv/kvtest"
	"lambent.dev/lambent/internal/lambda"
)

func TestMain(m *testing.M) {
	switch os.Getenv("LAMBENT_STORE_TEST") {
	case "open":
		os.Exit(openInChild())
	case "full":
		os.Exit(fillInChild())
	}
	// Pebble forgets this goroutine when its Open fails; the process ends then, but here.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Run("disk", func(t *testing.T) {
		kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, Options{Dir: t.TempDir()}) })
	})
	t.Run("memory", func(t *testing.T) {
		kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, Options{Dir: "db", FS: vfs.NewMem()}) })
	})
}

func put(t testing.TB, s *Store, key, value string) {
	t.Helper()
	var b kv.Batch
	b.Set([]byte(key), []byte(value))
	if err := s.Commit(&b, kv.Synced); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, Options{Dir: dir})
	put(t, s, "x", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	if v, err := s.Get([]byte("x")); err != nil || string(v) != "1" {
		t.Fatalf("%q %v", v, err)
	}
	if err := s.Health(); err != nil {
		t.Fatal(err)
	}
	if m := s.Metrics(); m.DiskBytes == 0 || m.FreeBytes == 0 {
		t.Errorf("%+v", m)
	}
}

func TestRefusesOtherFormats(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"m\x00version\x00", "2", "newer version"},
		{"m\x00version\x00", "zwei", "not known"},
		{"anything", "", "something else"},
	} {
		fs := vfs.NewMem()
		db, err := pebble.Open("db", &pebble.Options{FS: fs, Logger: &logger{log: slog.New(slog.DiscardHandler)}})
		if err == nil {
			err = errors.Join(db.Set([]byte(c.key), []byte(c.value), pebble.Sync), db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(Options{Dir: "db", FS: fs})
		if lambda.KindOf(err) != lambda.PreconditionFailed || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q=%q: %v", c.key, c.value, err)
		}
	}
}

// TestRefusesWhatWasLost damages a store so that it reads as an empty one: it must be refused, and
// nothing of it may be deleted.
func TestRefusesWhatWasLost(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"emptied": func(t *testing.T, dir string) { each(t, dir, "*", os.Remove) },
		"list halved": func(t *testing.T, dir string) {
			each(t, dir, "MANIFEST-*", func(path string) error {
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.Truncate(path, info.Size()/2)
			})
		},
		"list gone":   func(t *testing.T, dir string) { each(t, dir, "MANIFEST-*", os.Remove) },
		"marker gone": func(t *testing.T, dir string) { each(t, dir, "marker.manifest*", os.Remove) },
	} {
		dir := filepath.Join(t.TempDir(), "store")
		for range 2 { // the second start writes tables
			s := open(t, Options{Dir: dir})
			put(t, s, "x", "1")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		damage(t, dir)
		before := len(tables(t, dir))
		if _, err := Open(Options{Dir: dir}); lambda.KindOf(err) != lambda.PreconditionFailed || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if after := len(tables(t, dir)); after != before || name != "emptied" && before == 0 {
			t.Errorf("%s: %d tables before, %d after", name, before, after)
		}
	}
}

func tables(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// each does f to all files of a pattern, of which there must be some.
func each(t *testing.T, dir, pattern string, f func(path string) error) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	for _, path := range found {
		if err := f(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusesWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: file}); err == nil || lambda.KindOf(err) != lambda.Internal {
		t.Errorf("%v", err)
	}
}

// openInChild is the second process of TestLock.
func openInChild() int {
	_, err := Open(Options{Dir: os.Args[1]})
	if err == nil {
		return 0
	}
	_, _ = io.WriteString(os.Stdout, err.Error())
	return 3
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	open(t, Options{Dir: dir})
	if _, err := Open(Options{Dir: dir}); lambda.KindOf(err) != lambda.ResourceConflict {
		t.Errorf("the same process: %v", err)
	}
	child := exec.Command(os.Args[0], dir)
	child.Env = append(os.Environ(), "LAMBENT_STORE_TEST=open")
	out, err := child.Output()
	if err == nil || string(out) != "The data folder "+dir+" is in use by another process." {
		t.Errorf("another process: %v %q", err, out)
	}
}
