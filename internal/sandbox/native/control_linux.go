package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The host and an environment's init speak in JSON messages over a sequenced-packet socket, with
// file descriptors beside them. Only the host asks; init answers, and reports exits.
const (
	opSetUp = "set-up" // host: build the walls; fds: root, tmp, output, cgroup tasks...
	opReady = "ready"  // init: done; fds: TCP listener, unix listener, task directory
	opStart = "start"  // host: end what runs, then start Command
	opKill  = "kill"   // host: end what runs; the end is reported
	opDone  = "done"   // init: the start is done, or failed with Error
	opExit  = "exit"   // init: the main process of Generation ended by itself
)

type message struct {
	Op         string   `json:"op"`
	MemoryMB   int      `json:"memoryMB,omitempty"`
	FailIn     string   `json:"failIn,omitempty"`
	Command    []string `json:"command,omitempty"`
	Env        []string `json:"env,omitempty"`
	Generation int      `json:"generation,omitempty"`
	Step       string   `json:"step,omitempty"` // the step of set-up that failed
	Error      string   `json:"error,omitempty"`
	Errno      int      `json:"errno,omitempty"`
	Code       int      `json:"code,omitempty"`
	Signal     string   `json:"signal,omitempty"`
	Notes      []string `json:"notes,omitempty"` // what the host lacks without harm
	Steps      []string `json:"steps,omitempty"` // the steps of set-up, in order
}

const (
	maxRequest = 192 << 10 // command and environment
	maxReport  = 8 << 10
	maxFDs     = 16
)

// channel is one end of the control socket. One goroutine may receive, several may send.
type channel struct {
	conn *net.UnixConn
	buf  []byte
}

// newChannel takes f over; limit is the size of the longest message it receives.
func newChannel(f *os.File, limit int) (*channel, error) {
	c, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("control socket is not a unix socket"), c.Close())
	}
	return &channel{conn: u, buf: make([]byte, limit)}, nil
}

func (c *channel) send(m message, files ...*os.File) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.Op, err)
	}
	if len(b) > maxRequest {
		return fmt.Errorf("send %s: %d bytes of command and environment are more than %d", m.Op, len(b), maxRequest)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err = c.conn.WriteMsgUnix(b, rights, nil); err != nil {
		return fmt.Errorf("send %s: %w", m.Op, err)
	}
	return nil
}

// receive answers the next message and its descriptors, which the caller closes. io.EOF says
// that the other side is gone.
func (c *channel) receive() (message, []*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4*maxFDs))
	n, oobn, flags, _, err := c.conn.ReadMsgUnix(c.buf, oob)
	if err == nil && n == 0 && oobn == 0 {
		err = io.EOF
	}
	if err != nil {
		return message{}, nil, err
	}
	files, err := rights(oob[:oobn])
	if err == nil && flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0 {
		err = errors.New("control message is too long")
	}
	var m message
	if err == nil {
		err = json.Unmarshal(c.buf[:n], &m)
	}
	if err != nil {
		closeAll(files)
		return message{}, nil, fmt.Errorf("read control message: %w", err)
	}
	return m, files, nil
}

func rights(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	controls, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range controls {
		fds, err := unix.ParseUnixRights(&controls[i])
		if err != nil {
			continue // not a passed descriptor
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
