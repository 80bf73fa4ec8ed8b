package cli_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lambent.dev/lambent/internal/cli"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/sandbox/native"
)

var update = flag.Bool("update", false, "write what is generated instead of comparing it")

// patience bounds every wait of a script.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if native.IsInit(os.Args) {
		native.InitMain()
		return
	}
	testscript.Main(m, map[string]func(){"lambent": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		code := cli.Main(ctx, os.Args[1:], cli.IO{
			In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Clock: clock.System,
		}, cli.Deps{Version: "0.0.0-test", Host: host()})
		os.Exit(code)
	}})
}

// TestScripts holds the command line to its specification.
//
// Beyond testscript's own commands there are
//
//	exits CODE lambent ARGS...   runs a command that must end with this exit code
//	server start [FLAGS...]      starts lambent serve on a free port; LAMBENT_ENDPOINT names it
//	server stop                  ends it in order; it must exit with 0
//	await REGEXP lambent ARGS... repeats a command until its standard output matches
//	capture NAME REGEXP          keeps the last standard output's first group in $NAME
//
// and the condition [server] says whether there is a serve command.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey{}] = &server{}
			env.Setenv("LAMBENT_ENDPOINT", "http://127.0.0.1:1") // nobody's, unless a script starts one
			env.Setenv("AWS_ACCESS_KEY_ID", "")
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} {
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "server" {
				return false, fmt.Errorf("no condition %s", cond)
			}
			for _, c := range host() {
				if c.Name() == "serve" {
					return true, nil
				}
			}
			return false, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "server": serverCommand, "await": await, "capture": capture,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP PROGRAM ARGS...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	poll(ts, "match "+args[0], func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout"))
	})
}

// poll asks until it is so.
func poll(ts *testscript.TestScript, what string, so func() bool) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("it did not %s within %s", what, patience)
		}
	}
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	m := want.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("the last standard output has no group of %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

type serverKey struct{}

// server is a script's own lambent serve.
type server struct {
	cmd *exec.Cmd
	log *os.File
}

func serverCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*server)
	switch {
	case !neg && len(args) > 0 && args[0] == "start":
		s.start(ts, args[1:])
	case !neg && len(args) == 1 && args[0] == "stop":
		if err := s.stop(ts); err != nil {
			ts.Fatalf("the server ended badly: %v", err)
		}
	default:
		ts.Fatalf("usage: server start [FLAGS...] | server stop")
	}
}

func (s *server) start(ts *testscript.TestScript, flags []string) {
	if s.cmd != nil {
		ts.Fatalf("the server runs already")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := listener.Addr().String()
	ts.Check(listener.Close())
	data := ts.MkAbs("server-data")
	ts.Check(os.MkdirAll(data, 0o700))
	s.log, err = os.OpenFile(filepath.Join(ts.Getenv("WORK"), "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	s.cmd = exec.Command("lambent", append([]string{"serve", "--listen", address, "--data", data}, flags...)...)
	s.cmd.Dir = ts.Getenv("WORK")
	s.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR")}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	ts.Check(s.cmd.Start())
	ts.Defer(func() { _ = s.stop(ts) })
	ts.Setenv("LAMBENT_ENDPOINT", "http://"+address)
	poll(ts, "answer /healthz", func() bool {
		response, err := http.Get("http://" + address + "/healthz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// stop ends the server, by force when it does not end.
func (s *server) stop(ts *testscript.TestScript) error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	defer s.log.Close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	force := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer force.Stop()
	err := cmd.Wait()
	if err != nil {
		log, _ := os.ReadFile(s.log.Name())
		ts.Logf("server log:\n%s", log)
	}
	return err
}
