package lambda

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/function"
	core "lambent.dev/lambent/internal/lambda"
)

func alias(fn core.FunctionID, a *function.Alias) *lambdawire.AliasConfiguration {
	arn := fn.QualifiedARN(a.Name)
	out := &lambdawire.AliasConfiguration{
		AliasArn: &arn, Name: &a.Name, FunctionVersion: &a.Version, Description: &a.Description, RevisionId: &a.RevisionID,
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &lambdawire.AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out
}

// weights answers what a request says of routing: nil for nothing, an empty map for none.
func weights(r *lambdawire.AliasRoutingConfiguration) map[string]float64 {
	switch {
	case r == nil:
		return nil
	case r.AdditionalVersionWeights == nil:
		return map[string]float64{}
	}
	return r.AdditionalVersionWeights
}

// CreateAlias makes an alias.
func (h *Handler) CreateAlias(ctx context.Context, p awswire.Principal, in *lambdawire.CreateAliasInput) (*lambdawire.CreateAliasOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	a, err := h.functions.CreateAlias(fn, function.Alias{
		Name: value(in.Name), Version: value(in.FunctionVersion), Description: value(in.Description), Weights: weights(in.RoutingConfig)})
	if err != nil {
		return nil, err
	}
	return alias(fn, a), nil
}

// GetAlias answers an alias.
func (h *Handler) GetAlias(ctx context.Context, p awswire.Principal, in *lambdawire.GetAliasInput) (*lambdawire.GetAliasOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	a, err := h.functions.GetAlias(fn, value(in.Name))
	if err != nil {
		return nil, err
	}
	return alias(fn, a), nil
}

// UpdateAlias changes an alias.
func (h *Handler) UpdateAlias(ctx context.Context, p awswire.Principal, in *lambdawire.UpdateAliasInput) (*lambdawire.UpdateAliasOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	a, err := h.functions.UpdateAlias(fn, value(in.Name), function.AliasChange{
		Version: in.FunctionVersion, Description: in.Description, Weights: weights(in.RoutingConfig), RevisionID: value(in.RevisionId)})
	if err != nil {
		return nil, err
	}
	return alias(fn, a), nil
}

// DeleteAlias removes an alias.
func (h *Handler) DeleteAlias(ctx context.Context, p awswire.Principal, in *lambdawire.DeleteAliasInput) (*lambdawire.DeleteAliasOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	return nil, h.functions.DeleteAlias(fn, value(in.Name))
}

// ListAliases answers a page of a function's aliases.
func (h *Handler) ListAliases(ctx context.Context, p awswire.Principal, in *lambdawire.ListAliasesInput) (*lambdawire.ListAliasesOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	after, size, err := page(ctx, p, in.Marker, in.MaxItems, aliasPage)
	if err != nil {
		return nil, err
	}
	list, token, err := h.functions.ListAliases(fn, value(in.FunctionVersion), after, size)
	if err != nil {
		return nil, err
	}
	out := &lambdawire.ListAliasesOutput{Aliases: []lambdawire.AliasConfiguration{}, NextMarker: next(ctx, p, token)}
	for _, a := range list {
		out.Aliases = append(out.Aliases, *alias(fn, a))
	}
	return out, nil
}
