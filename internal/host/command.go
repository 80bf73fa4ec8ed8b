package host

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// DoctorCommand makes "lambent doctor". options is called when the command runs.
func DoctorCommand(options func(*cobra.Command) (Options, error)) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this host can do, and what to do about what is missing",
		Long: `Says what this host can do: kernel, namespaces, cgroups, seccomp, Landlock, disks for /tmp,
interpreters, and which sandboxes can run. For each thing that is missing it says what to do.

It exits with 0 only when the native sandbox can run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write := writeText
			switch output {
			case "table":
			case "json":
				write = writeJSON
			default:
				return wrongOutput(output)
			}
			o, err := options(cmd)
			if err != nil {
				return err
			}
			r := Probe(cmd.Context(), o)
			if err := write(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			if r.Native() != nil {
				return unable{}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "table", "`FORM` of the answer: table or json")
	return cmd
}

// unable is the failure that the report has told of: nothing more is printed.
type unable struct{}

func (unable) Error() string { return "" }

// ExitCode is that of a failure.
func (unable) ExitCode() int { return 1 }

// wrongOutput is an error of use.
type wrongOutput string

func (e wrongOutput) Error() string {
	return fmt.Sprintf("--output %q is neither table nor json", string(e))
}

// ExitCode is that of wrong use.
func (wrongOutput) ExitCode() int { return 2 }

func writeJSON(w io.Writer, r Report) error {
	// Lists are lists, also when nothing is in them.
	if r.Interpreters == nil {
		r.Interpreters = []Interpreter{}
	}
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

func writeText(w io.Writer, r Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s\n\n", r.OS, r.Arch)
	for _, c := range r.Checks {
		mark := "ok"
		if !c.OK {
			mark = "MISSING"
			if !c.Required {
				mark = "none"
			}
		}
		fmt.Fprintf(&b, "%-8s %-14s %s\n", mark, c.Name, c.Value)
		if c.Advice != "" {
			fmt.Fprintf(&b, "%-8s %-14s -> %s\n", "", "", c.Advice)
		}
	}
	b.WriteString("\nSandboxes:\n")
	for _, d := range r.Drivers {
		can := "can run"
		if !d.Possible {
			can = "can't run"
		}
		fmt.Fprintf(&b, "  %-8s %-9s  %s\n", d.Name, can, d.Note)
	}
	if len(r.Warnings) > 0 {
		b.WriteString("\nWorth changing:\n")
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "  - %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
