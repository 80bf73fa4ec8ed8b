package native

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// thread runs functions one at a time on an OS thread that nothing else uses, so that what they
// change of the thread (namespaces, root) stays there, and so that it lives as long as they need
// it to: the kernel's parent-death signal is about the parent thread.
type thread struct {
	jobs chan func()
	done chan struct{}
}

var errClosed = errors.New("the driver is closed")

// startThread runs enter on the new thread first and answers its error.
func startThread(enter func() error) (*thread, error) {
	t := &thread{jobs: make(chan func()), done: make(chan struct{})}
	entered := make(chan error)
	go t.run(enter, entered)
	if err := <-entered; err != nil {
		<-t.done
		return nil, fmt.Errorf("start thread: %w", err)
	}
	return t, nil
}

func (t *thread) run(enter func() error, entered chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if unix.Gettid() == os.Getpid() {
		// The first thread is what the world takes for the process, in /proc for one, and it
		// cannot end. It is held here until the goroutine has got another one.
		defer runtime.UnlockOSThread()
		locked := make(chan struct{})
		go t.run(func() error { close(locked); return enter() }, entered)
		<-locked
		return
	}
	defer close(t.done)
	err := enter()
	entered <- err
	if err != nil {
		return
	}
	for job := range t.jobs {
		job()
	}
}

// do runs f on the thread and answers its error. It must not be called after close.
func (t *thread) do(f func() error) error {
	answer := make(chan error, 1)
	t.jobs <- func() { answer <- f() }
	return <-answer
}

func (t *thread) close() {
	close(t.jobs)
	<-t.done
}
