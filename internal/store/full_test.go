package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// TestDiskFull runs fillInChild in a mount namespace of its own.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("tmpfs of a size needs Linux")
	}
	child := exec.Command(os.Args[0], t.TempDir())
	child.Env = append(os.Environ(), "LAMBENT_STORE_TEST=full")
	isolateMounts(child)
	out, err := child.CombinedOutput()
	if child.ProcessState == nil {
		t.Skipf("no mount namespace here: %v", err)
	}
	if child.ProcessState.ExitCode() == 4 {
		t.Skipf("no tmpfs here: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// fillInChild fills a disk of 64 MB: new work is refused, work that ends goes on, a foreign file
// that takes the last byte does not stop it, room returns, nothing acknowledged is lost.
func fillInChild() int {
	dir := os.Args[1]
	if err := mountTmpfs(dir, 64<<20); err != nil {
		fmt.Println(err)
		return 4
	}
	if err := fill64(filepath.Join(dir, "db"), filepath.Join(dir, "foreign")); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func key64(i int) []byte { return fmt.Appendf(nil, "e/%08d", i) }

// ingest writes until it is refused, and answers up to where.
func ingest(s *Store, from int) (int, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	next, acked := from, map[int]bool{}
	var failure error
	for range 16 {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				b := kv.Batch{Urgency: kv.Growth}
				b.Set(key64(i), random(1024, i))
				err := s.Commit(&b, kv.Synced)
				mu.Lock()
				if err == nil {
					acked[i] = true
				} else if lambda.KindOf(err) != lambda.Unavailable {
					failure = err
				}
				mu.Unlock()
				if err != nil || i-from > 200_000 {
					return
				}
			}
		})
	}
	wg.Wait()
	if failure != nil {
		return 0, fmt.Errorf("a refusal of another kind: %w", failure)
	}
	for i := range acked {
		if _, err := s.Get(key64(i)); err != nil {
			return 0, fmt.Errorf("%d was acknowledged: %w", i, err)
		}
	}
	return next, nil
}

// random is text that does not compress.
func random(n, seed int) []byte {
	b := make([]byte, n)
	x := uint64(seed)*2862933555777941757 + 3037000493
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// endAll deletes all events, as work that ends does.
func endAll(s *Store, to int) error {
	for i := range to {
		b := kv.Batch{Urgency: kv.Progress}
		b.Delete(key64(i))
		d := kv.Ordered
		if i%64 == 0 {
			d = kv.Synced
		}
		if err := s.Commit(&b, d); err != nil {
			return fmt.Errorf("ending %d of %d: %w", i, to, err)
		}
	}
	return nil
}

// accepted waits until new work is taken again.
func accepted(s *Store, n int) error {
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		b := kv.Batch{Urgency: kv.Growth}
		b.Set(key64(n), random(1024, n))
		err := s.Commit(&b, kv.Synced)
		if err == nil {
			return nil
		}
		select {
		case <-deadline:
			return fmt.Errorf("not accepted again within 5 s: %w", err)
		case <-tick.C:
		}
	}
}

// reclaimed waits until what was deleted is room again.
func reclaimed(s *Store, bytes uint64) error {
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for {
		s.room.refresh()
		if s.room.free.Load() >= bytes {
			fmt.Printf("reclaimed in %v\n", time.Since(start))
			return nil
		}
		select {
		case <-deadline:
			return fmt.Errorf("only %d MB free after everything was deleted\n%s", s.room.free.Load()>>20, s.db.Metrics())
		case <-tick.C:
		}
	}
}

func fill64(dir, foreign string) error {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	n, err := ingest(s, 0)
	if err != nil {
		return err
	}
	fmt.Printf("refused after %d events of 1 KB; free %d MB, reserve %d MB\n", n, s.room.free.Load()>>20, s.room.reserve>>20)
	if n < 10_000 || n > 60_000 {
		return fmt.Errorf("refused after %d events", n)
	}
	if err := fillRest(foreign); err != nil {
		return err
	}
	s.room.refresh()
	if err := s.Health(); lambda.KindOf(err) != lambda.Unavailable {
		return fmt.Errorf("health of a full disk: %v", err)
	}
	if err := endAll(s, n); err != nil {
		return err
	}
	if err := s.guard.failed(); err != nil {
		return err
	}
	if err := os.Remove(foreign); err != nil {
		return err
	}
	if err := accepted(s, n); err != nil {
		return err
	}
	if err := reclaimed(s, 30<<20); err != nil {
		return err
	}
	more, err := ingest(s, n)
	if err != nil {
		return err
	}
	fmt.Printf("accepted %d more after room returned\n", more-n)
	if err := fillRest(foreign); err != nil { // a full disk can be opened
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(Options{Dir: dir}); err != nil {
		return err
	}
	if err := endAll(s, more); err != nil {
		return err
	}
	return s.Close()
}

// fillRest takes all the room there is.
func fillRest(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for len(block) >= 512 {
		if _, err := f.Write(block); err != nil {
			if errno, ok := underlying(err); !ok || errno != syscall.ENOSPC {
				return err
			}
			block = block[:len(block)/2]
		}
	}
	return nil
}

func underlying(err error) (syscall.Errno, bool) {
	if p, ok := err.(*os.PathError); ok {
		err = p.Err
	}
	errno, ok := err.(syscall.Errno)
	return errno, ok
}

// TestFirstCommits come all at once, and none is refused for want of a reading of the disk.
func TestFirstCommits(t *testing.T) {
	for range 20 {
		s := open(t, Options{Dir: t.TempDir()})
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				b := kv.Batch{Urgency: kv.Growth}
				b.Set(key64(i), nil)
				if err := s.Commit(&b, kv.Synced); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
