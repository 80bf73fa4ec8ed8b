package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

// floorKey signs requests to the floors, which verify.
var floorKey = credentials{"AKIAFLOORFLOORFLOOR0", "floor-secret"}

type oneKey struct{}

func (oneKey) Lookup(accessKey string) (secret, account string, root bool, err error) {
	if accessKey != floorKey.key {
		return "", "", false, lambda.Errorf(lambda.UnrecognizedClient, "unknown")
	}
	return floorKey.secret, "000000000000", false, nil
}

// serveFloor serves "KIND ADDRESS SOCKET": net/http and the signature, and then nothing (accept)
// or one round trip to a bare Python process (call).
func serveFloor(what string) error {
	parts := strings.Fields(what)
	if len(parts) != 3 {
		return fmt.Errorf("-floor %q", what)
	}
	auth := awswire.NewAuthenticator(awswire.AuthOptions{Credentials: oneKey{}, Clock: clock.System})
	var bare *barePython
	if parts[0] == "call" {
		var err error
		if bare, err = startBare(parts[2]); err != nil {
			return err
		}
		defer bare.close()
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = auth.Authenticate(r, body, "lambda")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.Header().Set("X-Amzn-Requestid", awswire.NewRequestID())
		if bare == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if body, err = bare.echo(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if _, err := w.Write(body); err != nil {
			return // the client has gone
		}
	}
	return http.ListenAndServe(parts[1], http.HandlerFunc(handler))
}

// bareCode is the least that a Python process can do with an event: take it and give it back.
const bareCode = `
import json, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rb")
while True:
    n, = struct.unpack(">I", f.read(4))
    answer = json.dumps(json.loads(f.read(n))).encode()
    s.sendall(struct.pack(">I", len(answer)) + answer)
`

// barePython is one Python process at the other end of a unix socket.
type barePython struct {
	mu   sync.Mutex
	cmd  *exec.Cmd
	conn net.Conn
	in   *bufio.Reader
}

func startBare(socket string) (*barePython, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	// A version manager's shim on PATH would be part of the measurement.
	real, err := exec.CommandContext(context.Background(), "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return nil, err
	}
	b := &barePython{cmd: exec.Command(strings.TrimSpace(string(real)), "-c", bareCode, socket)}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if b.conn, err = l.Accept(); err != nil {
		return nil, err
	}
	b.in = bufio.NewReader(b.conn)
	return b, nil
}

func (b *barePython) echo(body []byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return nil, err
	}
	var n [4]byte
	if _, err := io.ReadFull(b.in, n[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(n[:]))
	_, err := io.ReadFull(b.in, answer)
	return answer, err
}

func (b *barePython) close() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait() // "signal: killed" is what was asked for
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func percent(f float64) string { return fmt.Sprintf("%.0f %%", f*100) }

func times(a, b time.Duration) string { return fmt.Sprintf("%.2f", float64(a)/float64(b)) }

func sortDurations(all []time.Duration) { slices.Sort(all) }
