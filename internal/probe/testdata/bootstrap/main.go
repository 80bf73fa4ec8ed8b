// Command bootstrap is the probe alone, as a function or with "--output json" as a command.
package main

import (
	"context"
	"fmt"
	"os"

	"lambent.dev/lambent/internal/probe"
)

func main() {
	cmd := probe.Command(os.Getenv)
	if err := cmd.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}
