package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lambent.dev/lambent/internal/clock"
)

// Reference writes the reference of all commands, as Markdown (docs/reference/cli.md).
func Reference(w io.Writer, deps Deps) error {
	deps.Version = ""
	s := &session{IO: IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: func(string) string { return "" }, Clock: clock.System}}
	root := s.root(deps)
	var b strings.Builder
	b.WriteString("# The lambent command\n\n")
	b.WriteString("Made from the commands themselves by `make generate`.\n\n")
	b.WriteString(root.Long + "\n\n")
	b.WriteString("Results go to standard output, and what is said about them to standard error. Exit codes: 0 done, 1 failed, 2 wrong use.\n\n")
	b.WriteString("## Flags of every command that talks to a server\n\n")
	flagTable(&b, root.PersistentFlags())
	describe(&b, root)
	_, err := io.WriteString(w, b.String())
	return err
}

// describe writes the commands below cmd.
func describe(b *strings.Builder, cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		if c.HasAvailableSubCommands() {
			describe(b, c)
			continue
		}
		fmt.Fprintf(b, "## %s\n\n", c.CommandPath())
		text := strings.ReplaceAll(orElse(c.Long, c.Short+"."), "\t", "    ")
		if c.Parent().Name() == "completion" {
			text = c.Short + "."
		}
		fmt.Fprintf(b, "    %s\n\n%s\n\n", c.UseLine(), fence(text))
		flagTable(b, c.LocalNonPersistentFlags())
		if c.Example != "" {
			fmt.Fprintf(b, "```sh\n%s\n```\n\n", unindent(c.Example))
		}
	}
}

// fence puts the aligned lines of a help text into a block of their own.
func fence(text string) string {
	var b strings.Builder
	open := false
	for line := range strings.SplitSeq(text, "\n") {
		if aligned := strings.HasPrefix(line, "  "); aligned != open {
			b.WriteString("```\n")
			open = aligned
		}
		b.WriteString(line + "\n")
	}
	if open {
		b.WriteString("```\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	head := "| flag | value | meaning |\n|---|---|---|\n"
	rows := ""
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" && !strings.Contains(usage, "default") {
			usage += " (default `" + f.DefValue + "`)"
		}
		rows += fmt.Sprintf("| %s | %s | %s |\n", name, strings.ReplaceAll(value, "|", `\|`), strings.ReplaceAll(usage, "|", `\|`))
	})
	if rows != "" {
		b.WriteString(head + rows + "\n")
	}
}
