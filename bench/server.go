package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one running `lambent serve` with a data folder of its own. It verifies signatures,
// as its floors do.
type server struct {
	root    credentials
	dir     string
	address string
	args    []string
	cmd     *exec.Cmd
}

func lambentBinary() string {
	if b := os.Getenv("LAMBENT_TEST_BINARY"); b != "" {
		return b
	}
	return filepath.Join("build", "lambent")
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func newServer(args ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "lambent-bench-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, address: address, args: args}
	return s, s.start()
}

// start starts the process and waits until it is ready.
func (s *server) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(lambentBinary(), append([]string{"serve", "--listen", s.address, "--data", filepath.Join(s.dir, "data")}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if h, err := s.health(); err == nil && h.Status == "ok" {
			return s.readRoot()
		}
	}
	return errors.New("the server is not ready within a minute: " + filepath.Join(s.dir, "log"))
}

// readRoot reads the root key that the first start made.
func (s *server) readRoot() error {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "root-credentials"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		switch k, v, _ := strings.Cut(line, "="); strings.TrimSpace(k) {
		case "aws_access_key_id":
			s.root.key = strings.TrimSpace(v)
		case "aws_secret_access_key":
			s.root.secret = strings.TrimSpace(v)
		}
	}
	return nil
}

type health struct {
	Status     string
	QueueDepth int64
}

func (s *server) health() (h health, err error) {
	r, err := http.Get("http://" + s.address + "/healthz")
	if err != nil {
		return h, err
	}
	defer r.Body.Close()
	return h, json.NewDecoder(r.Body).Decode(&h)
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // "signal: killed" is what was asked for
}

// close ends the server and removes its folder, which holds no mounts outside the server's own.
func (s *server) close() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	if err := os.RemoveAll(s.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// residentMB reads the process's resident memory.
func (s *server) residentMB() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	return kb / 1024, err
}

// deploy creates a Python function.
func (s *server) deploy(name, code string) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("lambda_function.py")
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(code)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"FunctionName": name, "Runtime": "python3.11", "Handler": "lambda_function.handler", "Timeout": 30,
		"Role": "arn:aws:iam::000000000000:role/bench", "Code": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(b.Bytes())},
	})
	if err != nil {
		return err
	}
	return s.expect(201, "POST", "/2015-03-31/functions", nil, body)
}

func (s *server) expect(status int, method, path string, headers map[string]string, body []byte) error {
	t, err := sign(s.address, s.root, method, path, headers, body)
	if err != nil {
		return err
	}
	c, err := dial(s.address)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	got, answer, err := c.send(t.request)
	if err != nil {
		return err
	}
	if got != status {
		return fmt.Errorf("%s %s: status %d: %.300s", method, path, got, answer)
	}
	return nil
}
