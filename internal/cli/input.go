package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// readArgument reads the value of a flag that takes JSON|@FILE|-: the text itself, a file's
// content or standard input, byte for byte.
func (s *session) readArgument(ctx context.Context, flag, value string) ([]byte, error) {
	file, isFile := strings.CutPrefix(value, "@")
	switch {
	case value == "-":
		return await(ctx, func() ([]byte, error) { return io.ReadAll(s.In) })
	case isFile:
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("--%s can't be read: %s", flag, err)
		}
		return content, nil
	}
	return []byte(value), nil
}

// readJSON is readArgument for a value that must be JSON.
func (s *session) readJSON(ctx context.Context, flag, value string) ([]byte, error) {
	content, err := s.readArgument(ctx, flag, value)
	if err != nil {
		return nil, err
	}
	if err := checkJSON(content); err != nil {
		hint := ""
		if value != "-" && !strings.HasPrefix(value, "@") {
			hint = "; a file's content is --" + flag + " @FILE, standard input --" + flag + " -"
		}
		return nil, usagef("--%s is not JSON (%s)%s", flag, err, hint)
	}
	return content, nil
}

// readPatch is readJSON for a merge patch, an object.
func (s *session) readPatch(ctx context.Context, flag, value string) (json.RawMessage, error) {
	content, err := s.readJSON(ctx, flag, value)
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(content, &object) != nil || object == nil {
		return nil, usagef("--%s takes a JSON object that names what changes, such as '{\"currency\":\"EUR\"}'", flag)
	}
	return content, nil
}

// checkJSON says what keeps a text from being one JSON value.
func checkJSON(content []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(content, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("byte %d: %s", syntax.Offset, syntax)
	}
	return err
}

// await answers what read does, or ctx's error when that ends first. A read from a terminal
// can't be interrupted: it is left behind, and the process ends with it.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// confirm asks a person, or wants --yes where there is none.
func (s *session) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !s.InTTY || !s.ErrTTY {
		return usagef("%s Nobody is here to be asked: add --yes", question)
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, err := await(ctx, func() (string, error) { return bufio.NewReader(s.In).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(s.Err)
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was done")
}

// parseTime reads RFC 3339 or a duration back from now, and answers RFC 3339 for the API.
func parseTime(flag, value string, now time.Time) (string, error) {
	if value == "" {
		return "", nil
	}
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		return t.UTC().Format(time.RFC3339Nano), nil
	}
	if back, ok := parseDuration(value); ok {
		return now.Add(-back).UTC().Format(time.RFC3339Nano), nil
	}
	return "", usagef("--%s takes a time such as 2026-01-31T12:00:00Z or a duration back from now such as 90s, 2h or 7d, not %q", flag, value)
}

// parseDuration reads Go's durations, and whole days.
func parseDuration(value string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(value, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(value)
	return d, err == nil && d >= 0
}
