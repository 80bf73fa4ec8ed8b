package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"time"
)

const (
	connections = 64
	length      = 8 * time.Second
	recordBytes = 1024
)

// payload is an event of about a kilobyte.
func payload(n int) []byte {
	b, err := json.Marshal(map[string]any{"n": n, "pad": strings.Repeat("x", recordBytes-32)})
	if err != nil {
		panic(err) // of a map of strings and numbers
	}
	return b
}

const invocations = "/2015-03-31/functions/%s/invocations"

var asynchronous = map[string]string{"X-Amz-Invocation-Type": "Event"}

// newSleeper starts a server with a function whose only unit of concurrency is busy or soon will
// be: what is sent to it waits, and running functions take no part of the processors.
func newSleeper() (s *server, err error) {
	if s, err = newServer("--async-retry-delays", "1h"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.deploy("sleepy", "import time\ndef handler(e, c):\n    time.sleep(25)\n"); err != nil {
		return nil, err
	}
	return s, s.expect(200, "PUT", "/2017-10-31/functions/sleepy/concurrency", nil, []byte(`{"ReservedConcurrentExecutions":1}`))
}

// benchAccept compares durable accepts with the smaller of two floors: the disk's group commit,
// and the same signed front end keeping nothing. The function is switched off while it fills.
func benchAccept() ([]row, error) {
	s, err := newSleeper()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.expect(202, "POST", fmt.Sprintf(invocations, "sleepy"), asynchronous, []byte(`{}`)); err != nil {
		return nil, err
	}
	t, err := sign(s.address, s.root, "POST", fmt.Sprintf(invocations, "sleepy"), asynchronous, payload(1))
	if err != nil {
		return nil, err
	}
	front, err := startFloor("accept")
	if err != nil {
		return nil, err
	}
	defer front.close()
	ft, err := sign(front.address, floorKey, "POST", fmt.Sprintf(invocations, "sleepy"), asynchronous, payload(1))
	if err != nil {
		return nil, err
	}
	var accepts, disk, signed []float64
	for range 3 { // in turn, so that a busy moment of the machine meets all three
		a, err := throughput(t, connections, 202, length/3)
		if err != nil {
			return nil, err
		}
		d, err := groupCommit(s.dir, connections, recordBytes, length/3)
		if err != nil {
			return nil, err
		}
		f, err := throughput(ft, connections, 202, length/3)
		if err != nil {
			return nil, err
		}
		accepts, disk, signed = append(accepts, a), append(disk, d), append(signed, f)
	}
	got, d, f := median(accepts), median(disk), median(signed)
	return []row{
		{"durable accepts, 64 connections, HTTP + SigV4", fmt.Sprintf("%.0f/s", got), fmt.Sprintf("%.0f/s", min(d, f)), percent(got / min(d, f)), ">= 60 %"},
		{"  its floors: raw group commit, bare front end", fmt.Sprintf("%.0f/s", d), fmt.Sprintf("%.0f/s", f), "", ""},
	}, nil
}

// benchStart measures from the moment an event is sent to the handler's first line, in an idle
// server with a warm environment, against a bare synchronous round trip to the same handler.
func benchStart() ([]row, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.deploy("stamp", "import time\ndef handler(e, c):\n    print('AT', e['n'], time.time_ns())\n"); err != nil {
		return nil, err
	}
	const n = 100
	var sent [n]time.Time
	for i := range n {
		t, err := sign(s.address, s.root, "POST", fmt.Sprintf(invocations, "stamp"), asynchronous, payload(i))
		if err != nil {
			return nil, err
		}
		c, err := dial(s.address)
		if err != nil {
			return nil, err
		}
		sent[i] = time.Now()
		status, body, err := c.send(t.request)
		if err != nil || status != 202 {
			return nil, fmt.Errorf("status %d, %v: %.200s", status, err, body)
		}
		if err := c.conn.Close(); err != nil {
			return nil, err
		}
		if err := s.drained(); err != nil {
			return nil, err
		}
	}
	logs := exec.Command(lambentBinary(), "logs", "stamp", "--endpoint", "http://"+s.address)
	logs.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+s.root.key, "AWS_SECRET_ACCESS_KEY="+s.root.secret)
	out, err := logs.Output()
	if err != nil {
		return nil, err
	}
	var delays []time.Duration
	for line := range strings.SplitSeq(string(out), "\n") {
		_, after, found := strings.Cut(line, "AT ")
		var i int
		var at int64
		if _, err := fmt.Sscan(after, &i, &at); found && err == nil && i > 0 { // the first one is a cold start
			delays = append(delays, time.Unix(0, at).Sub(sent[i]))
		}
	}
	if len(delays) < n/2 {
		return nil, fmt.Errorf("%d of %d starts were seen", len(delays), n)
	}
	t, err := sign(s.address, s.root, "POST", fmt.Sprintf(invocations, "stamp"), nil, payload(0))
	if err != nil {
		return nil, err
	}
	floor, err := latency(t, 200, 200)
	if err != nil {
		return nil, err
	}
	sortDurations(delays)
	return []row{{"event sent to handler's first line, idle, p50", p50(delays).String(), p50(floor).String(), times(p50(delays), p50(floor)), "<= 100 ms, usually <= 5 ms"}}, nil
}

