package lambda

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/function"
)

// PublishVersion makes a version of $LATEST.
func (h *Handler) PublishVersion(ctx context.Context, p awswire.Principal, in *lambdawire.PublishVersionInput) (*lambdawire.PublishVersionOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := refuse(unoffered{"PublishTo", in.PublishTo != nil}); err != nil {
		return nil, err
	}
	c, err := h.functions.Publish(fn, function.Publish{
		Description: in.Description, CodeSHA256: value(in.CodeSha256), RevisionID: value(in.RevisionId)})
	if err != nil {
		return nil, err
	}
	return configuration(c, c.Version), nil
}

// ListVersionsByFunction answers a page of a function's versions.
func (h *Handler) ListVersionsByFunction(ctx context.Context, p awswire.Principal, in *lambdawire.ListVersionsByFunctionInput) (*lambdawire.ListVersionsByFunctionOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	after, size, err := page(ctx, p, in.Marker, in.MaxItems, pageSize)
	if err != nil {
		return nil, err
	}
	list, token, err := h.functions.ListVersions(fn, after, size)
	if err != nil {
		return nil, err
	}
	out := &lambdawire.ListVersionsByFunctionOutput{Versions: []lambdawire.FunctionConfiguration{}, NextMarker: next(ctx, p, token)}
	for _, c := range list {
		out.Versions = append(out.Versions, listed(c, c.Version))
	}
	return out, nil
}
