package lambda

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/invoke"
	core "lambent.dev/lambent/internal/lambda"
)

// Invoker runs functions, now or later.
type Invoker interface {
	// Check answers the version that a call would run now, or ResourceNotFound.
	Check(fn core.FunctionID, qualifier string) (*core.Configuration, error)
	// Run runs one invocation to its end. What the function did wrong is in the outcome.
	Run(ctx context.Context, r invoke.Request) (core.Outcome, error)
	// Accept returns when the event is on stable storage. It sets the event's ID.
	Accept(ctx context.Context, e *core.Event) error
}

// Invoke runs a function (RequestResponse), accepts an event for it (Event), or checks that it
// could (DryRun).
func (h *Handler) Invoke(ctx context.Context, p awswire.Principal, in *lambdawire.InvokeInput) (*lambdawire.InvokeOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := refuse(unoffered{"TenantId", in.TenantId != nil}, unoffered{"DurableExecutionName", in.DurableExecutionName != nil}); err != nil {
		return nil, err
	}
	if err := checkClientContext(value(in.ClientContext)); err != nil {
		return nil, err
	}
	payload := in.Payload
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	call := awswire.CallOf(ctx)
	r := invoke.Request{
		Function: fn, Qualifier: qualifier, RequestID: call.RequestID, Payload: payload,
		ClientContext: value(in.ClientContext), TraceHeader: traceHeader(call.Header),
	}
	if _, err := h.invoker.Check(fn, qualifier); err != nil {
		return nil, err
	}
	kind := value(in.InvocationType)
	if kind == lambdawire.InvocationTypeEvent && len(payload) > core.MaxAsyncPayloadBytes {
		return nil, core.Errorf(core.RequestEntityTooLarge, "%d byte payload is too large for the Event invocation type (limit %d bytes)",
			len(payload), core.MaxAsyncPayloadBytes)
	}
	if err := checkPayload(payload); err != nil {
		return nil, err
	}
	call.Answer.Set("X-Amzn-Remapped-Content-Length", "0")
	call.Answer.Set("X-Amzn-Trace-Id", r.TraceHeader)
	switch kind {
	case lambdawire.InvocationTypeDryRun:
		return &lambdawire.InvokeOutput{StatusCode: status(http.StatusNoContent)}, nil
	case lambdawire.InvocationTypeEvent:
		return h.accept(ctx, r)
	}
	return h.run(ctx, r, value(in.LogType) == lambdawire.LogTypeTail)
}

func status(code int) *int { return &code }

func (h *Handler) run(ctx context.Context, r invoke.Request, tail bool) (*lambdawire.InvokeOutput, error) {
	outcome, err := h.invoker.Run(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &lambdawire.InvokeOutput{
		StatusCode: status(http.StatusOK), Payload: outcome.Payload,
		FunctionError: some(outcome.FunctionError), ExecutedVersion: some(outcome.Attempt.Version),
	}
	if tail {
		log := outcome.LogTail
		log = log[max(len(log)-core.MaxLogTailBytes, 0):]
		text := base64.StdEncoding.EncodeToString(log)
		out.LogResult = &text
	}
	return out, nil
}

func (h *Handler) accept(ctx context.Context, r invoke.Request) (*lambdawire.InvokeOutput, error) {
	err := h.invoker.Accept(ctx, &core.Event{
		RequestID: r.RequestID, Function: r.Function, Qualifier: r.Qualifier, Payload: r.Payload,
		ClientContext: r.ClientContext, TraceHeader: r.TraceHeader, AcceptedAt: h.clock(),
	})
	if err != nil {
		return nil, err
	}
	return &lambdawire.InvokeOutput{StatusCode: status(http.StatusAccepted)}, nil
}

func checkClientContext(text string) error {
	if text == "" {
		return nil
	}
	if len(text) > core.MaxClientContextBytes {
		return core.Errorf(core.InvalidRequestContent, "Client context must be smaller than or equal to %d bytes.", core.MaxClientContextBytes)
	}
	var object map[string]json.RawMessage
	data, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &object)
	}
	if err != nil || object == nil {
		return core.Errorf(core.InvalidRequestContent, "Client context must be a valid Base64-encoded JSON object.")
	}
	return nil
}

const maxTraceHeader = 1024

// traceHeader answers the trace that a call belongs to, or a new one that is not sampled.
func traceHeader(header http.Header) string {
	if t := header.Get("X-Amzn-Trace-Id"); t != "" && len(t) <= maxTraceHeader && printable(t) {
		return t
	}
	var id [20]byte
	rand.Read(id[:]) //nolint:errcheck // never fails: the program ends first
	text := hex.EncodeToString(id[:])
	return fmt.Sprintf("Root=1-%s-%s;Sampled=0", text[:8], text[8:32])
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) < 0
}
