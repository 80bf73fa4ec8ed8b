package probe

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Command makes "lambent probe". env answers environment variables.
func Command(env func(string) string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Look for ways out of the sandbox that this runs in",
		Long: `Looks for what code in an execution environment must not reach: capabilities, the host's
files, processes, devices, sockets and system calls. It changes nothing.

Inside a sandbox there should be no hits; outside, as root, there are many. Started by Lambda's
Runtime API (AWS_LAMBDA_RUNTIME_API), it answers every invocation with its report.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := New(env)
			if api := env("AWS_LAMBDA_RUNTIME_API"); api != "" {
				return p.Serve(cmd.Context(), api)
			}
			switch output {
			case "json":
				return writeJSON(cmd.OutOrStdout(), p.Run())
			case "table":
				return writeTable(cmd.OutOrStdout(), p.Run())
			}
			return wrongOutput(output)
		},
	}
	cmd.Flags().StringVar(&output, "output", "table", "`FORM` of the answer: table or json")
	return cmd
}

// wrongOutput is an error of use.
type wrongOutput string

func (e wrongOutput) Error() string {
	return fmt.Sprintf("--output %q is neither table nor json", string(e))
}

// ExitCode is that of wrong use.
func (wrongOutput) ExitCode() int { return 2 }

func writeJSON(w io.Writer, r Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func writeTable(w io.Writer, r Report) error {
	for _, c := range r.Checks {
		mark := "  "
		if c.Hit {
			mark = "! "
		}
		if _, err := fmt.Fprintf(w, "%s%s  %-52s %s\n", mark, c.ID, c.Name, c.Detail); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d checks, %d hits\n", len(r.Checks), r.Hits)
	return err
}
