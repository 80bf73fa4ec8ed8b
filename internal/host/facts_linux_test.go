package host_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/cgroup"
	"lambent.dev/lambent/internal/host"
	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/native"
)

func TestMain(m *testing.M) {
	if native.IsInit(os.Args) {
		native.InitMain()
	}
	goleak.VerifyTestMain(m)
}

// What the report says of the native sandbox is what happens when one environment is started.
func TestProbeTellsTheTruth(t *testing.T) {
	try := func(ctx context.Context) error {
		d, err := native.New(native.Options{StateDir: t.TempDir()})
		if err != nil {
			return err
		}
		defer d.Close()
		template, err := d.Prepare(ctx, sandbox.Runtime{Name: "provided.al2023"})
		if err != nil {
			return err
		}
		b, err := d.Boot(ctx, template, sandbox.Shape{Account: "000000000000", MemoryMB: 128, EphemeralMB: 512})
		if err != nil {
			return err
		}
		b.Destroy()
		<-b.Gone()
		return nil
	}
	said, happened := host.Probe(t.Context(), host.Options{}).Native(), try(t.Context())
	if (said == nil) != (happened == nil) {
		t.Errorf("the report says %v, an environment says %v", said, happened)
	}
	if happened == nil {
		if err := host.Probe(t.Context(), host.Options{Try: try}).Native(); err != nil {
			t.Error(err)
		}
	}
}

func TestProbeLeavesNothing(t *testing.T) {
	host.Probe(t.Context(), host.Options{})
	dirs, _, err := cgroup.Where()
	if err != nil {
		t.Skip(err)
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "lambent-doctor-") {
				t.Errorf("%s is left", filepath.Join(dir, e.Name()))
			}
		}
	}
}
