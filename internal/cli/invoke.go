package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	smithymiddleware "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/spf13/cobra"
)

func (s *session) invoke() *cobra.Command {
	var event, events string
	var async, tail bool
	cmd := &cobra.Command{
		Use:   "invoke NAME[:QUALIFIER]",
		Short: "Call a function and print its answer",
		Long: `Call a function and print its answer on standard output, byte for byte.

What is said about it, and with --tail the end of its log, goes to standard error. A function
that fails makes the exit code 1; its error document is still on standard output.`,
		Example: `  lambent invoke hello --event '{"name":"Ada"}'
  lambent invoke orders:live --event @order.json --tail
  cat order.json | lambent invoke orders --event - --async
  lambent invoke orders --async --events orders.jsonl`,
		Args:              one("one function's name, such as hello or hello:live"),
		ValidArgsFunction: s.completeFunction,
	}
	flags := cmd.Flags()
	flags.StringVar(&event, "event", "{}", "the input: `JSON`, @FILE or - for standard input")
	flags.StringVar(&events, "events", "", "with --async: a `FILE` (or -) of inputs, one JSON text a line")
	flags.BoolVar(&async, "async", false, "only have it accepted; it runs later, with retries")
	flags.BoolVar(&tail, "tail", false, "print the end of the function's log")
	output := outputFlag(cmd)
	flags.Lookup("output").Usage = "with --async: table for people, json for programs: the request ids"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if async && tail {
			return usagef("--tail has nothing to show with --async: \"lambent logs %s\" does", args[0])
		}
		if flags.Changed("events") {
			if !async || flags.Changed("event") {
				return usagef("--events goes with --async, and without --event")
			}
			return s.runEvents(cmd.Context(), args[0], events, *output)
		}
		payload, err := s.readJSON(cmd.Context(), "event", event)
		if err != nil {
			return err
		}
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		in := &lambda.InvokeInput{FunctionName: &args[0], Payload: payload, InvocationType: types.InvocationTypeRequestResponse}
		if tail {
			in.LogType = types.LogTypeTail
		}
		if async {
			in.InvocationType = types.InvocationTypeEvent
		}
		return s.runInvoke(cmd.Context(), r, in, *output)
	}
	return cmd
}

func (s *session) runInvoke(ctx context.Context, r *remote, in *lambda.InvokeInput, output format) error {
	name := aws.ToString(in.FunctionName)
	// Whether a function may run twice is for the caller to say, not for a retry.
	out, err := r.lambda.Invoke(ctx, in, func(o *lambda.Options) { o.Retryer = retry.AddWithMaxAttempts(newRetryer(), 1) })
	if err != nil {
		return err
	}
	if in.InvocationType == types.InvocationTypeEvent {
		id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
		if output == formatJSON {
			return s.requestIDs([]string{id})
		}
		_, err := fmt.Fprintf(s.Out, "accepted, request id %s\n", id)
		return err
	}
	if log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err == nil && len(log) > 0 {
		fmt.Fprintln(s.Err, strings.TrimRight(harmless(string(log)), "\n"))
	}
	if _, err := s.Out.Write(out.Payload); err != nil {
		return err
	}
	if s.OutTTY {
		fmt.Fprintln(s.Out)
	}
	if out.FunctionError == nil {
		return nil
	}
	fmt.Fprintf(s.Err, "lambent: %s failed%s\n", name, failure(out.Payload))
	return silent{}
}

// failure answers what a function's error document says, to follow "failed".
func failure(document []byte) string {
	var e struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(document, &e) != nil || e.Type == "" && e.Message == "" {
		return ""
	}
	if e.Type == "" || e.Message == "" {
		return ": " + short(e.Type+e.Message, 200)
	}
	return ": " + short(e.Type+": "+e.Message, 200)
}

// keepBody keeps an answer's bytes, for --output json.
func keepBody(dst *[]byte) func(*lambda.Options) {
	keep := smithymiddleware.DeserializeMiddlewareFunc("KeepBody", func(
		ctx context.Context, in smithymiddleware.DeserializeInput, next smithymiddleware.DeserializeHandler,
	) (smithymiddleware.DeserializeOutput, smithymiddleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		res, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok {
			return out, metadata, err
		}
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			return out, metadata, err
		}
		*dst = raw
		res.Body = struct {
			io.Reader
			io.Closer
		}{bytes.NewReader(raw), res.Body}
		return out, metadata, nil
	})
	return lambda.WithAPIOptions(func(stack *smithymiddleware.Stack) error {
		return stack.Deserialize.Add(keep, smithymiddleware.After)
	})
}
