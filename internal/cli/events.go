package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/sync/errgroup"
)

// senders is how many events are on their way at once.
const senders = 16

// runEvents has a file of events accepted, line by line. Nothing is sent of a file with a line
// that is not JSON.
func (s *session) runEvents(ctx context.Context, name, file string, output format) error {
	if file != "-" {
		file = "@" + file
	}
	content, err := s.readArgument(ctx, "events", file)
	if err != nil {
		return err
	}
	events, err := splitEvents(content)
	if err != nil {
		return err
	}
	r, err := s.connect(ctx)
	if err != nil {
		return err
	}
	ids, err := s.send(ctx, r, name, events)
	var printed error
	switch {
	case output == formatJSON:
		printed = s.requestIDs(ids) // of what was accepted, even when not all was
	case err == nil:
		_, printed = fmt.Fprintf(s.Out, "accepted %s\n", count(len(ids), "event", "events"))
	}
	if err != nil {
		return &partialError{len(ids), len(events), err}
	}
	return printed
}

// requestIDs prints the ids of accepted events for programs.
func (s *session) requestIDs(ids []string) error {
	raw, err := json.Marshal(map[string][]string{"requestIds": append([]string{}, ids...)})
	if err != nil {
		return err
	}
	return s.json(raw)
}

// partialError is a file of events that was accepted in part.
type partialError struct {
	accepted, total int
	cause           error
}

func (e *partialError) Error() string { return e.cause.Error() }

// splitEvents splits a file into its lines' JSON texts; empty lines are none.
func splitEvents(content []byte) ([][]byte, error) {
	var events [][]byte
	number := 0
	for line := range bytes.Lines(content) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if err := checkJSON(line); err != nil {
			return nil, usagef("line %d of --events is not JSON (%s)", number, err)
		}
		events = append(events, line)
	}
	if len(events) == 0 {
		return nil, usagef("--events holds no event")
	}
	return events, nil
}

// send has events accepted and answers the request ids of those that were, in the events' order.
// An event whose acceptance was not heard of
// is sent again, and may then run twice, as any event may.
func (s *session) send(ctx context.Context, r *remote, name string, events [][]byte) ([]string, error) {
	var mu sync.Mutex
	ids := map[int]string{}
	show := func(int, bool) {}
	if s.ErrTTY {
		b := newBar(s, name, len(events))
		defer b.end()
		show = func(done int, ended bool) { b.set(done, len(events), ended) }
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for i, event := range events {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			out, err := r.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: event, InvocationType: types.InvocationTypeEvent})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			ids[i], _ = middleware.GetRequestIDMetadata(out.ResultMetadata)
			show(len(ids), false)
			return nil
		})
	}
	err := group.Wait()
	if err == nil {
		err = context.Cause(ctx) // Ctrl-C between two events
		if len(ids) == len(events) {
			err = nil
		}
	}
	if err == nil {
		show(len(events), true)
	}
	inOrder := make([]string, 0, len(ids))
	for _, i := range slices.Sorted(maps.Keys(ids)) {
		inOrder = append(inOrder, ids[i])
	}
	return inOrder, err
}
