package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/client"
	"lambent.dev/lambent/internal/lambda"
)

// maxLimit is the longest page of dead letters that the API gives.
const maxLimit = 1000

func (s *session) deadLetter() *cobra.Command {
	return family("deadletter", "Look at events that failed, correct them and process them again",
		s.letterList(), s.letterShow(), s.letterGroups(), s.letterEdit(), s.letterRedrive(), s.letterPurge(), s.jobList(), s.jobShow())
}

// filterFlags gives a command the flags of a filter, and answers the function that reads them.
func (s *session) filterFlags(cmd *cobra.Command) func() (client.Filter, error) {
	var f client.Filter
	flags := cmd.Flags()
	flags.StringVar(&f.Function, "function", "", "of this function: its `NAME` or ARN")
	flags.StringVar(&f.Qualifier, "qualifier", "", "called with this qualifier")
	flags.StringVar(&f.ErrorType, "error-type", "", "that failed with this error `TYPE`, such as ValueError")
	flags.StringVar(&f.Condition, "condition", "", "given up for this reason, such as RetriesExhausted")
	flags.StringVar(&f.Fingerprint, "fingerprint", "", "of this group")
	flags.StringVar(&f.Text, "text", "", "whose error message holds this `TEXT`, in any case")
	flags.StringVar(&f.Since, "since", "", "given up since this `TIME` (RFC 3339) or duration back from now, such as 2h or 7d")
	flags.StringVar(&f.Until, "until", "", "given up until this `TIME` or duration back from now")
	_ = cmd.RegisterFlagCompletionFunc("function", func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return s.completeFunction(cmd, nil, prefix)
	})
	return func() (client.Filter, error) {
		read, now := f, s.Clock()
		var err error
		if read.Since, err = parseTime("since", f.Since, now); err != nil {
			return read, err
		}
		if read.Until, err = parseTime("until", f.Until, now); err != nil {
			return read, err
		}
		return read, checkFilter(read)
	}
}

// checkFilter refuses what can't choose anything.
func checkFilter(f client.Filter) error {
	if known := lambda.Conditions(); f.Condition != "" && !slices.Contains(known, lambda.Condition(f.Condition)) {
		names := make([]string, len(known))
		for i, c := range known {
			names[i] = string(c)
		}
		return usagef("--condition takes one of %s, not %q", strings.Join(names, ", "), f.Condition)
	}
	since, _ := time.Parse(time.RFC3339, f.Since)
	until, err := time.Parse(time.RFC3339, f.Until)
	if err == nil && since.After(until) {
		return usagef("--since is later than --until: nothing is between them")
	}
	return nil
}

func (s *session) letterList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the newest first", Args: none,
		Example: `  lambent deadletter list --function orders --since 2h
  lambent deadletter list --error-type ValueError --output json`,
	}
	filter := s.filterFlags(cmd)
	limit := cmd.Flags().Int("limit", 0, "at most `N` of them, 1 to 1000 (default: the server's)")
	token := cmd.Flags().String("next-token", "", "go on where a list with this `TOKEN` ended")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("limit") && (*limit < 1 || *limit > maxLimit) {
			return usagef("--limit takes 1 to %d, not %d", maxLimit, *limit)
		}
		f, err := filter()
		if err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var page client.DeadLetters
		raw, err := r.own.Call(cmd.Context(), http.MethodGet, client.Path("deadletters"), client.Page(f.Query(), *limit, *token), nil, &page)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		}
		return s.showLetters(page, f)
	}
	return cmd
}

// noLetter says that a filter chose nothing.
func noLetter(f client.Filter) string {
	if f == (client.Filter{}) {
		return "There is no dead letter."
	}
	return "No dead letter matches."
}

func (s *session) showLetters(page client.DeadLetters, f client.Filter) error {
	if len(page.DeadLetters) == 0 {
		fmt.Fprintln(s.Err, noLetter(f))
	}
	var rows [][]string
	for _, l := range page.DeadLetters {
		rows = append(rows, []string{
			l.ID, called(l.FunctionARN, l.Qualifier), l.Condition, shortFault(l.ErrorType, l.ErrorMessage),
			fmt.Sprint(l.AttemptCount), clockTime(l.BuriedAt),
		})
	}
	if err := s.table([]string{"ID", "FUNCTION", "CONDITION", "ERROR", "ATTEMPTS", "GIVEN UP"}, rows); err != nil {
		return err
	}
	if page.NextToken != "" {
		fmt.Fprintf(s.Err, "There are more: add --next-token %s\n", page.NextToken)
	}
	return nil
}

// called answers a function's name with the qualifier that it was called with.
func called(arn, qualifier string) string {
	name := arn
	if parts := strings.SplitN(arn, ":", 8); len(parts) >= 7 {
		name = parts[6]
	}
	if qualifier != "" {
		name += ":" + qualifier
	}
	return name
}

func faultOf(errorType, message string) string {
	if errorType != "" && message != "" {
		return errorType + ": " + message
	}
	return errorType + message
}

// boilerplate begins what Lambda itself says of a function's failure.
var boilerplate = regexp.MustCompile(`^(?:RequestId: [0-9A-Fa-f-]{36} )?(?:Error: )?`)

