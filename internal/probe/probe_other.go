//go:build !linux

package probe

// Probe has nothing to look for outside Linux.
type Probe struct{}

// New answers a probe without checks.
func New(func(string) string) *Probe { return &Probe{} }

// Run answers an empty report: sandboxes are Linux's.
func (*Probe) Run() Report { return perform(nil, &world{}) }
