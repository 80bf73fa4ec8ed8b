package lambda

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/function"
	core "lambent.dev/lambent/internal/lambda"
)

func invokeConfig(fn core.FunctionID, c *function.InvokeConfig) *lambdawire.FunctionEventInvokeConfig {
	arn := fn.QualifiedARN(c.Qualifier)
	return &lambdawire.FunctionEventInvokeConfig{
		FunctionArn: &arn, LastModified: awswire.At(c.LastModified),
		MaximumRetryAttempts: c.MaxRetries, MaximumEventAgeInSeconds: c.MaxAgeSec,
		DestinationConfig: &lambdawire.DestinationConfig{
			OnSuccess: &lambdawire.OnSuccess{Destination: some(c.OnSuccess)},
			OnFailure: &lambdawire.OnFailure{Destination: some(c.OnFailure)},
		},
	}
}

// asyncChange takes what a request says. Destinations are said both or not at all.
func asyncChange(retries, age *int, d *lambdawire.DestinationConfig) function.AsyncChange {
	c := function.AsyncChange{MaxRetries: retries, MaxAgeSec: age}
	if d != nil && (d.OnSuccess != nil || d.OnFailure != nil) {
		success, failure := value(value(d.OnSuccess).Destination), value(value(d.OnFailure).Destination)
		c.OnSuccess, c.OnFailure = &success, &failure
	}
	return c
}

// PutFunctionEventInvokeConfig replaces what happens to asynchronous invocations.
func (h *Handler) PutFunctionEventInvokeConfig(ctx context.Context, p awswire.Principal, in *lambdawire.PutFunctionEventInvokeConfigInput) (*lambdawire.PutFunctionEventInvokeConfigOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	c, err := h.functions.PutAsync(fn, qualifier, asyncChange(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig))
	if err != nil {
		return nil, err
	}
	return invokeConfig(fn, c), nil
}

// UpdateFunctionEventInvokeConfig changes it.
func (h *Handler) UpdateFunctionEventInvokeConfig(ctx context.Context, p awswire.Principal, in *lambdawire.UpdateFunctionEventInvokeConfigInput) (*lambdawire.UpdateFunctionEventInvokeConfigOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	c, err := h.functions.UpdateAsync(fn, qualifier, asyncChange(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig))
	if err != nil {
		return nil, err
	}
	return invokeConfig(fn, c), nil
}

// GetFunctionEventInvokeConfig answers it.
func (h *Handler) GetFunctionEventInvokeConfig(ctx context.Context, p awswire.Principal, in *lambdawire.GetFunctionEventInvokeConfigInput) (*lambdawire.GetFunctionEventInvokeConfigOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	c, err := h.functions.GetAsync(fn, qualifier)
	if err != nil {
		return nil, err
	}
	return invokeConfig(fn, c), nil
}

// DeleteFunctionEventInvokeConfig removes it.
func (h *Handler) DeleteFunctionEventInvokeConfig(ctx context.Context, p awswire.Principal, in *lambdawire.DeleteFunctionEventInvokeConfigInput) (*lambdawire.DeleteFunctionEventInvokeConfigOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, h.functions.DeleteAsync(fn, qualifier)
}

// ListFunctionEventInvokeConfigs answers a page of a function's configurations.
func (h *Handler) ListFunctionEventInvokeConfigs(ctx context.Context, p awswire.Principal, in *lambdawire.ListFunctionEventInvokeConfigsInput) (*lambdawire.ListFunctionEventInvokeConfigsOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	after, size, err := page(ctx, p, in.Marker, in.MaxItems, pageSize)
	if err != nil {
		return nil, err
	}
	list, token, err := h.functions.ListAsync(fn, after, size)
	if err != nil {
		return nil, err
	}
	out := &lambdawire.ListFunctionEventInvokeConfigsOutput{
		FunctionEventInvokeConfigs: []lambdawire.FunctionEventInvokeConfig{}, NextMarker: next(ctx, p, token)}
	for _, c := range list {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *invokeConfig(fn, c))
	}
	return out, nil
}
