package compute

import (
	"context"
	"io"
	"runtime"
	"time"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// Options of a Pool. The zero value is useful.
type Options struct {
	// MaxMemoryMB bounds the memory limits of all environments together; default: four fifths
	// of what the host has available at the start.
	MaxMemoryMB int
	// IdleTimeout ends an environment that nobody used for so long; default 10 minutes.
	IdleTimeout time.Duration
	// FreezeAfter freezes an environment that is idle for so long; default 50 ms, negative: never.
	FreezeAfter time.Duration
	// InitTimeout bounds the initialisation outside of a call; default 10 seconds.
	InitTimeout time.Duration
	// LogBurstBytes and LogBytesPerSecond bound what one environment may log; defaults 10 MB and
	// 1 MB. What is beyond is dropped and a marker line says how much.
	LogBurstBytes     int
	LogBytesPerSecond int
}

func (o Options) withDefaults() Options {
	if o.MaxMemoryMB == 0 {
		o.MaxMemoryMB = availableMemoryMB() * 4 / 5
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 10 * time.Minute
	}
	if o.FreezeAfter == 0 {
		o.FreezeAfter = 50 * time.Millisecond
	}
	if o.InitTimeout == 0 {
		o.InitTimeout = lambda.InitTimeout
	}
	if o.LogBurstBytes == 0 {
		o.LogBurstBytes = 10 << 20
	}
	if o.LogBytesPerSecond == 0 {
		o.LogBytesPerSecond = 1 << 20
	}
	return o
}

// maxStarts is how many environments start at once. A start is mostly work for a processor.
func maxStarts() int { return 2 * runtime.GOMAXPROCS(0) }

// Runtimes finds what runs a Lambda runtime id on this host.
type Runtimes interface {
	// Resolve answers what serves the runtime. Its errors are *lambda.Error: InvalidRuntime when
	// the host has nothing of the family, with what to do about it.
	Resolve(ctx context.Context, runtime string) (Resolved, error)
}

// Resolved is a Lambda runtime as this host serves it.
type Resolved struct {
	Runtime sandbox.Runtime
	// Command starts the runtime client; paths are as seen inside. Empty: the function brings
	// its own bootstrap.
	Command []string
	Family  string   // "python", "nodejs", "provided"
	Version string   // "3.11.7"; "" for provided
	Note    string   // says so when it is not the version that was asked for
	Path    []string // directories of interpreters, for PATH
}

// Code finds the unpacked code of functions.
type Code interface {
	// Dir answers the host directory that holds the code with this digest. Errors are
	// *lambda.Error.
	Dir(codeSHA256 string) (string, error)
}

// Logs keeps what functions print.
type Logs interface {
	// Open begins a log stream for one execution environment and answers its name. Every Write
	// is one whole line with its newline.
	Open(fn lambda.FunctionID, version string) (stream string, w io.WriteCloser, err error)
}

// Invocation is one event for one function version.
type Invocation struct {
	Config        *lambda.Configuration // the version, with the parameters to run with
	RequestID     string
	InvokedARN    string // as called; "": the version's
	Payload       []byte
	ClientContext string // base64 JSON, or ""
	TraceHeader   string // X-Amzn-Trace-Id, or ""
}
