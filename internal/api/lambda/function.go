package lambda

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/function"
	core "lambent.dev/lambent/internal/lambda"
)

// CreateFunction makes a function from a zip package.
func (h *Handler) CreateFunction(ctx context.Context, p awswire.Principal, in *lambdawire.CreateFunctionInput) (*lambdawire.CreateFunctionOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := refuseCreate(in); err != nil {
		return nil, err
	}
	create := function.Create{
		Function: fn, Settings: createSettings(in), Architectures: in.Architectures, Tags: in.Tags, Publish: value(in.Publish),
	}
	if err := h.functions.CheckCreate(create); err != nil { // before the package is unpacked
		return nil, err
	}
	info, err := h.code.Put(ctx, in.Code.ZipFile)
	if err != nil {
		return nil, err
	}
	create.Code = function.Code{SHA256: info.SHA256, ZipBytes: info.ZipBytes}
	c, err := h.functions.Create(create)
	if err != nil {
		return nil, err
	}
	return configuration(c, published(c)), nil
}

// published answers the qualifier under which a change shows its outcome: that of the version it
// published, or none.
func published(c *core.Configuration) string {
	if c.Version == core.Latest {
		return ""
	}
	return c.Version
}

// GetFunction answers a version with a link to its code.
func (h *Handler) GetFunction(ctx context.Context, p awswire.Principal, in *lambdawire.GetFunctionInput) (*lambdawire.GetFunctionOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	c, err := h.functions.Get(fn, qualifier)
	if err != nil {
		return nil, err
	}
	tags, err := h.functions.Tags(fn)
	if err != nil {
		return nil, err
	}
	reserved, err := h.functions.Reserved(fn)
	if err != nil {
		return nil, err
	}
	repository, link := "S3", h.link(awswire.CallOf(ctx), c.CodeSHA256)
	out := &lambdawire.GetFunctionOutput{
		Configuration: configuration(&c, qualifier),
		Code:          &lambdawire.FunctionCodeLocation{RepositoryType: &repository, Location: &link},
	}
	if len(tags) > 0 {
		out.Tags = tags
	}
	if reserved != nil {
		out.Concurrency = &lambdawire.Concurrency{ReservedConcurrentExecutions: reserved}
	}
	return out, nil
}

// GetFunctionConfiguration answers a version.
func (h *Handler) GetFunctionConfiguration(ctx context.Context, p awswire.Principal, in *lambdawire.GetFunctionConfigurationInput) (*lambdawire.GetFunctionConfigurationOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	c, err := h.functions.Get(fn, qualifier)
	if err != nil {
		return nil, err
	}
	return configuration(&c, qualifier), nil
}

// UpdateFunctionCode replaces a function's code.
func (h *Handler) UpdateFunctionCode(ctx context.Context, p awswire.Principal, in *lambdawire.UpdateFunctionCodeInput) (*lambdawire.UpdateFunctionCodeOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := h.functions.Resolve(fn, "", 0); err != nil {
		return nil, err
	}
	if err := refuseUpdateCode(in); err != nil {
		return nil, err
	}
	info, err := h.code.Put(ctx, in.ZipFile)
	if err != nil {
		return nil, err
	}
	c, err := h.functions.UpdateCode(fn, function.UpdateCode{
		Code:          function.Code{SHA256: info.SHA256, ZipBytes: info.ZipBytes},
		Architectures: in.Architectures, RevisionID: value(in.RevisionId), Publish: value(in.Publish), DryRun: value(in.DryRun),
	})
	if err != nil {
		return nil, err
	}
	return configuration(c, published(c)), nil
}

// UpdateFunctionConfiguration changes a function's execution parameters.
func (h *Handler) UpdateFunctionConfiguration(ctx context.Context, p awswire.Principal, in *lambdawire.UpdateFunctionConfigurationInput) (*lambdawire.UpdateFunctionConfigurationOutput, error) {
	fn, err := whole(ctx, p, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := refuseUpdateConfiguration(in); err != nil {
		return nil, err
	}
	c, err := h.functions.UpdateSettings(fn, updateSettings(in), value(in.RevisionId))
	if err != nil {
		return nil, err
	}
	return configuration(c, ""), nil
}

// DeleteFunction removes a function, or one of its versions.
func (h *Handler) DeleteFunction(ctx context.Context, p awswire.Principal, in *lambdawire.DeleteFunctionInput) (*lambdawire.DeleteFunctionOutput, error) {
	fn, qualifier, err := locate(ctx, p, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, h.functions.Delete(fn, qualifier)
}

// ListFunctions answers a page of the account's functions.
func (h *Handler) ListFunctions(ctx context.Context, p awswire.Principal, in *lambdawire.ListFunctionsInput) (*lambdawire.ListFunctionsOutput, error) {
	out := &lambdawire.ListFunctionsOutput{Functions: []lambdawire.FunctionConfiguration{}}
	if in.MasterRegion != nil {
		return out, nil // replicas of another region's functions: there are none
	}
	after, size, err := page(ctx, p, in.Marker, in.MaxItems, pageSize)
	if err != nil {
		return nil, err
	}
	all := value(in.FunctionVersion) == "ALL"
	list, token, err := h.functions.List(p.Account, p.Region, all, after, size)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		qualifier := ""
		if all {
			qualifier = c.Version
		}
		out.Functions = append(out.Functions, listed(c, qualifier))
	}
	out.NextMarker = next(ctx, p, token)
	return out, nil
}
