package compute_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	_ "github.com/aws/aws-lambda-go/lambda" // testdata/gofn is built with it

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/process"
)

// newProcess answers the driver that starts plain processes.
func newProcess(t testing.TB) *process.Driver {
	t.Helper()
	// Not t.TempDir: a socket's path must be short.
	dir, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d, err := process.New(process.Options{Dir: dir, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// counting counts what a driver starts, so that tests see reuse.
type counting struct {
	sandbox.Driver
	boots, alive, freeze, thaw atomic.Int64
	broken                     atomic.Bool // Boot fails
}

func (d *counting) Boot(ctx context.Context, t sandbox.Template, s sandbox.Shape) (sandbox.Sandbox, error) {
	if d.broken.Load() {
		return nil, errors.New("broken by the test")
	}
	box, err := d.Driver.Boot(ctx, t, s)
	if err != nil {
		return nil, err
	}
	d.boots.Add(1)
	d.alive.Add(1)
	c := &counted{Sandbox: box, driver: d, gone: make(chan struct{})}
	go func() {
		<-box.Gone()
		d.alive.Add(-1)
		close(c.gone)
	}()
	return c, nil
}

type counted struct {
	sandbox.Sandbox
	driver *counting
	gone   chan struct{}
}

func (b *counted) Gone() <-chan struct{} { return b.gone }

func (b *counted) Freeze() error {
	b.driver.freeze.Add(1)
	return b.Sandbox.Freeze()
}

func (b *counted) Thaw() error {
	b.driver.thaw.Add(1)
	return b.Sandbox.Thaw()
}
