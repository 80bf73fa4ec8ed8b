package lambda_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	core "lambent.dev/lambent/internal/lambda"
)

var f = aws.String("f")

func TestVersions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("f")
	publish := func(description *string) *sdk.PublishVersionOutput {
		return must(w.client.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: f, Description: description}))(w)
	}
	one := publish(aws.String("first"))
	if *one.Version != "1" || *one.FunctionArn != arn+"f:1" || *one.Description != "first" || one.State != types.StateActive {
		t.Errorf("%+v", one)
	}
	if same := publish(aws.String("other")); *same.Version != "1" || *same.RevisionId != *one.RevisionId {
		t.Errorf("an unchanged function became version %s", *same.Version)
	}
	must(w.client.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: f, MemorySize: aws.Int32(256)}))(w)
	if two := publish(nil); *two.Version != "2" || *two.MemorySize != 256 {
		t.Errorf("%+v", two)
	}
	if c := must(w.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: f, Qualifier: aws.String("1")}))(w); *c.MemorySize != 128 {
		t.Error("a version changed")
	}
	w.refused(w.client.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: f, CodeSha256: aws.String("somenonexistentsha256")}))(
		"400 InvalidParameterValueException: CodeSHA256 (somenonexistentsha256) is different from current CodeSHA256 in $LATEST (" + *one.CodeSha256 + "). Please try again with the CodeSHA256 in $LATEST.")
	w.refused(w.client.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: f, RevisionId: aws.String("x")}))("412 PreconditionFailedException: The Revision Id...")
	w.refused(w.client.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: aws.String("none")}))("404 ResourceNotFoundException: Function not found: " + arn + "none")

	must(w.client.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: f, Name: aws.String("live"), FunctionVersion: aws.String("1")}))(w)
	remove := func(qualifier string) error {
		_, err := w.client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: f, Qualifier: &qualifier})
		return err
	}
	w.refused(nil, remove("1"))("409 ResourceConflictException: Unable to delete version because the following aliases reference it: [live]")
	w.refused(nil, remove("$LATEST"))("400 InvalidParameterValueException: $LATEST version cannot be deleted without deleting the function.")
	w.refused(nil, remove("live"))("400 InvalidParameterValueException: Deletion of aliases is not currently supported.")
	for _, version := range []string{"2", "2", "99"} {
		if err := remove(version); err != nil {
			t.Errorf("delete %s: %v", version, err)
		}
	}
	if three := publish(nil); *three.Version != "3" {
		t.Errorf("version %s after 2 was deleted", *three.Version)
	}
	var seen []string
	p := sdk.NewListVersionsByFunctionPaginator(w.client, &sdk.ListVersionsByFunctionInput{FunctionName: f, MaxItems: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			seen = append(seen, *v.FunctionArn)
			if v.State != "" {
				t.Error("a list shows State")
			}
		}
	}
	if got := strings.Join(seen, " "); got != arn+"f:$LATEST "+arn+"f:1 "+arn+"f:3" {
		t.Error(got)
	}
	must(w.client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: f}))(w)
	if again := w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true }); *again.Version != "4" {
		t.Errorf("a number was used again: %s", *again.Version)
	}
}

