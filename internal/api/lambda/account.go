package lambda

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	core "lambent.dev/lambent/internal/lambda"
)

// GetAccountSettings answers the account's limits and usage.
func (h *Handler) GetAccountSettings(_ context.Context, p awswire.Principal, _ *lambdawire.GetAccountSettingsInput) (*lambdawire.GetAccountSettingsOutput, error) {
	a := h.functions.Account(p.Account, p.Region)
	unzipped, zipped, functions := int64(core.MaxUnzippedBytes), int64(core.MaxZipBytes), int64(a.Functions)
	return &lambdawire.GetAccountSettingsOutput{
		AccountLimit: &lambdawire.AccountLimit{
			TotalCodeSize: &a.MaxCodeBytes, CodeSizeUnzipped: &unzipped, CodeSizeZipped: &zipped,
			ConcurrentExecutions: &a.Concurrency, UnreservedConcurrentExecutions: &a.UnreservedUnits,
		},
		AccountUsage: &lambdawire.AccountUsage{TotalCodeSize: &a.CodeBytes, FunctionCount: &functions},
	}, nil
}
