package native

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// children are the processes below init: all of the environment.
type children struct {
	report func(message)

	mu         sync.Mutex
	changed    *sync.Cond // a child was reaped, none is left, or one was started
	main       int        // process id of the started command; 0 when it has ended
	generation int
	killing    bool // its end is not news
	none       bool // no child is left
	forks      int
}

func newChildren(report func(message)) *children {
	k := &children{report: report, none: true}
	k.changed = sync.NewCond(&k.mu)
	return k
}

// reap waits for every process that ends, also orphans, which the kernel gives to init.
func (k *children) reap() {
	for {
		k.mu.Lock()
		forks := k.forks
		k.mu.Unlock()
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil: // none left: wait for the next start
			k.rest(forks)
		default:
			k.ended(pid, status)
		}
	}
}

// rest waits for a start, unless there was one since forks was read: then the kernel's word that
// no child is left is out of date.
func (k *children) rest(forks int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forks != forks {
		return
	}
	k.none = true
	k.changed.Broadcast()
	for k.none {
		k.changed.Wait()
	}
}

func (k *children) ended(pid int, status unix.WaitStatus) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pid == k.main {
		k.main = 0
		if !k.killing {
			m := message{Op: opExit, Generation: k.generation, Code: status.ExitStatus()}
			if status.Signaled() {
				m.Code, m.Signal = -1, status.Signal().String()
			}
			k.report(m)
		}
	}
	k.changed.Broadcast()
}

// killAll ends every process and returns when the last is reaped. The end of the started command
// is reported if that is news.
func (k *children) killAll(news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.killing = !news
	for !k.none {
		// A process that is forking meanwhile sees the signal first and does not fork.
		_ = unix.Kill(-1, unix.SIGKILL)
		k.changed.Wait()
	}
	k.main = 0
	k.killing = false
}

// start runs fork and tells what came of it, with the reaper held back: no end is missed, and none
// is reported before its start.
func (k *children) start(generation int, fork func() (int, error), tell func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pid, err := fork()
	if err == nil {
		k.main, k.generation, k.none = pid, generation, false
		k.forks++
		k.changed.Broadcast()
	}
	tell(err)
}
