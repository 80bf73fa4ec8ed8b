package native

import (
	"testing"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/sandboxtest"
)

func TestConformance(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver { return newDriver(t) }, sandboxtest.Capabilities{
		ReadOnlyCode: true,
		LimitsMemory: true,
		LimitsTemp:   true,
		EndsStrays:   true,
		Reopen: func(t *testing.T, dir string) sandbox.Driver {
			return newDriver(t, func(o *Options) { o.StateDir = dir })
		},
	})
}
