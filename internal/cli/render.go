package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// format is the value of --output.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
)

// String answers the value.
func (f *format) String() string { return string(*f) }

// Set takes a value.
func (f *format) Set(v string) error {
	if v != string(formatTable) && v != string(formatJSON) {
		return fmt.Errorf("no such format")
	}
	*f = format(v)
	return nil
}

// Type names the value in help.
func (f *format) Type() string { return "table|json" }

// Words says what the flag takes.
func (f *format) Words() string { return "table or json" }

// outputFlag gives a command its --output.
func outputFlag(cmd *cobra.Command) *format {
	f := formatTable
	cmd.Flags().VarP(&f, "output", "o", "table for people, json for programs: exactly the API's answer")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// json prints an answer of the API: its very bytes, laid out on a terminal.
func (s *session) json(raw []byte) error {
	raw = bytes.TrimRight(raw, "\n")
	if s.OutTTY {
		var laid bytes.Buffer
		if json.Indent(&laid, raw, "", "  ") == nil {
			raw = laid.Bytes()
		}
	}
	_, err := fmt.Fprintf(s.Out, "%s\n", raw)
	return err
}

// colours says whether standard output takes them.
func (s *session) colours() bool {
	return s.OutTTY && s.Env("NO_COLOR") == "" && s.Env("TERM") != "dumb"
}

// gap is the space between two columns.
const gap = 3

// table prints rows below a header, without lines: easy to read, easy to cut.
func (s *session) table(header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	w := s.writer()
	top := make(table.Row, len(header))
	for i, h := range header {
		top[i] = h
		if s.colours() {
			top[i] = text.Bold.EscapeSeq() + h + text.Reset.EscapeSeq()
		}
	}
	w.AppendHeader(top)
	if s.OutTTY && s.Width > 0 {
		fit(header, rows, s.Width)
	}
	for _, cells := range rows {
		w.AppendRow(s.row(cells))
	}
	return s.print(w)
}

// leastError is what a table leaves of an error, however narrow the terminal.
const leastError = 12

// fit shortens the errors of a table that is too wide, and nothing else: an id or a time that is
// cut is of no use, and a terminal can wrap them.
func fit(header []string, rows [][]string, width int) {
	column := slices.Index(header, "ERROR")
	if column < 0 {
		return
	}
	room := width - gap*(len(header)-1)
	for i := range header {
		if i == column {
			continue
		}
		widest := text.StringWidthWithoutEscSequences(header[i])
		for _, cells := range rows {
			widest = max(widest, text.StringWidthWithoutEscSequences(orElse(oneLine(cells[i]), "-")))
		}
		room -= widest
	}
	for _, cells := range rows {
		cells[column] = short(cells[column], max(room, leastError))
	}
}

// facts prints pairs of a name and a value; a pair without a value is left out.
func (s *session) facts(pairs ...[2]string) error {
	w := s.writer()
	for _, pair := range pairs {
		if pair[1] == "" {
			continue
		}
		name := any(pair[0])
		if s.colours() {
			name = text.Bold.EscapeSeq() + pair[0] + text.Reset.EscapeSeq()
		}
		w.AppendRow(table.Row{name, s.cell(pair[1])})
	}
	return s.print(w)
}

func (s *session) writer() table.Writer {
	w := table.NewWriter()
	style := table.Style{
		Name:    "lambent",
		Box:     table.BoxStyle{PaddingRight: strings.Repeat(" ", gap), UnfinishedRow: "…"},
		Options: table.OptionsNoBordersAndSeparators,
		Format:  table.FormatOptions{Header: text.FormatDefault},
	}
	w.SetStyle(style)
	return w
}

func (s *session) row(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = s.cell(c)
	}
	return row
}

// cell makes a value fit for a table, and colours a state.
func (s *session) cell(value string) string {
	value = orElse(oneLine(value), "-")
	if !s.colours() {
		return value
	}
	switch value {
	case "Active", "Successful", "completed", "success":
		return text.FgGreen.Sprint(value)
	case "Failed", "failed", "cancelled", "error", "timeout":
		return text.FgRed.Sprint(value)
	case "Pending", "InProgress", "running", "paused", "throttled":
		return text.FgYellow.Sprint(value)
	}
	return value
}

func (s *session) print(w table.Writer) error {
	lines := strings.Split(w.Render(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	_, err := fmt.Fprintln(s.Out, strings.Join(lines, "\n"))
	return err
}

// oneLine makes text from a function safe to show: no line breaks, no control of the terminal.
func oneLine(value string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, value))
}

// escapes are the sequences that command a terminal: colours, the cursor, its title.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?`)

// harmless makes a function's text of many lines safe to show. A carriage return is a line break:
// AWS's runtimes write it between the lines of a traceback.
func harmless(value string) string {
	value = escapes.ReplaceAllString(value, "")
	value = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(value)
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, value)
}

// short cuts a text for a table's column.
func short(value string, limit int) string {
	runes := []rune(oneLine(value))
	if len(runes) <= limit {
		return string(runes)
	}
	return string(runes[:limit-1]) + "…"
}

// clockTime shows a time of the API.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// size shows a number of bytes.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// count shows a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
