package function

import "lambent.dev/lambent/internal/lambda"

// Options says what this installation offers. The zero value is AWS's defaults.
type Options struct {
	Architecture string // of the host: "x86_64" (default) or "arm64"; no other is offered
	Concurrency  int    // of an account in a region; default 1,000
	CodeBytes    int64  // of an account in a region; default 300 GB

	// OnChange is told, after the fact and outside of all locks, that a function changed or went.
	OnChange func(lambda.FunctionID)
}

func (o Options) withDefaults() Options {
	if o.Architecture == "" {
		o.Architecture = "x86_64"
	}
	if o.Concurrency == 0 {
		o.Concurrency = lambda.AccountConcurrency
	}
	if o.CodeBytes == 0 {
		o.CodeBytes = lambda.AccountCodeBytes
	}
	if o.OnChange == nil {
		o.OnChange = func(lambda.FunctionID) {}
	}
	return o
}

// Runtimes says which runtimes this host serves.
type Runtimes interface {
	// Supports answers a note for people where the runtime is served by another than the one
	// named ("" otherwise), or an error of kind InvalidParameterValue or InvalidRuntime that
	// says, in one sentence, that it is not served. It is called with ids that AWS accepts,
	// often, and must answer from memory.
	Supports(runtime string) (note string, err error)
}
