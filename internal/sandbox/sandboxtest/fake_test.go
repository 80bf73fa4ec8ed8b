package sandboxtest_test

import (
	"context"
	"errors"
	"io"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/sandboxtest"
	"lambent.dev/lambent/internal/sandbox/sandboxtest/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFake(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver {
		f := &sandboxtest.Fake{Program: scripted}
		t.Cleanup(func() {
			if n := f.Live(); n != 0 {
				t.Errorf("%d environments are left", n)
			}
		})
		return f
	}, sandboxtest.Capabilities{Scripted: true, NoSocket: true})
}

// scripted answers the requests of the suite that need neither files nor processes.
func scripted(ctx context.Context, p *sandboxtest.Process) sandbox.Exit {
	conn, err := p.Dial(ctx)
	if err != nil {
		return sandbox.Exit{Code: 99}
	}
	defer conn.Close()
	exit := sandbox.Exit{}
	end := func(x sandbox.Exit) agent.Operation {
		return func(agent.Request) (agent.Reply, error) { exit = x; return agent.Reply{}, conn.Close() }
	}
	err = agent.Serve(conn, map[string]agent.Operation{
		agent.Ping: func(agent.Request) (agent.Reply, error) { return agent.Reply{}, nil },
		agent.Env:  func(agent.Request) (agent.Reply, error) { return agent.Reply{List: p.Env}, nil },
		agent.Cwd:  func(agent.Request) (agent.Reply, error) { return agent.Reply{Text: sandbox.TaskRoot}, nil },
		agent.Exit: func(q agent.Request) (agent.Reply, error) { return end(sandbox.Exit{Code: q.N})(q) },
		agent.Kill: func(q agent.Request) (agent.Reply, error) {
			return end(sandbox.Exit{Code: -1, Signal: syscall.Signal(q.N).String()})(q)
		},
		agent.Print: func(q agent.Request) (agent.Reply, error) {
			_, err := io.WriteString(p.Output, q.Text)
			return agent.Reply{}, err
		},
		agent.Dial: func(agent.Request) (agent.Reply, error) {
			other, err := p.Dial(ctx)
			if err != nil {
				return agent.Reply{}, err
			}
			return agent.Reply{}, other.Close()
		},
	})
	if err == nil {
		<-ctx.Done()
	}
	return exit
}

func TestFakeFollowsItsScript(t *testing.T) {
	broken := errors.New("broken by the script")
	step := ""
	f := &sandboxtest.Fake{Program: scripted, Script: func(s string) error {
		if s == step {
			return broken
		}
		return nil
	}, Readings: sandbox.Stats{MaxMemoryMB: 17}}
	step = "prepare"
	if _, err := f.Prepare(t.Context(), sandbox.Runtime{}); !errors.Is(err, broken) {
		t.Errorf("Prepare: %v", err)
	}
	step = "boot"
	if _, err := f.Boot(t.Context(), nil, sandbox.Shape{}); !errors.Is(err, broken) || f.Live() != 0 {
		t.Errorf("Boot: %v, %d live", err, f.Live())
	}
	step = "assign"
	b, err := f.Boot(t.Context(), nil, sandbox.Shape{MemoryMB: 512})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Assign(t.Context(), sandbox.Assignment{}); !errors.Is(err, broken) {
		t.Errorf("Assign: %v", err)
	}
	step = "freeze"
	if err := b.Freeze(); !errors.Is(err, broken) {
		t.Errorf("Freeze: %v", err)
	}
	if s, err := b.Stats(); err != nil || s.MaxMemoryMB != 17 {
		t.Errorf("Stats: %+v, %v", s, err)
	}
	if shapes := f.Booted(); len(shapes) != 1 || shapes[0].MemoryMB != 512 {
		t.Errorf("Booted: %+v", shapes)
	}
	b.Destroy()
	<-b.Gone()
	b.Output().Close()
	if f.Live() != 0 {
		t.Errorf("%d live", f.Live())
	}
}
