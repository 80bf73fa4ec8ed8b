package cli_test

import (
	"os"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/app"
)

// host makes the commands that run on the host, as cmd/lambent hands them to cli.Main.
func host() []*cobra.Command {
	return app.Commands("0.0.0-test", app.Environment{Vars: os.Environ(), DataPath: "/var/lib/lambent"})
}