func TestAliases(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true })
	must(w.client.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: f, ZipFile: pack("2"), Publish: true}))(w)
	create := func(name, version string, weights map[string]float64) (*sdk.CreateAliasOutput, error) {
		in := &sdk.CreateAliasInput{FunctionName: f, Name: &name, FunctionVersion: &version, Description: aws.String("d")}
		if weights != nil {
			in.RoutingConfig = &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights}
		}
		return w.client.CreateAlias(ctx, in)
	}
	const bad = "400 InvalidParameterValueException: "
	w.refused(create("x", "1", map[string]float64{"1": .5}))(bad + "Invalid function version 1. Function version 1 is already included in routing configuration.")
	w.refused(create("x", "$LATEST", map[string]float64{"1": .5}))(bad + "$LATEST is not supported for an alias pointing to more than 1 version")
	w.refused(create("x", "1", map[string]float64{"2": .5, "3": .1}))(bad + "Number of items in AdditionalVersionWeights cannot be greater than 1")
	w.refused(create("x", "1", map[string]float64{"2": 2}))("400 ValidationException: 1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed...")
	w.refused(create("x", "9", nil))("404 ResourceNotFoundException: Function not found: " + arn + "f:9")
	w.refused(create("x", "1", map[string]float64{"9": .5}))("404 ResourceNotFoundException: Function not found: " + arn + "f:9")
	w.refused(create("2024", "1", nil))("400 ValidationException: 1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	a := must(create("live", "1", map[string]float64{"2": .25}))(w)
	if *a.AliasArn != arn+"f:live" || a.RoutingConfig.AdditionalVersionWeights["2"] != .25 || *a.Description != "d" {
		t.Errorf("%+v", a)
	}
	w.refused(create("live", "1", nil))("409 ResourceConflictException: Alias already exists: " + arn + "f:live")
	for roll, version := range map[float64]string{0: "2", .24: "2", .25: "1", .99: "1"} {
		if c, err := w.functions.Resolve(core.FunctionID{Account: account, Region: region, Name: "f"}, "live", roll); err != nil || c.Version != version {
			t.Errorf("roll %v: %v, %v", roll, c, err)
		}
	}
	c := must(w.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: f, Qualifier: aws.String("live")}))(w)
	if *c.FunctionArn != arn+"f:live" || *c.Version != "1" {
		t.Errorf("%s %s", *c.FunctionArn, *c.Version)
	}
	w.refused(w.client.UpdateAlias(ctx, &sdk.UpdateAliasInput{FunctionName: f, Name: aws.String("live"), RevisionId: aws.String("x")}))("412 PreconditionFailedException: The Revision Id...")
	up := must(w.client.UpdateAlias(ctx, &sdk.UpdateAliasInput{FunctionName: f, Name: aws.String("live"), FunctionVersion: aws.String("2"),
		RoutingConfig: &types.AliasRoutingConfiguration{}, RevisionId: a.RevisionId}))(w)
	if *up.FunctionVersion != "2" || up.RoutingConfig != nil || *up.RevisionId == *a.RevisionId || *up.Description != "d" {
		t.Errorf("%+v", up)
	}
	if got := must(w.client.GetAlias(ctx, &sdk.GetAliasInput{FunctionName: f, Name: aws.String("live")}))(w); *got.RevisionId != *up.RevisionId {
		t.Error("the alias read is not the one written")
	}
	must(create("a", "1", nil))(w)
	l := must(w.client.ListAliases(ctx, &sdk.ListAliasesInput{FunctionName: f, MaxItems: aws.Int32(1)}))(w)
	if len(l.Aliases) != 1 || *l.Aliases[0].Name != "a" || l.NextMarker == nil {
		t.Errorf("%+v", l)
	}
	l = must(w.client.ListAliases(ctx, &sdk.ListAliasesInput{FunctionName: f, Marker: l.NextMarker}))(w)
	if len(l.Aliases) != 1 || *l.Aliases[0].Name != "live" || l.NextMarker != nil {
		t.Errorf("%+v", l)
	}
	l = must(w.client.ListAliases(ctx, &sdk.ListAliasesInput{FunctionName: f, FunctionVersion: aws.String("1")}))(w)
	if len(l.Aliases) != 1 || *l.Aliases[0].Name != "a" {
		t.Errorf("%+v", l)
	}
	for range 2 {
		must(w.client.DeleteAlias(ctx, &sdk.DeleteAliasInput{FunctionName: f, Name: aws.String("live")}))(w)
	}
	w.refused(w.client.GetAlias(ctx, &sdk.GetAliasInput{FunctionName: f, Name: aws.String("live")}))("404 ResourceNotFoundException: Cannot find alias arn: " + arn + "f:live")
	w.refused(w.client.GetAlias(ctx, &sdk.GetAliasInput{FunctionName: aws.String("no"), Name: aws.String("live")}))("404 ResourceNotFoundException: Cannot find alias arn: " + arn + "no:live")
	w.refused(w.client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: f, Qualifier: aws.String("live")}))("404 ResourceNotFoundException: Function not found: " + arn + "f:live")
}