// shortFault is faultOf for a table's column.
func shortFault(errorType, message string) string {
	return short(faultOf(errorType, boilerplate.ReplaceAllString(message, "")), 60)
}

func (r *remote) letter(ctx context.Context, id string) (client.DeadLetter, []byte, error) {
	var letter client.DeadLetter
	raw, err := r.own.Call(ctx, http.MethodGet, client.Path("deadletters", id), nil, nil, &letter)
	return letter, raw, err
}

func (s *session) letterShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show a dead letter: its payload and every attempt", Args: one("one dead letter's id")}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		letter, raw, err := r.letter(cmd.Context(), args[0])
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		}
		return s.showLetter(letter)
	}
	return cmd
}

func (s *session) showLetter(l client.DeadLetter) error {
	err := s.facts(
		[2]string{"ID", l.ID},
		[2]string{"Function", called(l.FunctionARN, l.Qualifier)},
		[2]string{"Request", l.RequestID},
		[2]string{"Condition", ended(&l)},
		[2]string{"Error", faultOf(l.ErrorType, l.ErrorMessage)},
		[2]string{"Group", l.Fingerprint},
		[2]string{"Accepted", clockTime(l.AcceptedAt)},
		[2]string{"Given up", clockTime(l.BuriedAt)},
		[2]string{"Redriven from", l.Provenance.RedrivenFrom},
		[2]string{"By job", l.Provenance.RedriveJob},
	)
	if err != nil {
		return err
	}
	if err := s.showAttempts(l.Attempts); err != nil {
		return err
	}
	for _, e := range l.Provenance.Edits {
		fmt.Fprintf(s.Out, "\nEdited %s by %s; before:\n%s\n", clockTime(e.At), oneLine(e.By), s.exact(e.Payload))
	}
	_, err = fmt.Fprintf(s.Out, "\nPayload:\n%s\n", s.exact(l.Payload))
	if s.OutTTY {
		fmt.Fprintf(s.Out, "\nNext:\n  lambent deadletter edit %s\n  lambent deadletter redrive %s\n", l.ID, l.ID)
	}
	return err
}

// exact shows a payload as it is, but for what would command a terminal.
func (s *session) exact(payload string) string {
	if s.OutTTY {
		return harmless(payload)
	}
	return payload
}

func (s *session) showAttempts(attempts []client.Attempt) error {
	var rows [][]string
	for _, a := range attempts {
		rows = append(rows, []string{
			fmt.Sprint(a.Number), clockTime(a.StartedAt), fmt.Sprintf("%.0f ms", a.DurationMs), a.Version, a.Status,
			fmt.Sprintf("%d of %d MB", a.MaxMemoryUsedMB, a.MemorySizeMB), shortFault(a.ErrorType, a.ErrorMessage),
		})
	}
	if len(rows) > 0 {
		fmt.Fprintln(s.Out)
	}
	if err := s.table([]string{"ATTEMPT", "STARTED", "TOOK", "VERSION", "STATUS", "MEMORY", "ERROR"}, rows); err != nil {
		return err
	}
	for i, a := range attempts {
		if len(a.StackTrace) > 0 {
			fmt.Fprintf(s.Out, "\nStack of attempt %d:\n", a.Number)
			indent(s.Out, strings.Join(a.StackTrace, "\n"))
		}
		if a.LogTail != "" && i == len(attempts)-1 { // the last one's tells most; --output json has all
			fmt.Fprintf(s.Out, "\nEnd of the log of attempt %d:\n", a.Number)
			indent(s.Out, a.LogTail)
		}
	}
	return nil
}

// indent prints a function's text line by line, harmless to a terminal.
func indent(w io.Writer, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(harmless(text), "\n"), "\n") {
		body := strings.TrimLeft(line, " \t")
		margin := strings.ReplaceAll(line[:len(line)-len(body)], "\t", "    ")
		fmt.Fprintln(w, strings.TrimRight("  "+margin+body, " "))
	}
}

func (s *session) letterGroups() *cobra.Command {
	cmd := &cobra.Command{Use: "groups", Short: "Count the dead letters that failed alike", Args: none}
	filter := s.filterFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := filter()
		if err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var all client.Groups
		raw, err := r.own.Call(cmd.Context(), http.MethodGet, client.Path("deadletters", "groups"), f.Query(), nil, &all)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		case len(all.Groups) == 0:
			fmt.Fprintln(s.Err, noLetter(f))
			return nil
		}
		var rows [][]string
		for _, g := range all.Groups {
			rows = append(rows, []string{
				g.Fingerprint, called(g.FunctionARN, ""), fmt.Sprint(g.Count),
				shortFault(g.ErrorType, g.ErrorMessage), clockTime(g.FirstAt), clockTime(g.LastAt),
			})
		}
		return s.table([]string{"GROUP", "FUNCTION", "COUNT", "ERROR", "FIRST", "LAST"}, rows)
	}
	return cmd
}

// ended says why a letter is one, with the target that took nothing.
func ended(l *client.DeadLetter) string {
	text := l.Condition
	if l.Ending != "" {
		text += ", after " + l.Ending
	}
	if d := l.Destination; d != nil {
		text += ": " + d.ARN + ": " + d.Error
	}
	return text
}
