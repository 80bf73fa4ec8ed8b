package lambda

import (
	"context"
	"strings"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/function"
	core "lambent.dev/lambent/internal/lambda"
)

// tagged answers the function that a resource's ARN names.
func tagged(ctx context.Context, p awswire.Principal, arn *string) (core.FunctionID, error) {
	parts := strings.SplitN(value(arn), ":", 7)
	if len(parts) == 7 && parts[5] != "function" {
		return core.FunctionID{}, core.Errorf(core.ResourceNotFound, "The resource you requested does not exist.")
	}
	fn, qualifier, err := function.Locate(callerOf(ctx, p), value(arn), "")
	if err == nil && qualifier != "" {
		err = invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return fn, err
}

// ListTags answers a function's tags.
func (h *Handler) ListTags(ctx context.Context, p awswire.Principal, in *lambdawire.ListTagsInput) (*lambdawire.ListTagsOutput, error) {
	fn, err := tagged(ctx, p, in.Resource)
	if err != nil {
		return nil, err
	}
	tags, err := h.functions.Tags(fn)
	if err != nil {
		return nil, err
	}
	if tags == nil {
		tags = map[string]string{}
	}
	return &lambdawire.ListTagsOutput{Tags: tags}, nil
}

// TagResource adds tags to a function.
func (h *Handler) TagResource(ctx context.Context, p awswire.Principal, in *lambdawire.TagResourceInput) (*lambdawire.TagResourceOutput, error) {
	fn, err := tagged(ctx, p, in.Resource)
	if err != nil {
		return nil, err
	}
	return nil, h.functions.Tag(fn, in.Tags)
}

// UntagResource removes tags from a function.
func (h *Handler) UntagResource(ctx context.Context, p awswire.Principal, in *lambdawire.UntagResourceInput) (*lambdawire.UntagResourceOutput, error) {
	fn, err := tagged(ctx, p, in.Resource)
	if err != nil {
		return nil, err
	}
	return nil, h.functions.Untag(fn, in.TagKeys)
}