func TestEventInvokeConfigs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true })
	w.create("target")
	put := func(qualifier, success, failure string) (*sdk.PutFunctionEventInvokeConfigOutput, error) {
		in := &sdk.PutFunctionEventInvokeConfigInput{FunctionName: f, MaximumRetryAttempts: aws.Int32(0), DestinationConfig: &types.DestinationConfig{}}
		if qualifier != "" {
			in.Qualifier = &qualifier
		}
		if success != "" {
			in.DestinationConfig.OnSuccess = &types.OnSuccess{Destination: &success}
		}
		if failure != "" {
			in.DestinationConfig.OnFailure = &types.OnFailure{Destination: &failure}
		}
		return w.client.PutFunctionEventInvokeConfig(ctx, in)
	}
	const bad = "400 InvalidParameterValueException: "
	w.refused(w.client.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{FunctionName: f}))(bad + "You must specify at least one of error handling or destination setting.")
	w.refused(w.client.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("no"), MaximumRetryAttempts: aws.Int32(1)}))("404 ResourceNotFoundException: The function doesn't exist.")
	w.refused(put("nope", "", ""))("404 ResourceNotFoundException: The function doesn't exist.")
	w.refused(put("", arn+"f", ""))(bad + "You can't specify the function as a destination for itself.")
	w.refused(put("1", "", arn+"f:1"))(bad + "You can't specify the function as a destination for itself.")
	w.refused(put("", arn+"none", ""))(bad + "The destination ARN " + arn + "none is invalid.")
	w.refused(put("", arn+"target:live", ""))(bad + "The destination ARN " + arn + "target:live is invalid.")
	w.refused(put("", "arn:aws:lambda:us-east-1:123456789012:function:target", ""))(bad + "The destination ARN arn:aws:lambda:us-east-1:123456789012:function:target is invalid.")
	w.refused(put("", "arn:aws:iam:eu-west-1:123456789012:function:f", ""))(bad + "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:iam:eu-west-1:123456789012:function:f), onFailure=null) is invalid.")
	w.refused(put("", "arn:aws:s3:::bucket", ""))(bad + "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::bucket)...")
	w.refused(put("", "", "arn:aws:sqs:eu-west-1:123456789012:q.fifo"))(bad + "The destination ARN arn:aws:sqs:eu-west-1:123456789012:q.fifo is invalid.")
	w.refused(w.client.GetFunctionEventInvokeConfig(ctx, &sdk.GetFunctionEventInvokeConfigInput{FunctionName: f}))(
		"404 ResourceNotFoundException: The function " + arn + "f:$LATEST doesn't have an EventInvokeConfig")

	c := must(put("", arn+"target", "arn:aws:s3:::bucket"))(w)
	if *c.FunctionArn != arn+"f:$LATEST" || *c.MaximumRetryAttempts != 0 || c.MaximumEventAgeInSeconds != nil || !c.LastModified.Equal(w.now.Truncate(time.Millisecond)) {
		t.Errorf("%+v", c)
	}
	c = must(put("", "", ""))(w) // replaces
	if c.DestinationConfig.OnSuccess == nil || c.DestinationConfig.OnSuccess.Destination != nil || c.DestinationConfig.OnFailure == nil {
		t.Errorf("%+v", c.DestinationConfig)
	}
	up := must(w.client.UpdateFunctionEventInvokeConfig(ctx, &sdk.UpdateFunctionEventInvokeConfigInput{FunctionName: f, Qualifier: aws.String("$LATEST"), MaximumEventAgeInSeconds: aws.Int32(60)}))(w)
	if *up.MaximumRetryAttempts != 0 || *up.MaximumEventAgeInSeconds != 60 {
		t.Errorf("%+v", up)
	}
	w.refused(w.client.UpdateFunctionEventInvokeConfig(ctx, &sdk.UpdateFunctionEventInvokeConfigInput{FunctionName: f, Qualifier: aws.String("1"), MaximumEventAgeInSeconds: aws.Int32(60)}))(
		"404 ResourceNotFoundException: The function " + arn + "f:1 doesn't have an EventInvokeConfig")
	must(put("1", "", ""))(w)
	l := must(w.client.ListFunctionEventInvokeConfigs(ctx, &sdk.ListFunctionEventInvokeConfigsInput{FunctionName: f}))(w)
	if len(l.FunctionEventInvokeConfigs) != 2 {
		t.Errorf("%+v", l)
	}
	id := core.FunctionID{Account: account, Region: region, Name: "f"}
	if a, err := w.functions.AsyncConfig(id, ""); err != nil || *a.MaxAgeSec != 60 {
		t.Errorf("%+v %v", a, err)
	}
	must(w.client.DeleteFunctionEventInvokeConfig(ctx, &sdk.DeleteFunctionEventInvokeConfigInput{FunctionName: f}))(w)
	if a, err := w.functions.AsyncConfig(id, "$LATEST"); err != nil || a.MaxAgeSec != nil {
		t.Errorf("%+v %v", a, err)
	}
	w.refused(w.client.DeleteFunctionEventInvokeConfig(ctx, &sdk.DeleteFunctionEventInvokeConfigInput{FunctionName: f}))("404 ResourceNotFoundException: The function " + arn + "f:$LATEST doesn't have an EventInvokeConfig")
}

