//go:build !linux

package native

import (
	"context"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// Driver exists only on Linux; New says so.
type Driver struct{}

// New answers an error: namespaces are Linux's.
func New(Options) (*Driver, error) {
	return nil, lambda.Errorf(lambda.NotOffered, "the native sandbox runs only on Linux")
}

// Prepare is not reached.
func (*Driver) Prepare(context.Context, sandbox.Runtime) (sandbox.Template, error) {
	return nil, unavailable()
}

// Boot is not reached.
func (*Driver) Boot(context.Context, sandbox.Template, sandbox.Shape) (sandbox.Sandbox, error) {
	return nil, unavailable()
}

// Recover is not reached.
func (*Driver) Recover(context.Context) (int, error) { return 0, unavailable() }

// SelfTest is not reached.
func (*Driver) SelfTest(context.Context) error { return unavailable() }

// Close does nothing.
func (*Driver) Close() error { return nil }

// IsInit is never true here.
func IsInit([]string) bool { return false }

// InitMain is not reached.
func InitMain() {}

func unavailable() error {
	return lambda.Errorf(lambda.NotOffered, "the native sandbox runs only on Linux")
}
