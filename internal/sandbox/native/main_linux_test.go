package native

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary also serves as init, as the parent that is killed, and as code inside.
func TestMain(m *testing.M) {
	if IsInit(os.Args) {
		InitMain()
	}
	if len(os.Args) > 2 && os.Args[1] == "role" {
		if err := roles[os.Args[2]](os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// roles are what the test binary does instead of testing.
var roles = map[string]func(args []string) error{
	"parent": parentRole,
	"sweep":  sweepRole,
	"copy":   copyRole,
}
