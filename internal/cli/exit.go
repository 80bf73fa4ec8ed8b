package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lambent.dev/lambent/internal/cli/client"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a wrong command: nothing was tried.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// silent is a failure that the command has already spoken about.
type silent struct{}

func (silent) Error() string { return "" }

// exitCoder is an error that chooses its exit code.
type exitCoder interface{ ExitCode() int }

// report says on standard error what went wrong and answers the exit code.
func (s *session) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	var wrong *usageError
	if errors.As(err, &wrong) {
		fmt.Fprintf(s.Err, "lambent: %s\n\nUsage: %s\n\"%s --help\" says more.\n", wrong.message, useLine(cmd), cmd.CommandPath())
		return exitUsage
	}
	message := err.Error()
	if cmd.Annotations[local] == "" { // a command on this host knows best itself
		message = s.explain(err)
	}
	if message != "" {
		fmt.Fprintf(s.Err, "lambent: %s\n", message)
	}
	var coder exitCoder
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return exitFailed
}

func useLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// explain turns an error into one sentence that says what to do next.
func (s *session) explain(err error) string {
	endpoint := s.flags.endpoint(s.Env)
	var dns *net.DNSError
	var timeout net.Error
	var partial *partialError
	switch {
	case errors.As(err, &partial):
		return fmt.Sprintf("%s of %d were accepted, then: %s", count(partial.accepted, "event", "events"), partial.total, s.explain(partial.cause))
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no server answers at %s: start one with \"lambent serve --dev\", or name another with --endpoint", endpoint)
	case errors.As(err, &dns):
		return fmt.Sprintf("there is no host %s: check --endpoint (%s)", dns.Name, endpoint)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("the server at %s did not answer in time: see whether it is well with %s/healthz", endpoint, strings.TrimSuffix(endpoint, "/"))
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if refusesCredentials(api.ErrorCode()) {
			return s.explainRefusal(api)
		}
		return explainAPI(err, api, endpoint)
	}
	var garbled *smithy.DeserializationError
	if errors.As(err, &garbled) {
		return explainForeign(err, endpoint)
	}
	var op *smithy.OperationError
	if errors.As(err, &op) { // leaves out the SDK's own account of the operation
		return fmt.Sprintf("the request to %s failed: %v", endpoint, op.Err)
	}
	return err.Error()
}

// explainAPI is explain for what a server answered.
func explainAPI(err error, api smithy.APIError, endpoint string) string {
	code, message := api.ErrorCode(), oneLine(api.ErrorMessage())
	status := statusOf(err)
	switch {
	case code == "" || code == "UnknownError":
		return explainForeign(err, endpoint)
	case status == http.StatusForbidden:
		return fmt.Sprintf("not allowed (%s): use the credentials of the account that owns it, or root's (root-credentials in the server's data folder)", orElse(message, code))
	case code == "ResourceNotFoundException" && strings.Contains(strings.ToLower(message), "function"):
		return orElse(message, code) + " (\"lambent function list\" shows what there is)"
	case code == "ResourceNotFoundException" && strings.Contains(strings.ToLower(message), "letter"):
		return orElse(message, code) + " (\"lambent deadletter list\" shows what there is)"
	case status == http.StatusTooManyRequests:
		return orElse(message, code) + ": try again in a moment"
	}
	return orElse(message, code)
}

// explainForeign is explain for an answer that no server of ours gives.
func explainForeign(err error, endpoint string) string {
	return fmt.Sprintf("what answers at %s is no Lambent server (HTTP %d): check --endpoint", endpoint, statusOf(err))
}

// refusesCredentials says whether a code means that the caller is not known.
func refusesCredentials(code string) bool {
	switch code {
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch",
		"IncompleteSignatureException", "MissingAuthenticationTokenException", "ExpiredTokenException":
		return true
	}
	return false
}

// statusOf answers an error's HTTP status, or 0.
func statusOf(err error) int {
	var own *client.Error
	if errors.As(err, &own) {
		return own.Status
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// flagError rewrites pflag's errors for people.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		f := invalid.GetFlag()
		return usagef("--%s takes %s, not %q", f.Name, valueWords(f), invalid.GetValue())
	}
	return usagef("%s", err)
}

// valueWords says what a flag takes.
func valueWords(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int32", "int64":
		return "a whole number"
	case "duration":
		return "a duration such as 90s or 5m"
	case "bool":
		return "true or false"
	}
	if words, ok := f.Value.(interface{ Words() string }); ok {
		return words.Words()
	}
	return "another value"
}

// markWrongUse makes the argument checks of commands that others made count as wrong use.
func markWrongUse(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			var wrong *usageError
			if err != nil && !errors.As(err, &wrong) {
				return usagef("%s", err)
			}
			return err
		}
	}
	for _, sub := range cmd.Commands() {
		markWrongUse(sub)
	}
}

// shortPath answers a command's words without the program's name.
func shortPath(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// none is the argument check of a command that takes none.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, and %q is one", shortPath(cmd), args[0])
	}
	return nil
}

// one is the argument check of a command that takes exactly one: what it is.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usagef("%s takes %s", shortPath(cmd), what)
		}
		return nil
	}
}

// unknownCommand is the argument check of a command that only has subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("there is no command %q", cmd.CommandPath()+" "+args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usagef("%s", message)
}

// helpTopic is the argument check of help: a command's words.
func helpTopic(cmd *cobra.Command, args []string) error {
	found, rest, err := cmd.Root().Find(args)
	if err != nil {
		return usagef("%s", err)
	}
	return unknownCommand(found, rest)
}

// family makes a command that only has subcommands.
func family(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(commands...)
	asFamily(cmd)
	return cmd
}

// asFamily makes a command without, or with an unknown, subcommand wrong use.
func asFamily(cmd *cobra.Command) {
	cmd.Args = unknownCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return usagef("say which: %s", strings.Join(names, ", "))
	}
}
