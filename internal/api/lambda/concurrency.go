package lambda

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
)

// PutFunctionConcurrency sets a function's reserved concurrency.
func (h *Handler) PutFunctionConcurrency(ctx context.Context, p awswire.Principal, in *lambdawire.PutFunctionConcurrencyInput) (*lambdawire.PutFunctionConcurrencyOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := h.functions.PutReserved(fn, value(in.ReservedConcurrentExecutions)); err != nil {
		return nil, err
	}
	return &lambdawire.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions}, nil
}

// GetFunctionConcurrency answers it; nothing where none is set.
func (h *Handler) GetFunctionConcurrency(ctx context.Context, p awswire.Principal, in *lambdawire.GetFunctionConcurrencyInput) (*lambdawire.GetFunctionConcurrencyOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := h.functions.Resolve(fn, "", 0); err != nil {
		return nil, err
	}
	n, err := h.functions.Reserved(fn)
	if err != nil {
		return nil, err
	}
	return &lambdawire.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: n}, nil
}

// DeleteFunctionConcurrency gives it back.
func (h *Handler) DeleteFunctionConcurrency(ctx context.Context, p awswire.Principal, in *lambdawire.DeleteFunctionConcurrencyInput) (*lambdawire.DeleteFunctionConcurrencyOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	return nil, h.functions.DeleteReserved(fn)
}
