package cli

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/clock"
)

// IO is the world as a command sees it. The zero values of the last four are a pipe's.
type IO struct {
	In    io.Reader
	Out   io.Writer
	Err   io.Writer
	Env   func(string) string // an environment variable, "" when unset
	Clock clock.Clock

	InTTY  bool // In is a terminal
	OutTTY bool // Out is a terminal
	ErrTTY bool // Err is a terminal
	Width  int  // of the terminal in characters; 0: not known
}

// Deps is what the command line gets from the rest of the program.
type Deps struct {
	// Version is what "lambent version" says: "0.1.0".
	Version string
	// Host are the commands that run on this host instead of talking to a server: serve, doctor.
	// An error of theirs that has an ExitCode() int method chooses the exit code, and one with an
	// empty text is not printed.
	Host []*cobra.Command
}

// Main runs one command line, without the program's name, and answers the exit code. A command
// ends soon after ctx does.
func Main(ctx context.Context, args []string, streams IO, deps Deps) int {
	s := &session{IO: streams}
	root := s.root(deps)
	root.SetArgs(slices.Clone(args)) // nil would mean os.Args
	if args == nil {
		root.SetArgs([]string{})
	}
	cmd, err := root.ExecuteContextC(ctx)
	return s.report(cmd, err)
}

// session is one run of the command.
type session struct {
	IO
	flags     connection
	anonymous bool // connect found no credentials
}

// The groups of the help text.
const (
	groupFunction   = "function"
	groupDeadLetter = "deadletter"
	groupServer     = "server"
)

// root builds the tree of commands.
func (s *session) root(deps Deps) *cobra.Command {
	root := &cobra.Command{
		Use:   "lambent",
		Short: "Run AWS Lambda functions on your own machines",
		Long: `Lambent runs AWS Lambda functions on your own machines, loses no accepted event and
keeps what failed until it is corrected and processed again.

Start a server with "lambent serve --dev", then deploy a folder with "lambent deploy DIR".`,
		Version:       orElse(deps.Version, "(development)"),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetVersionTemplate(versionText(deps.Version))
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupFunction, Title: "Functions:"},
		&cobra.Group{ID: groupDeadLetter, Title: "What failed:"},
		&cobra.Group{ID: groupServer, Title: "The server:"},
	)
	s.flags.register(root.PersistentFlags())
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		root.AddCommand(commands...)
	}
	add(groupFunction, s.deploy(), s.invoke(), s.function(), s.logs())
	add(groupDeadLetter, s.deadLetter())
	add(groupServer, deps.Host...)
	add(groupServer, s.healthCommand(), s.account())
	root.AddCommand(s.version(deps.Version))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			asFamily(c)
		case "help":
			c.Args = helpTopic
		}
		if c.GroupID == "" || slices.Contains(deps.Host, c) {
			markLocal(c)
		}
	}
	markWrongUse(root)
	return root
}

func (s *session) version(v string) *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Say which version this is", Args: none}
	output := outputFlag(cmd)
	cmd.Flags().Lookup("output").Usage = "table for people, json for programs"
	cmd.RunE = func(*cobra.Command, []string) error {
		if *output != formatJSON {
			_, err := io.WriteString(s.Out, versionText(v))
			return err
		}
		raw, err := json.Marshal(map[string]string{
			"version": orElse(v, "(development)"), "platform": runtime.GOOS + "/" + runtime.GOARCH, "go": runtime.Version(),
		})
		if err != nil {
			return err
		}
		return s.json(raw)
	}
	return cmd
}

func versionText(v string) string {
	return "lambent " + orElse(v, "(development)") + " " + runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version() + "\n"
}

// local marks a command that talks to no server, and has no use for the flags that say which.
const local = "local"

func markLocal(cmd *cobra.Command) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[local] = "true"
	for _, sub := range cmd.Commands() {
		markLocal(sub)
	}
}

// usageTemplate is cobra's, without what only cobra needs.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}

{{if .Groups}}Besides:{{else}}Commands:{{end}}{{range $cmds}}{{if (and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help")))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if and .HasAvailableInheritedFlags (not .Annotations.local)}}

Flags of every command that talks to a server:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" says more about a command.{{end}}
`
