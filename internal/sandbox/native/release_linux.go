package native

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Destroy ends the environment in the background.
func (e *environment) Destroy() {
	e.destroy.Do(func() {
		e.mu.Lock()
		e.destroyed = true
		e.mu.Unlock()
		go e.release()
	})
}

// release frees everything there is, in whatever step of Boot it stands. What cannot be freed is
// logged and stays on record, for Recover.
func (e *environment) release() {
	var errs []error
	if e.group != nil {
		errs = append(errs, e.Thaw()) // v1: what is frozen does not die
	}
	e.endInit()
	close(e.exits)
	e.closeFiles()
	if e.group != nil {
		errs = append(errs, e.group.Kill(patience), e.group.Remove(patience))
	}
	if e.disk != nil {
		errs = append(errs, e.disk.remove(patience))
	}
	if err := errors.Join(errs...); err != nil {
		e.driver.log.Error("an environment could not be removed whole", "environment", e.name, "error", err)
	} else if e.slot >= 0 {
		if err := e.driver.records.remove(e.name); err != nil {
			e.driver.log.Error("an environment's record stays behind", "environment", e.name, "error", err)
		}
		e.driver.slots.free(e.slot)
	}
	e.driver.mu.Lock()
	delete(e.driver.live, e.name)
	e.driver.mu.Unlock()
	close(e.gone)
}

// endInit ends init and with it every process, and the goroutines that watch it.
func (e *environment) endInit() {
	e.killInit()
	if e.control != nil && !e.watched {
		e.control.conn.Close()
	}
	switch {
	case e.pid == 0:
	case e.watched:
		<-e.dead
		e.control.conn.Close()
	default:
		e.reapInit()
	}
	if e.oomEvent != nil {
		e.oomEvent.Close()
	}
	e.watching.Wait()
}

// closeFiles closes what is open. The output is read to its end first, if somebody reads it.
func (e *environment) closeFiles() {
	e.order.Lock()
	defer e.order.Unlock()
	files := []*os.File{e.outputWriter, e.root, e.task, e.mountNS, e.words, e.pidfd}
	if e.disk != nil {
		files = append(files, e.disk.tree)
	}
	closeAll(append(files, e.passed...)) // closing twice does no harm
	e.task, e.mountNS = nil, nil
	for _, l := range e.listeners {
		l.Close()
	}
	if e.output == nil {
		return
	}
	const drainLimit = time.Second
	_ = poll(drainLimit, func() bool { return e.unread() == 0 })
	e.output.Close()
}

// unread answers how many bytes the output pipe holds.
func (e *environment) unread() (n int) {
	raw, err := e.output.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	if err != nil {
		return 0
	}
	return n
}

// killInit ends the whole environment: the kernel ends a PID namespace with its init.
func (e *environment) killInit() {
	if e.pidfd == nil {
		return
	}
	raw, err := e.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
}

// reapInit waits for init, which ends when the last process of its namespace has.
func (e *environment) reapInit() {
	for {
		_, err := unix.Wait4(e.pid, nil, unix.WALL, nil)
		if err != unix.EINTR {
			break
		}
	}
	close(e.dead)
}

// watchOOM ends what is left of an environment that ran out of memory: the kernel ends one
// process, and a function that lost one is not whole.
func (e *environment) watchOOM() {
	defer e.watching.Done()
	event := make([]byte, 512)
	for {
		if _, err := e.oomEvent.Read(event); err != nil {
			return
		}
		// The event comes just before the kill, which the kernel may find it does not need.
		const decision = 100 * time.Millisecond
		if poll(decision, e.lostOne) != nil {
			continue
		}
		e.mu.Lock()
		order := message{Op: opKill, Generation: e.generation}
		e.mu.Unlock()
		if err := e.control.send(order); err != nil {
			e.killInit()
		}
	}
}

// lostOne says whether the kernel has ended a process for want of memory that is not known yet.
func (e *environment) lostOne() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	kills, err := e.group.OOMKills()
	return err != nil || kills > e.oomKills
}
