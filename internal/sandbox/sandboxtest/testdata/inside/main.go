// Command inside is what the conformance suite runs inside an environment.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"lambent.dev/lambent/internal/sandbox/sandboxtest/agent"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "sleep" {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		for range signals { // a child that wants to stay
		}
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "inside:", err)
		os.Exit(99)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want a network and an address, have %q", args)
	}
	conn, err := net.Dial(args[0], args[1])
	if err != nil {
		return err
	}
	defer conn.Close()
	return agent.Serve(conn, operations())
}

func operations() map[string]agent.Operation {
	var held [][]byte
	return map[string]agent.Operation{
		agent.Ping: func(agent.Request) (agent.Reply, error) { return agent.Reply{}, nil },
		agent.Exit: func(q agent.Request) (agent.Reply, error) { os.Exit(q.N); return agent.Reply{}, nil },
		agent.Kill: kill,
		agent.Env:  func(agent.Request) (agent.Reply, error) { return agent.Reply{List: os.Environ()}, nil },
		agent.Cwd: func(agent.Request) (agent.Reply, error) {
			dir, err := syscall.Getwd()
			return agent.Reply{Text: strings.TrimRight(dir, "\x00")}, err
		},
		agent.Print: func(q agent.Request) (agent.Reply, error) {
			file := os.Stdout
			if q.N == 2 {
				file = os.Stderr
			}
			_, err := file.WriteString(q.Text)
			return agent.Reply{}, err
		},
		agent.Dial: func(q agent.Request) (agent.Reply, error) {
			conn, err := (&net.Dialer{}).DialContext(context.Background(), q.Text, q.Path)
			if err != nil {
				return agent.Reply{}, err
			}
			return agent.Reply{}, conn.Close()
		},
		agent.Write: func(q agent.Request) (agent.Reply, error) {
			return agent.Reply{}, os.WriteFile(q.Path, []byte(q.Text), 0o600)
		},
		agent.Read: func(q agent.Request) (agent.Reply, error) {
			b, err := os.ReadFile(q.Path)
			return agent.Reply{Text: string(b)}, err
		},
		agent.Fill:  fill,
		agent.Spawn: spawn,
		agent.Ignore: func(agent.Request) (agent.Reply, error) {
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
			return agent.Reply{}, nil
		},
		agent.Alloc: func(q agent.Request) (agent.Reply, error) {
			block := make([]byte, q.N<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			held = append(held, block)
			return agent.Reply{}, nil
		},
		agent.Files: files,
	}
}

func kill(q agent.Request) (agent.Reply, error) {
	if err := syscall.Kill(os.Getpid(), syscall.Signal(q.N)); err != nil {
		return agent.Reply{}, err
	}
	select {} // no reply: the signal ends this
}

func fill(q agent.Request) (agent.Reply, error) {
	f, err := os.Create(q.Path)
	if err != nil {
		return agent.Reply{}, err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for range q.N {
		if _, err := f.Write(block); err != nil {
			return agent.Reply{}, err
		}
	}
	return agent.Reply{}, nil
}

func spawn(q agent.Request) (agent.Reply, error) {
	self, err := os.Executable()
	if err != nil {
		return agent.Reply{}, err
	}
	for range q.N {
		cmd := exec.Command(self, "sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: q.Text == "setsid"}
		if err := cmd.Start(); err != nil {
			return agent.Reply{}, err
		}
	}
	return agent.Reply{}, nil
}

func files(agent.Request) (agent.Reply, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return agent.Reply{}, err
	}
	var reply agent.Reply
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			reply.List = append(reply.List, e.Name()+" "+target)
		}
	}
	return reply, nil
}