// benchWarm compares a warm synchronous call with the front-end floor: net/http, the signature,
// and one round trip to a bare Python process over a unix socket.
func benchWarm() ([]row, error) {
	s, err := newServer()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.deploy("echo", "def handler(e, c):\n    return e\n"); err != nil {
		return nil, err
	}
	front, err := startFloor("call")
	if err != nil {
		return nil, err
	}
	defer front.close()
	t, err := sign(s.address, s.root, "POST", fmt.Sprintf(invocations, "echo"), nil, payload(1))
	if err != nil {
		return nil, err
	}
	ft, err := sign(front.address, floorKey, "POST", fmt.Sprintf(invocations, "echo"), nil, payload(1))
	if err != nil {
		return nil, err
	}
	var got, floor []time.Duration
	for range 5 {
		a, err := latency(t, 200, 600)
		if err != nil {
			return nil, err
		}
		b, err := latency(ft, 200, 600)
		if err != nil {
			return nil, err
		}
		got, floor = append(got, p50(a)), append(floor, p50(b))
	}
	sortDurations(got)
	sortDurations(floor)
	return []row{{"warm synchronous call, Python, p50", p50(got).String(), p50(floor).String(), times(p50(got), p50(floor)), "<= 1.3 (next milestone)"}}, nil
}

// benchReady measures an empty start, from the process's start to the first good answer.
func benchReady() ([]row, error) {
	var all []time.Duration
	for range 5 {
		start := time.Now()
		s, err := newServer()
		if err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
		s.close()
	}
	sortDurations(all)
	return []row{{"empty start to ready, median of 5", p50(all).Round(time.Millisecond).String(), "", "", "<= 1 s"}}, nil
}

// benchBacklog queues a million events, and kills and restarts the server on them.
func benchBacklog() ([]row, error) {
	s, err := newSleeper()
	if err != nil {
		return nil, err
	}
	defer s.close()
	for {
		h, err := s.health()
		if err != nil {
			return nil, err
		}
		if h.QueueDepth >= 1_000_000 {
			break
		}
		t, err := sign(s.address, s.root, "POST", fmt.Sprintf(invocations, "sleepy"), asynchronous, payload(1))
		if err != nil {
			return nil, err
		}
		if _, err := throughput(t, connections, 202, 4*time.Second); err != nil {
			return nil, err
		}
	}
	full, err := s.residentMB()
	if err != nil {
		return nil, err
	}
	s.kill()
	start := time.Now()
	if err := s.start(); err != nil {
		return nil, err
	}
	ready := time.Since(start)
	h, err := s.health()
	if err != nil {
		return nil, err
	}
	after, err := s.residentMB()
	if err != nil {
		return nil, err
	}
	if h.QueueDepth < 1_000_000 {
		err = fmt.Errorf("%d events are left", h.QueueDepth)
	}
	return []row{
		{"resident memory with 1 M queued events of 1 KB", fmt.Sprintf("%d MB", max(full, after)), "", "", "<= 512 MB"},
		{"kill -9 with 1 M queued, restart to ready", ready.Round(time.Millisecond).String(), "", "", "<= 5 s"},
	}, err
}

// drained waits until nothing is queued.
func (s *server) drained() error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if h, err := s.health(); err != nil {
			return err
		} else if h.QueueDepth == 0 {
			return nil
		}
	}
	return fmt.Errorf("the queue is not empty within 30 s")
}

// floor is the front end that keeps nothing, in a process of its own.
type floor struct {
	address string
	cmd     *exec.Cmd
	dir     string
}

// startFloor starts this program again as the floor "accept" or "call".
func startFloor(kind string) (*floor, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lambent-floor-")
	if err != nil {
		return nil, err
	}
	f := &floor{address: address, dir: dir, cmd: exec.Command(self, "-floor", kind+" "+address+" "+filepath.Join(dir, "socket"))}
	f.cmd.Stderr = os.Stderr
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if c, err := dial(address); err == nil {
			return f, c.conn.Close()
		}
	}
	return nil, fmt.Errorf("the floor does not start")
}

func (f *floor) close() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait() // "signal: killed" is what was asked for
	if err := os.RemoveAll(f.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
