package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/client"
)

// maxLogLineBytes is more than the longest line that a function's log keeps.
const maxLogLineBytes = 4 << 20

func (s *session) logs() *cobra.Command {
	var follow bool
	var since string
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print a function's log",
		Example: `  lambent logs hello --since 10m
  lambent logs hello --follow`,
		Args:              one("one function's name"),
		ValidArgsFunction: s.completeFunction,
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until Ctrl-C")
	cmd.Flags().StringVar(&since, "since", "", "from this `TIME` (RFC 3339) or duration back from now, such as 10m (default: all that is kept)")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{}
		from, err := parseTime("since", since, s.Clock())
		if err != nil {
			return err
		}
		if from != "" {
			query.Set("since", from)
		}
		if follow {
			query.Set("follow", "true")
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		body, err := r.own.Stream(cmd.Context(), client.Path("functions", args[0], "logs"), query)
		if err == nil {
			defer body.Close()
			err = s.printLog(body, *output)
		}
		if follow {
			return followed(cmd.Context(), err)
		}
		return err
	}
	return cmd
}

// followed judges how following a log ended: Ctrl-C is how it is meant to.
func followed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the server ended the log: is it still running?")
	}
	return err
}

// printLog prints lines of JSON as a log.
func (s *session) printLog(body io.Reader, output format) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLogLineBytes)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if output == formatJSON {
			if _, err := fmt.Fprintf(s.Out, "%s\n", lines.Bytes()); err != nil {
				return err
			}
			continue
		}
		var line client.LogLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("the server's log can't be read: %w", err)
		}
		_, err := fmt.Fprintf(s.Out, "%s  %s\n", line.At.UTC().Format("2006-01-02T15:04:05.000Z"), strings.TrimRight(harmless(line.Message), "\n"))
		if err != nil {
			return err
		}
	}
	return lines.Err()
}
