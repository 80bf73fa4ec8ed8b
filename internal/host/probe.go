package host

import (
	"context"
	"runtime"
)

// Options of Probe.
type Options struct {
	// Interpreters lists the host's interpreters. nil: not asked.
	Interpreters func(context.Context) ([]Interpreter, error)
	// Try starts one environment of the native sandbox and ends it: what can't be known without
	// doing it. It is asked only where all else is there. nil: not asked.
	Try func(context.Context) error
}

// Probe looks at this host. It takes well below a second, Try apart.
func Probe(ctx context.Context, o Options) Report {
	f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH}
	f.look()
	if o.Interpreters != nil {
		f.Interpreters, f.InterpreterError = o.Interpreters(ctx)
	}
	if r := Assess(f); o.Try == nil || r.Native() != nil {
		return r
	}
	f.Tried, f.Try = true, o.Try(ctx)
	return Assess(f)
}
