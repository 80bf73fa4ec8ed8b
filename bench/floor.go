package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// groupCommit measures the raw floor of durable accepts on a disk: callers append records of a
// size to one file; one writer takes what has gathered, writes it, syncs it, and lets its callers
// go on. It answers records per second.
func groupCommit(dir string, callers, recordBytes int, length time.Duration) (perSecond float64, err error) {
	f, err := os.Create(filepath.Join(dir, "floor"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	var (
		mu      sync.Mutex
		pending []byte
		waiting []chan error
		wake    = make(chan struct{}, 1)
		stop    = make(chan struct{})
		done    = make(chan struct{})
		count   atomic.Int64
		group   sync.WaitGroup
	)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-wake:
			}
			mu.Lock()
			batch, callers := pending, waiting
			pending, waiting = nil, nil
			mu.Unlock()
			_, err := f.Write(batch)
			if err == nil {
				err = unix.Fdatasync(int(f.Fd()))
			}
			for _, c := range callers {
				c <- err
			}
		}
	}()
	end := time.Now().Add(length)
	start := time.Now()
	failed := make(chan error, callers)
	for range callers {
		group.Go(func() {
			record, answer := make([]byte, recordBytes), make(chan error, 1)
			for time.Now().Before(end) {
				mu.Lock()
				pending = append(pending, record...)
				waiting = append(waiting, answer)
				mu.Unlock()
				select {
				case wake <- struct{}{}:
				default:
				}
				if err := <-answer; err != nil {
					failed <- err
					return
				}
				count.Add(1)
			}
		})
	}
	group.Wait()
	elapsed := time.Since(start)
	close(stop)
	<-done
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	return float64(count.Load()) / elapsed.Seconds(), nil
}