func TestConcurrencyAndAccount(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true })
	w.create("g")
	put := func(name string, n int32) (*sdk.PutFunctionConcurrencyOutput, error) {
		return w.client.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: &n})
	}
	must(put("f", 600))(w)
	w.refused(put("g", 301))("400 InvalidParameterValueException: Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	must(put("g", 300))(w)
	must(put("g", 0))(w)
	if n := must(w.client.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: aws.String("g")}))(w); *n.ReservedConcurrentExecutions != 0 {
		t.Error("zero is not shown")
	}
	w.refused(put("f:1", 1))("400 InvalidParameterValueException: This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	w.refused(put("none", 1))("404 ResourceNotFoundException: Function not found: " + arn + "none")
	s := must(w.client.GetAccountSettings(ctx, &sdk.GetAccountSettingsInput{}))(w)
	size := int64(2*len(pack("f")) + len(pack("g")))
	if s.AccountLimit.UnreservedConcurrentExecutions == nil || *s.AccountLimit.UnreservedConcurrentExecutions != 400 || s.AccountUsage.FunctionCount != 2 || s.AccountUsage.TotalCodeSize != size {
		t.Errorf("%+v %+v", s.AccountLimit, s.AccountUsage)
	}
	must(w.client.DeleteFunctionConcurrency(ctx, &sdk.DeleteFunctionConcurrencyInput{FunctionName: aws.String("g")}))(w)
	if n := must(w.client.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: aws.String("g")}))(w); n.ReservedConcurrentExecutions != nil {
		t.Error("it is still there")
	}
	for _, name := range []string{"f", "g"} {
		must(w.client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: &name}))(w)
	}
	if a := w.functions.Account(account, region); a.Functions != 0 || a.CodeBytes != 0 || a.UnreservedUnits != 1000 {
		t.Errorf("%+v", a)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true })
	resource := aws.String(arn + "f")
	must(w.client.TagResource(ctx, &sdk.TagResourceInput{Resource: resource, Tags: map[string]string{"a": "1", "b": "2"}}))(w)
	must(w.client.TagResource(ctx, &sdk.TagResourceInput{Resource: resource, Tags: map[string]string{"b": "3"}}))(w)
	must(w.client.UntagResource(ctx, &sdk.UntagResourceInput{Resource: resource, TagKeys: []string{"a", "none"}}))(w)
	if l := must(w.client.ListTags(ctx, &sdk.ListTagsInput{Resource: resource}))(w); fmt.Sprint(l.Tags) != "map[b:3]" {
		t.Errorf("%v", l.Tags)
	}
	w.refused(w.client.ListTags(ctx, &sdk.ListTagsInput{Resource: aws.String(arn + "f:1")}))("400 InvalidParameterValueException: Tags on function aliases and versions are not supported. Please specify a function ARN.")
	w.refused(w.client.ListTags(ctx, &sdk.ListTagsInput{Resource: aws.String(arn + "no")}))("404 ResourceNotFoundException: Function not found: " + arn + "no")
	w.refused(w.client.TagResource(ctx, &sdk.TagResourceInput{Resource: resource, Tags: map[string]string{"aws:x": "1"}}))("400 InvalidParameterValueException: The tag key \"aws:x\"...")
	w.refused(w.client.ListTags(ctx, &sdk.ListTagsInput{Resource: aws.String("arn:aws:something")}))("400 ValidationException: 1 validation error detected: Value 'arn:aws:something' at 'resource' failed...")
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	w.refused(w.client.TagResource(ctx, &sdk.TagResourceInput{Resource: resource, Tags: many}))("400 InvalidParameterValueException: Number of tags exceeds resource tag limit.")
}

