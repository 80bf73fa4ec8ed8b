// Package kvtest is the conformance suite of kv.Store. Every implementation passes it.
package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/kv"
)

// Run checks an implementation; open answers an empty store that is closed with the test.
func Run(t *testing.T, open func(t *testing.T) kv.Store) {
	for name, check := range map[string]func(*testing.T, kv.Store){
		"order": order, "reverse": reverse, "batch": batch, "rangeDelete": rangeDelete, "snapshot": snapshot,
		"atomic": atomically, "owned": owned, "absent": absent, "model": model,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// prefix keeps the suite's keys apart from what a store keeps for itself.
const prefix = "zz\x00"

func key(s string) []byte { return []byte(prefix + s) }

func all() kv.Range { return kv.Prefix([]byte(prefix)) }

func commit(t tb, s kv.Store, fill func(b *kv.Batch)) {
	t.Helper()
	var b kv.Batch
	fill(&b)
	if err := s.Commit(&b, kv.Synced); err != nil {
		t.Fatal(err)
	}
}

func set(t tb, s kv.Store, keys ...string) {
	t.Helper()
	commit(t, s, func(b *kv.Batch) {
		for _, k := range keys {
			b.Set(key(k), []byte("v"+k))
		}
	})
}

func scan(t tb, s kv.Store, r kv.Range) (keys []string) {
	t.Helper()
	for p, err := range s.Scan(r) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(bytes.TrimPrefix(p.Key, []byte(prefix))))
	}
	return keys
}

func want(t tb, what string, got []string, keys ...string) {
	t.Helper()
	if !slices.Equal(got, keys) {
		t.Fatalf("%s: got %q, want %q", what, got, keys)
	}
}

func order(t *testing.T, s kv.Store) {
	set(t, s, "b", "a\xff", "a", "a\x00", "c", "")
	want(t, "all", scan(t, s, all()), "", "a", "a\x00", "a\xff", "b", "c")
	want(t, "from is in, to is out", scan(t, s, kv.Range{From: key("a"), To: key("b")}), "a", "a\x00", "a\xff")
	want(t, "no end", scan(t, s, kv.Range{From: key("b")}), "b", "c")
	want(t, "nothing between", scan(t, s, kv.Range{From: key("bb"), To: key("bc")}))
	want(t, "prefix", scan(t, s, kv.Prefix(key("a"))), "a", "a\x00", "a\xff")
	for range s.Scan(all()) {
		break // an early end is no error
	}
}

func reverse(t *testing.T, s kv.Store) {
	set(t, s, "a", "b", "c", "d")
	r := kv.Range{From: key("a"), To: key("d"), Reverse: true}
	want(t, "reverse", scan(t, s, r), "c", "b", "a")
	last := all()
	last.Reverse = true
	for p, err := range s.Scan(last) {
		if err != nil || !bytes.Equal(p.Key, key("d")) {
			t.Fatalf("last: %q %v", p.Key, err)
		}
		break
	}
}

func batch(t *testing.T, s kv.Store) {
	set(t, s, "a", "b")
	commit(t, s, func(b *kv.Batch) {
		b.Set(key("c"), nil)
		b.Delete(key("a"))
		b.Set(key("b"), []byte("1"))
		b.Set(key("b"), []byte("2")) // later writes win
		b.Set(key("d"), []byte("x"))
		b.Delete(key("d"))
		b.Delete(key("never"))
	})
	want(t, "after", scan(t, s, all()), "b", "c")
	if v, err := s.Get(key("b")); err != nil || string(v) != "2" {
		t.Errorf("b: %q %v", v, err)
	}
	if v, err := s.Get(key("c")); err != nil || v == nil || len(v) != 0 {
		t.Errorf("an empty value: %v %v", v, err)
	}
	commit(t, s, func(*kv.Batch) {})
}

func rangeDelete(t *testing.T, s kv.Store) {
	set(t, s, "a", "b", "b\x00", "c", "d")
	commit(t, s, func(b *kv.Batch) {
		b.Set(key("bb"), nil)
		b.DeleteRange(key("b"), key("d"))
		b.Set(key("c"), []byte("again"))
	})
	want(t, "left", scan(t, s, all()), "a", "c", "d")
	if _, err := s.Get(key("b")); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("b: %v", err)
	}
}

func snapshot(t *testing.T, s kv.Store) {
	set(t, s, "a", "c")
	var got []string
	for p, err := range s.Scan(all()) {
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			commit(t, s, func(b *kv.Batch) { b.Set(key("b"), nil); b.Delete(key("c")) })
		}
		got = append(got, string(bytes.TrimPrefix(p.Key, []byte(prefix))))
	}
	want(t, "as at the start", got, "a", "c")
	want(t, "afterwards", scan(t, s, all()), "a", "b")
}

// atomically has writers move a pair of keys together, and readers that must never see one alone.
func atomically(t *testing.T, s kv.Store) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50 {
				var b kv.Batch
				n := fmt.Sprintf("%d-%d", w, i)
				b.DeleteRange(key(fmt.Sprintf("x%d", w)), key(fmt.Sprintf("x%d", w+1)))
				b.Set(key(fmt.Sprintf("x%da%s", w, n)), nil)
				b.Set(key(fmt.Sprintf("x%db%s", w, n)), nil)
				if err := s.Commit(&b, kv.Ordered); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		seen := map[string]int{}
		for _, k := range scan(t, s, all()) {
			seen[k[:2]+k[3:]]++
		}
		for k, n := range seen {
			if n != 2 {
				t.Fatalf("half of %s is there", k)
			}
		}
	}
	wg.Wait()
}

func owned(t *testing.T, s kv.Store) {
	set(t, s, "a")
	v, err := s.Get(key("a"))
	if err != nil {
		t.Fatal(err)
	}
	v[0] = '!'
	if again, err := s.Get(key("a")); err != nil || string(again) != "va" {
		t.Errorf("the caller's copy is the store's: %q %v", again, err)
	}
}

func absent(t *testing.T, s kv.Store) {
	if v, err := s.Get(key("nothing")); !errors.Is(err, kv.ErrNotFound) || v != nil {
		t.Errorf("%v %v", v, err)
	}
}

// model compares random histories with a sorted map.
func model(t *testing.T, s kv.Store) {
	rapid.Check(t, func(t *rapid.T) {
		commit(t, s, func(b *kv.Batch) { r := all(); b.DeleteRange(r.From, r.To) })
		state := map[string]string{}
		name := rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00")), 0, 3, -1)
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			var b kv.Batch
			for range rapid.IntRange(0, 6).Draw(t, "writes") {
				k := name.Draw(t, "key")
				switch rapid.IntRange(0, 3).Draw(t, "write") {
				case 0, 1:
					v := name.Draw(t, "value")
					b.Set(key(k), []byte(v))
					state[k] = v
				case 2:
					b.Delete(key(k))
					delete(state, k)
				default:
					to := name.Draw(t, "to")
					if to < k {
						k, to = to, k
					}
					b.DeleteRange(key(k), key(to))
					maps.DeleteFunc(state, func(n, _ string) bool { return n >= k && n < to })
				}
			}
			if err := s.Commit(&b, kv.Ordered); err != nil {
				t.Fatal(err)
			}
			keys := slices.Sorted(maps.Keys(state))
			want(t, "forward", scan(t, s, all()), keys...)
			back := all()
			back.Reverse = true
			slices.Reverse(keys)
			want(t, "backward", scan(t, s, back), keys...)
		}
	})
}

// tb is what testing's T and rapid's have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
