package function_test

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/function"
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

var epoch = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

type every struct{}

func (every) Supports(string) (string, error) { return "", nil }

func openStore(t testing.TB, fs vfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newService(t testing.TB, s kv.Store, o function.Options) *function.Service {
	t.Helper()
	var mu sync.Mutex
	n := 0
	id := func() string { mu.Lock(); defer mu.Unlock(); n++; return fmt.Sprint("id", n) }
	f, err := function.New(s, every{}, func() time.Time { return epoch }, id, slog.New(slog.DiscardHandler), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func p[T any](v T) *T { return &v }

func id(name string) lambda.FunctionID {
	return lambda.FunctionID{Account: "123456789012", Region: "us-east-1", Name: name}
}

func create(name string) function.Create {
	return function.Create{Function: id(name), Code: function.Code{SHA256: "sum-" + name, ZipBytes: 10},
		Settings: function.Settings{Runtime: p("python3.12"), Handler: p("a.b"), Role: p("r")}}
}

// TestRestart holds what a new process reads against what the old one knew.
func TestRestart(t *testing.T) {
	fs := vfs.NewMem()
	s := openStore(t, fs)
	f := newService(t, s, function.Options{})
	for _, name := range []string{"a", "b"} {
		in := create(name)
		in.Publish = true
		if _, err := f.Create(in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.UpdateCode(id("a"), function.UpdateCode{Code: function.Code{SHA256: "sum-2", ZipBytes: 30}, Publish: true}); err != nil {
		t.Fatal(err)
	}
	if err := f.PutReserved(id("b"), 7); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateAlias(id("a"), function.Alias{Name: "live", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	before := f.Account("123456789012", "us-east-1")
	if before.Functions != 2 || before.CodeBytes != 30+10+30+10+10 || before.UnreservedUnits != 993 {
		t.Errorf("%+v", before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, fs)
	defer s.Close()
	f = newService(t, s, function.Options{})
	if after := f.Account("123456789012", "us-east-1"); after != before {
		t.Errorf("%+v, before %+v", after, before)
	}
	if c, err := f.Resolve(id("a"), "live", 0); err != nil || c.Version != "1" || c.CodeSHA256 != "sum-a" || c.State != lambda.StateActive {
		t.Errorf("%+v %v", c, err)
	}
	codes, err := f.Codes()
	if err != nil || len(codes) != 3 || !codes["sum-2"] {
		t.Errorf("%v %v", codes, err)
	}
}

func TestCodeStorage(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	f := newService(t, s, function.Options{CodeBytes: 25})
	if _, err := f.Create(create("a")); err != nil {
		t.Fatal(err)
	}
	in := create("b")
	in.Publish = true // twice ten bytes
	if _, err := f.Create(in); lambda.KindOf(err) != lambda.CodeStorageExceeded {
		t.Errorf("%v", err)
	}
	if _, err := f.UpdateCode(id("a"), function.UpdateCode{Code: function.Code{ZipBytes: 26}}); lambda.KindOf(err) != lambda.CodeStorageExceeded {
		t.Errorf("%v", err)
	}
	if a := f.Account("123456789012", "us-east-1"); a.CodeBytes != 10 || a.Functions != 1 {
		t.Errorf("%+v", a)
	}
}

// TestReadersSeeWrites checks that a change is seen by every read that begins after it.
func TestReadersSeeWrites(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	f := newService(t, s, function.Options{})
	if _, err := f.Create(create("a")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	written := 3
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				mu.Lock()
				least := written
				mu.Unlock()
				c, err := f.Resolve(id("a"), "", 0)
				if err != nil || c.TimeoutSec < least {
					t.Errorf("timeout %v, at least %d was written, %v", c, least, err)
					return
				}
			}
		})
	}
	for n := 4; n < 60; n++ {
		if _, err := f.UpdateSettings(id("a"), function.Settings{TimeoutSec: &n}, ""); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		written = n
		mu.Unlock()
	}
	wg.Wait()
}

// TestReservedTogether checks that functions which reserve at once don't take more than there is.
func TestReservedTogether(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	f := newService(t, s, function.Options{})
	var wg sync.WaitGroup
	for i := range 20 {
		if _, err := f.Create(create(fmt.Sprint("f", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		wg.Go(func() {
			if err := f.PutReserved(id(fmt.Sprint("f", i)), 100); err != nil && lambda.KindOf(err) != lambda.InvalidParameterValue {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.ReservedTotal("123456789012", "us-east-1"); n != 900 {
		t.Errorf("%d units are reserved", n)
	}
}

// failing is a store that refuses to commit while full.
type failing struct {
	kv.Store
	err error
}

func (s *failing) Commit(b *kv.Batch, d kv.Durability) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Commit(b, d)
}

func (s *failing) Scan(r kv.Range) iter.Seq2[kv.Pair, error] { return s.Store.Scan(r) }

func TestFailedCommitChangesNothing(t *testing.T) {
	inner := openStore(t, vfs.NewMem())
	defer inner.Close()
	s := &failing{Store: inner}
	f := newService(t, s, function.Options{})
	if _, err := f.Create(create("a")); err != nil {
		t.Fatal(err)
	}
	s.err = &lambda.Error{Kind: lambda.Unavailable, Message: "full"}
	if _, err := f.Create(create("b")); lambda.KindOf(err) != lambda.Unavailable {
		t.Error(err)
	}
	if _, err := f.UpdateSettings(id("a"), function.Settings{TimeoutSec: p(9)}, ""); lambda.KindOf(err) != lambda.Unavailable {
		t.Error(err)
	}
	s.err = errors.New("disk gone")
	if err := f.PutReserved(id("a"), 5); lambda.KindOf(err) != lambda.Internal {
		t.Error(err)
	}
	c, err := f.Resolve(id("a"), "", 0)
	if err != nil || c.TimeoutSec != 3 || f.ReservedTotal("123456789012", "us-east-1") != 0 {
		t.Errorf("%+v %v", c, err)
	}
	if err := f.Check(id("b"), ""); lambda.KindOf(err) != lambda.ResourceNotFound {
		t.Error(err)
	}
}

// TestModel runs random histories of one function against a model of what they must leave.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := store.Open(store.Options{Dir: "store", FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		n := 0
		f, err := function.New(s, every{}, func() time.Time { return epoch }, func() string { n++; return fmt.Sprint(n) }, slog.New(slog.DiscardHandler), function.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var (
			exists    bool
			timeout   int
			published = map[string]int{} // version: timeout
			last      string
			next      = 1
			aliases   = map[string]string{}
		)
		publish := func() string {
			if old, there := published[last]; there && old == timeout {
				return last
			}
			last = fmt.Sprint(next)
			next++
			published[last] = timeout
			return last
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				in := create("a")
				in.Publish = rapid.Bool().Draw(t, "publish")
				c, err := f.Create(in)
				if exists {
					if lambda.KindOf(err) != lambda.ResourceConflict {
						t.Fatal(err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				exists, timeout, last = true, 3, ""
				if in.Publish && c.Version != publish() {
					t.Fatalf("version %s, not %s", c.Version, last)
				}
			},
			"update": func(t *rapid.T) {
				v := rapid.IntRange(1, 4).Draw(t, "timeout")
				if _, err := f.UpdateSettings(id("a"), function.Settings{TimeoutSec: &v}, ""); (err == nil) != exists {
					t.Fatal(err)
				}
				if exists {
					timeout = v
				}
			},
			"publish": func(t *rapid.T) {
				c, err := f.Publish(id("a"), function.Publish{})
				if (err == nil) != exists {
					t.Fatal(err)
				}
				if exists && c.Version != publish() {
					t.Fatalf("version %s, not %s", c.Version, last)
				}
			},
			"alias": func(t *rapid.T) {
				v := fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "version"))
				name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")
				_, there := aliases[name]
				_, target := published[v]
				if _, err := f.CreateAlias(id("a"), function.Alias{Name: name, Version: v}); (err == nil) != (exists && !there && target) {
					t.Fatal(err)
				} else if err == nil {
					aliases[name] = v
				}
			},
			"delete alias": func(t *rapid.T) {
				if err := f.DeleteAlias(id("a"), "x"); (err == nil) != exists {
					t.Fatal(err)
				}
				delete(aliases, "x")
			},
			"delete version": func(t *rapid.T) {
				v := fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "version"))
				used := aliases["x"] == v || aliases["y"] == v
				if err := f.Delete(id("a"), v); (err == nil) != (exists && !used) {
					t.Fatal(err)
				} else if err == nil {
					delete(published, v)
				}
			},
			"delete": func(t *rapid.T) {
				if err := f.Delete(id("a"), ""); (err == nil) != exists {
					t.Fatal(err)
				}
				exists = false
				clear(published)
				clear(aliases)
			},
			"": func(t *rapid.T) {
				for v := 1; v <= next; v++ {
					c, err := f.Resolve(id("a"), fmt.Sprint(v), 0)
					want, there := published[fmt.Sprint(v)]
					if (err == nil) != (there && exists) || err == nil && c.TimeoutSec != want {
						t.Fatalf("version %d: %v %v", v, c, err)
					}
				}
				for _, name := range []string{"x", "y"} {
					c, err := f.Resolve(id("a"), name, .5)
					want, there := aliases[name]
					if (err == nil) != there || err == nil && c.Version != want {
						t.Fatalf("alias %s: %v %v", name, c, err)
					}
				}
				a := f.Account("123456789012", "us-east-1")
				size := int64(10 * len(published))
				if exists {
					size += 10
				}
				if (a.Functions == 1) != exists || a.CodeBytes != size {
					t.Fatalf("%+v", a)
				}
			},
		})
	})
}

func BenchmarkResolve(b *testing.B) {
	s := openStore(b, vfs.NewMem())
	defer s.Close()
	f := newService(b, s, function.Options{})
	in := create("a")
	in.Publish = true
	if _, err := f.Create(in); err != nil {
		b.Fatal(err)
	}
	if _, err := f.CreateAlias(id("a"), function.Alias{Name: "live", Version: "1"}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Resolve(id("a"), "live", .5); err != nil {
			b.Fatal(err)
		}
	}
}