func TestInvoke(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true })
	must(w.client.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: f, Name: aws.String("live"), FunctionVersion: aws.String("1")}))(w)
	text := `{"b": 1.0,  "a":"\u00e9"}`
	out := must(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f, Qualifier: aws.String("live"), Payload: []byte(text), LogType: types.LogTypeTail,
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(`{"custom":{}}`)))}))(w)
	if string(out.Payload) != text || out.StatusCode != 200 || *out.ExecutedVersion != "1" || out.FunctionError != nil || *out.LogResult != "U1RBUlQK" {
		t.Errorf("%+v", out)
	}
	if h := responseHeader(out.ResultMetadata); h.Get("X-Amzn-Requestid") != w.invoker.last.RequestID || h.Get("X-Amzn-Remapped-Content-Length") != "0" ||
		!strings.HasPrefix(h.Get("X-Amzn-Trace-Id"), "Root=1-") || h.Get("Content-Type") != "application/json" || h.Get("X-Amz-Executed-Version") != "1" {
		t.Errorf("%v", h)
	}
	out = must(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f}))(w)
	if string(out.Payload) != "{}" || *out.ExecutedVersion != "$LATEST" || out.LogResult != nil {
		t.Errorf("%+v", out)
	}
	out = must(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f, Qualifier: aws.String("1"), InvocationType: types.InvocationTypeEvent, Payload: []byte("[1]")}))(w)
	if out.StatusCode != 202 || len(out.Payload) != 0 || out.ExecutedVersion != nil {
		t.Errorf("%+v", out)
	}
	e := w.invoker.accepted[0]
	if string(e.Payload) != "[1]" || e.Qualifier != "1" || e.RequestID != responseHeader(out.ResultMetadata).Get("X-Amzn-Requestid") || e.AcceptedAt != w.now {
		t.Errorf("%+v", e)
	}
	if out = must(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f, InvocationType: types.InvocationTypeDryRun}))(w); out.StatusCode != 204 {
		t.Errorf("%+v", out)
	}
	w.invoker.outcome = &core.Outcome{Payload: []byte(`{"errorType":"E"}`), FunctionError: "Unhandled", LogTail: make([]byte, 9000), Attempt: core.Attempt{Version: "1"}}
	out = must(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f, LogType: types.LogTypeTail}))(w)
	if *out.FunctionError != "Unhandled" || out.StatusCode != 200 || len(*out.LogResult) != base64.StdEncoding.EncodedLen(4096) {
		t.Errorf("%+v", out)
	}
	w.invoker.outcome, w.invoker.err = nil, &core.Error{Kind: core.TooManyRequests, Message: "Rate Exceeded.", Reason: core.ReasonConcurrency, RetryAfter: time.Second}
	w.refused(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f}))("429 TooManyRequestsException: Rate Exceeded.")
	w.refused(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("no")}))("404 ResourceNotFoundException: Function not found: " + arn + "no")
	w.refused(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("no"), InvocationType: types.InvocationTypeEvent}))("404 ResourceNotFoundException: Function not found: " + arn + "no")
	w.refused(w.client.Invoke(ctx, &sdk.InvokeInput{FunctionName: f, Qualifier: aws.String("7")}))("404 ResourceNotFoundException: Function not found: " + arn + "f:7")
}

func TestInvokeRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	const where = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: "
	const parse = "400 InvalidRequestContentException: Could not parse request body into json: Could not parse payload into json: "
	for payload, want := range map[string]string{
		"\x99abc":   parse + "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')" + where + "1]",
		"[\"\x87\"": parse + "Invalid UTF-8 start byte 0x87" + where + "3]",
		"not json":  parse + "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')" + where + "1]",
		"{":         parse + "Unexpected end-of-input" + where + "2]",
		"{'a':1}":   parse + "Unexpected character (''' (code 39)): was expecting double-quote to start field name" + where + "2]",
		`{"a" 1}`:   parse + "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value" + where + "6]",
		`{"a":1 2}`: parse + "Unexpected character ('2' (code 50)): was expecting comma to separate Object entries" + where + "8]",
		"[1 2]":     parse + "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries" + where + "4]",
		"{} x":      parse + "Unexpected character...",
		"[\n?]":     parse + "Unexpected character ('?' (code 63)): expected...",
	} {
		for _, kind := range []types.InvocationType{types.InvocationTypeRequestResponse, types.InvocationTypeEvent} {
			w.refused(w.client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: f, Payload: []byte(payload), InvocationType: kind}))(want)
		}
	}
	large := []byte(`"` + strings.Repeat("x", core.MaxAsyncPayloadBytes) + `"`)
	w.refused(w.client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: f, Payload: large, InvocationType: types.InvocationTypeEvent}))(
		"413 RequestEntityTooLargeException: 1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)")
	large = []byte(`"` + strings.Repeat("x", core.MaxSyncPayloadBytes) + `"`)
	w.refused(w.client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: f, Payload: large}))(
		"413 RequestEntityTooLargeException: Request must be smaller than 6291556 bytes for the InvokeFunction operation")
	for _, context := range []string{"{}", "????", base64.StdEncoding.EncodeToString([]byte("[1]")), base64.StdEncoding.EncodeToString([]byte("null"))} {
		w.refused(w.client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: f, ClientContext: &context}))(
			"400 InvalidRequestContentException: Client context must be a valid Base64-encoded JSON object.")
	}
	long := base64.StdEncoding.EncodeToString([]byte(`{"a":"` + strings.Repeat("x", 3000) + `"}`))
	w.refused(w.client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: f, ClientContext: &long}))("400 InvalidRequestContentException: Client context must be smaller...")
	w.refused(w.client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: f, TenantId: aws.String("t")}))("400 InvalidParameterValueException: TenantId is not offered...")
	if len(w.invoker.accepted) != 0 {
		t.Error("something was accepted")
	}
}

func TestNotOffered(t *testing.T) {
	w := newWorld(t)
	_, err := w.client.ListLayers(context.WithoutCancel(t.Context()), &sdk.ListLayersInput{})
	w.refused(nil, err)("501 NotOfferedException: Lambent does not offer the operation ListLayers of lambda.")
}

func responseHeader(m middleware.Metadata) http.Header {
	if r, ok := awsmiddleware.GetRawResponse(m).(*smithyhttp.Response); ok {
		return r.Header
	}
	return http.Header{}
}
