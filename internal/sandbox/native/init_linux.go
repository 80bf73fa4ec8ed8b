package native

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The first argument of a process that is to be an environment's init.
const initName = "lambent-init"

// Descriptors that init is born with, after the three standard ones.
const (
	fdControl = 3
	fdImage   = 4
)

// IsInit says whether args are those of an environment's init. main asks before anything else.
func IsInit(args []string) bool { return len(args) > 0 && args[0] == initName }

// InitMain is main for an environment's init: PID 1 of its namespace. It does not return.
//
// Init builds the walls from inside, gives up what it then no longer needs, and starts, reaps
// and ends the function's processes when the host says so. It holds no tenant data, and when the
// host goes away it ends, and the kernel everything with it.
func InitMain() {
	if err := initMain(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func initMain() error {
	if os.Getpid() != 1 {
		return errors.New("not the first process of a namespace; Lambent starts this by itself")
	}
	if err := guard(); err != nil {
		return err
	}
	c, err := newChannel(os.NewFile(fdControl, "control"), maxRequest)
	if err != nil {
		return err
	}
	m, files, err := c.receive()
	if err != nil {
		return fmt.Errorf("wait for the host: %w", err)
	}
	w := &walls{order: m, files: files}
	if step, err := w.build(); err != nil {
		return errors.Join(err, c.send(message{Op: opReady, Step: step, Error: err.Error(), Errno: errnoOf(err)}))
	}
	s, notes, err := newStarter(w)
	if err != nil {
		return errors.Join(err, c.send(message{Op: opReady, Step: "starter", Error: err.Error(), Errno: errnoOf(err)}))
	}
	ready := message{Op: opReady, Notes: notes, Steps: w.done}
	if err := c.send(ready, w.listeners[0], w.listeners[1], w.task); err != nil {
		return err
	}
	closeAll(append(w.listeners, w.task))
	return serve(c, s)
}

// guard makes init die with the host and lets no descriptor past an exec.
func guard() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the host: %w", err)
	}
	if err := unix.Close(fdImage); err != nil {
		return fmt.Errorf("close own image: %w", err)
	}
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("guard descriptors: %w", err)
	}
	return nil
}

// serve does what the host says until it goes away.
func serve(c *channel, s *starter) error {
	report := func(m message) {
		// A host that cannot be told is gone, which receive will say.
		_ = c.send(m)
	}
	kids := newChildren(report)
	go kids.reap()
	for {
		m, files, err := c.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		closeAll(files)
		switch m.Op {
		case opKill:
			kids.killAll(true)
		case opStart:
			kids.killAll(false)
			kids.start(m.Generation, func() (int, error) { return s.start(m.Command, m.Env) }, func(err error) {
				answer := message{Op: opDone, Generation: m.Generation}
				if err != nil {
					answer.Error, answer.Errno = err.Error(), errnoOf(err)
				}
				report(answer)
			})
		default:
			return fmt.Errorf("unknown order %q", m.Op)
		}
	}
}

func errnoOf(err error) int {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return int(errno)
	}
	return 0
}
