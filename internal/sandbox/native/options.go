package native

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
)

// Options of a Driver.
type Options struct {
	StateDir   string       // a directory of the driver's own, on a real disk; made if missing
	Executable string       // the binary whose main calls InitMain; "" is the running one
	UIDBase    int          // first of the host uids for environments; 0 is 1879048192
	Logger     *slog.Logger // nil drops

	failAt func(step string) error // tests: called before each step of Boot
	failIn string                  // tests: the step inside init that fails
}

// systemd keeps 524288 to 1879048191 for containers; above, up to 2^31, is nobody's.
const defaultUIDBase = 0x70000000

func (o Options) withDefaults() Options {
	if o.Executable == "" {
		o.Executable = "/proc/self/exe"
	}
	if o.UIDBase == 0 {
		o.UIDBase = defaultUIDBase
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.failAt == nil {
		o.failAt = func(string) error { return nil }
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if !filepath.IsAbs(o.StateDir) {
		errs = append(errs, fmt.Errorf("state directory %q is not an absolute path", o.StateDir))
	}
	if o.UIDBase < 1<<16 || o.UIDBase > 1<<31-uidRange*uidRanges {
		errs = append(errs, fmt.Errorf("uid base %d is not between %d and %d", o.UIDBase, 1<<16, 1<<31-uidRange*uidRanges))
	}
	return errors.Join(errs...)
}
