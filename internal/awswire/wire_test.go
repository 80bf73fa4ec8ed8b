package awswire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/awswire/stswire"
	"lambent.dev/lambent/internal/lambda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a small real implementation: it answers what it was given.
type service struct {
	created *lambdawire.CreateFunctionInput
	invoked *lambdawire.InvokeInput
	last    awswire.Principal
	fail    error
}

func (s *service) CreateFunction(_ context.Context, p awswire.Principal, in *lambdawire.CreateFunctionInput) (*lambdawire.CreateFunctionOutput, error) {
	s.created, s.last = in, p
	out := &lambdawire.FunctionConfiguration{
		FunctionName: in.FunctionName, Runtime: in.Runtime, Timeout: in.Timeout, LastModified: new("2026-11-24T12:00:00.000+0000"),
		FunctionArn: new("arn:aws:lambda:" + p.Region + ":" + p.Account + ":function:" + *in.FunctionName),
	}
	if in.Environment != nil {
		out.Environment = &lambdawire.EnvironmentResponse{Variables: in.Environment.Variables}
	}
	return out, s.fail
}

func (s *service) DeleteFunction(context.Context, awswire.Principal, *lambdawire.DeleteFunctionInput) (*lambdawire.DeleteFunctionOutput, error) {
	return nil, s.fail
}

func (s *service) Invoke(ctx context.Context, p awswire.Principal, in *lambdawire.InvokeInput) (*lambdawire.InvokeOutput, error) {
	s.invoked, s.last = in, p
	if s.fail != nil {
		return nil, s.fail
	}
	switch t := in.InvocationType; {
	case t != nil && *t == lambdawire.InvocationTypeEvent:
		return &lambdawire.InvokeOutput{StatusCode: new(202)}, nil
	case t != nil && *t == lambdawire.InvocationTypeDryRun:
		return &lambdawire.InvokeOutput{StatusCode: new(204)}, nil
	}
	call := awswire.CallOf(ctx)
	call.Answer.Set("X-Amzn-Trace-Id", call.Header.Get("X-Amzn-Trace-Id"))
	return &lambdawire.InvokeOutput{
		StatusCode: new(200), Payload: []byte(`{"z": 1.0, "a":"\u003c"}`), ExecutedVersion: new("$LATEST"),
		FunctionError: new("Unhandled"), LogResult: new(call.RequestID),
	}, nil
}

func (s *service) PutFunctionEventInvokeConfig(_ context.Context, _ awswire.Principal, in *lambdawire.PutFunctionEventInvokeConfigInput) (*lambdawire.PutFunctionEventInvokeConfigOutput, error) {
	return &lambdawire.FunctionEventInvokeConfig{
		LastModified: awswire.At(time.UnixMilli(1_736_508_765_123)), MaximumRetryAttempts: in.MaximumRetryAttempts, DestinationConfig: in.DestinationConfig,
	}, s.fail
}

func (s *service) UntagResource(_ context.Context, _ awswire.Principal, in *lambdawire.UntagResourceInput) (*lambdawire.UntagResourceOutput, error) {
	if *in.Resource != functionARN || strings.Join(in.TagKeys, ",") != "a b,c" {
		return nil, fmt.Errorf("got %q %q", *in.Resource, in.TagKeys)
	}
	return nil, s.fail
}

func (s *service) ListFunctions(_ context.Context, _ awswire.Principal, in *lambdawire.ListFunctionsInput) (*lambdawire.ListFunctionsOutput, error) {
	if s.fail == nil && in.Marker != nil && *in.Marker == "panic" {
		panic("a fault of ours")
	}
	return &lambdawire.ListFunctionsOutput{Functions: []lambdawire.FunctionConfiguration{}}, s.fail
}

func (s *service) CreateAlias(context.Context, awswire.Principal, *lambdawire.CreateAliasInput) (*lambdawire.CreateAliasOutput, error) {
	return nil, s.fail
}

func (s *service) PutFunctionConcurrency(context.Context, awswire.Principal, *lambdawire.PutFunctionConcurrencyInput) (*lambdawire.PutFunctionConcurrencyOutput, error) {
	return nil, s.fail
}

func (s *service) ListFunctionEventInvokeConfigs(context.Context, awswire.Principal, *lambdawire.ListFunctionEventInvokeConfigsInput) (*lambdawire.ListFunctionEventInvokeConfigsOutput, error) {
	return nil, s.fail
}

func (s *service) GetCallerIdentity(_ context.Context, p awswire.Principal, _ *stswire.GetCallerIdentityInput) (*stswire.GetCallerIdentityOutput, error) {
	return &stswire.GetCallerIdentityOutput{Account: &p.Account, Arn: new("arn:aws:iam::" + p.Account + ":user/<a&b>"), UserId: &p.AccessKey}, s.fail
}

const functionARN = "arn:aws:lambda:eu-west-1:111111111111:function:f"

type keyring map[string]string

func (k keyring) Lookup(accessKey string) (string, string, bool, error) {
	secret, ok := k[accessKey]
	if !ok {
		return "", "", false, lambda.Errorf(lambda.UnrecognizedClient, "no such key")
	}
	return secret, "111111111111", false, nil
}

// start serves the test's services on loopback; every signature is verified unless dev.
func start(t testing.TB, dev bool) (*service, *httptest.Server) {
	t.Helper()
	s := &service{}
	auth := awswire.NewAuthenticator(awswire.AuthOptions{Credentials: keyring{"AKIDEXAMPLE": "secret"}, Clock: time.Now, Development: dev})
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	server := httptest.NewServer(awswire.NewHandler(auth, log, lambdawire.Service(s), stswire.Service(s)))
	t.Cleanup(server.Close)
	return s, server
}

type staticKey struct{ key, secret string }

func (k staticKey) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: k.key, SecretAccessKey: k.secret}, nil
}

func config(t testing.TB, server *httptest.Server) aws.Config {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: staticKey{"AKIDEXAMPLE", "secret"}, HTTPClient: &http.Client{Transport: transport}}
}

// TestSDK drives the wire with AWS's own client.
func TestSDK(t *testing.T) {
	s, server := start(t, false)
	client := sdk.NewFromConfig(config(t, server))
	ctx := t.Context()
	zip := []byte("PK\x03\x04 not really")
	created, err := client.CreateFunction(ctx, &sdk.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::111111111111:role/r"), Runtime: types.RuntimePython312, Timeout: aws.Int32(0 + 5),
		Code: &types.FunctionCode{ZipFile: zip}, Environment: &types.Environment{Variables: map[string]string{}}, Handler: aws.String("a.b"),
	})
	if err != nil || *created.FunctionArn != functionARN || created.Environment == nil || created.Environment.Variables == nil || created.VpcConfig != nil {
		t.Fatalf("created %+v, %v", created, err)
	}
	if string(s.created.Code.ZipFile) != string(zip) || s.created.Description != nil || *s.created.Timeout != 5 {
		t.Errorf("got %+v", s.created)
	}
	out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String(functionARN + ":$LATEST"), Payload: []byte(`{"a":1}`), LogType: types.LogTypeTail})
	if err != nil || string(out.Payload) != `{"z": 1.0, "a":"\u003c"}` || out.StatusCode != 200 || *out.ExecutedVersion != "$LATEST" || *out.FunctionError != "Unhandled" {
		t.Fatalf("invoked %+v, %v", out, err)
	}
	if id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata); id != *out.LogResult || len(id) != 36 {
		t.Errorf("request id %q, in the handler %q", id, *out.LogResult)
	}
	if *s.invoked.FunctionName != functionARN+":$LATEST" || *s.invoked.LogType != "Tail" || string(s.invoked.Payload) != `{"a":1}` {
		t.Errorf("got %+v", s.invoked)
	}
	event, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte("{}")})
	if err != nil || event.StatusCode != 202 || len(event.Payload) != 0 || event.ExecutedVersion != nil {
		t.Errorf("event %+v, %v", event, err)
	}
	dry, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeDryRun})
	if err != nil || dry.StatusCode != 204 {
		t.Errorf("dry run %+v, %v", dry, err)
	}
	config, err := client.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(0)})
	if err != nil || config.LastModified.UnixMilli() != 1_736_508_765_123 || *config.MaximumRetryAttempts != 0 {
		t.Errorf("config %+v, %v", config, err)
	}
	if _, err := client.UntagResource(ctx, &sdk.UntagResourceInput{Resource: aws.String(functionARN), TagKeys: []string{"a b", "c"}}); err != nil {
		t.Error(err)
	}
	if _, err := client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
		t.Error(err)
	}
	listed, err := client.ListFunctions(ctx, &sdk.ListFunctionsInput{})
	if err != nil || listed.Functions == nil || listed.NextMarker != nil {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

// TestSDKErrors holds errors to what AWS's client makes of them.
func TestSDKErrors(t *testing.T) {
	s, server := start(t, false)
	client := sdk.NewFromConfig(config(t, server))
	invoke := func() error {
		_, err := client.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f")})
		return err
	}
	s.fail = lambda.Errorf(lambda.ResourceNotFound, "Function not found: %s", functionARN)
	var missing *types.ResourceNotFoundException
	if err := invoke(); !errors.As(err, &missing) || *missing.Message != "Function not found: "+functionARN || *missing.Type != "User" {
		t.Errorf("got %v", err)
	}
	s.fail = &lambda.Error{Kind: lambda.TooManyRequests, Message: "Rate Exceeded.", Reason: lambda.ReasonConcurrency, RetryAfter: time.Second}
	throttled := sdk.NewFromConfig(config(t, server), func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	_, err := throttled.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f")})
	var many *types.TooManyRequestsException
	if !errors.As(err, &many) || many.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded || *many.RetryAfterSeconds != "1" {
		t.Errorf("got %v", err)
	}
	// An operation that is not offered says so at once: 501 is not retried.
	_, err = client.GetLayerVersionByArn(t.Context(), &sdk.GetLayerVersionByArnInput{Arn: aws.String("arn:aws:lambda:eu-west-1:111111111111:layer:l:1")})
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if !errors.As(err, &api) || api.ErrorCode() != "NotOfferedException" || !strings.Contains(api.ErrorMessage(), "GetLayerVersionByArn") ||
		!errors.As(err, &response) || response.HTTPStatusCode() != http.StatusNotImplemented || strings.Contains(err.Error(), "exceeded maximum number of attempts") {
		t.Errorf("got %v", err)
	}
}

func TestSTS(t *testing.T) {
	s, server := start(t, false)
	client := sts.NewFromConfig(config(t, server))
	out, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *out.Account != "111111111111" || *out.Arn != "arn:aws:iam::111111111111:user/<a&b>" || *out.UserId != "AKIDEXAMPLE" {
		t.Fatalf("got %+v, %v", out, err)
	}
	presigned, err := sts.NewPresignClient(client).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, server, presigned.URL); status != 200 || !strings.Contains(body, "<Account>111111111111</Account>") {
		t.Errorf("presigned: %d %s", status, body)
	}
	s.fail = lambda.Errorf(lambda.AccessDenied, "no <entry>")
	_, err = client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDenied" || api.ErrorMessage() != "no <entry>" {
		t.Errorf("got %v", err)
	}
	_, err = client.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if !errors.As(err, &api) || api.ErrorCode() != "NotOffered" {
		t.Errorf("got %v", err)
	}
	bad := config(t, server)
	bad.Credentials = staticKey{"AKIDEXAMPLE", "wrong"}
	_, err = sts.NewFromConfig(bad).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if !errors.As(err, &api) || api.ErrorCode() != "SignatureDoesNotMatch" {
		t.Errorf("got %v", err)
	}
}

func get(t *testing.T, server *httptest.Server, url string) (int, string) {
	t.Helper()
	resp, err := server.Client().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// do sends a raw request in development mode.
func do(t *testing.T, server *httptest.Server, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

const goodFunction = `"Role":"arn:aws:iam::111111111111:role/r","Code":{"ZipFile":"UEs="}`

// TestRawRequests holds answers to what stands on the wire.
func TestRawRequests(t *testing.T) {
	s, server := start(t, true)
	for _, test := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		errorType, contains        string
	}{
		{"unknown members are ignored", "POST", "/2015-03-31/functions", `{"FunctionName":"f","New":{"a":[1]},` + goodFunction + `}`, nil, 201, "", `"FunctionName":"f"`},
		{"old clients' slash", "POST", "/2015-03-31/functions/", `{"FunctionName":"f",` + goodFunction + `}`, nil, 201, "", `"FunctionName":"f"`},
		{"absent is not answered", "POST", "/2015-03-31/functions", `{"FunctionName":"f",` + goodFunction + `}`, nil, 201, "", `"LastModified":"2026-11-24T12:00:00.000+0000"}`},
		{"escaped slash in base64", "POST", "/2015-03-31/functions", `{"FunctionName":"f","Role":"arn:aws:iam::111111111111:role/r","Code":{"ZipFile":"\/\/8="}}`, nil, 201, "", ""},
		{"event", "POST", invokePath, "{}", []string{"X-Amz-Invocation-Type", "Event"}, 202, "", ""},
		{"no body", "POST", invokePath, "", nil, 200, "", `"z": 1.0`},
		{"delete", "DELETE", "/2015-03-31/functions/f", "", nil, 204, "", ""},
		{"not JSON", "POST", "/2015-03-31/functions", `{"FunctionName":`, nil, 400, "SerializationException", "Could not parse request body into json"},
		{"trailing junk", "POST", "/2015-03-31/functions", `{} {}`, nil, 400, "SerializationException", "Could not parse"},
		{"number for a string", "POST", "/2015-03-31/functions", `{"FunctionName":1}`, nil, 400, "SerializationException", `{"Message":"NUMBER_VALUE can not be converted to a String"}`},
		{"string for a number", "POST", "/2015-03-31/functions", `{"Timeout":"3"}`, nil, 400, "SerializationException", "STRING_VALUE can not be converted to an Integer"},
		{"boolean for a string", "POST", "/2015-03-31/functions", `{"Handler":true}`, nil, 400, "SerializationException", "TRUE_VALUE can not be converted to a String"},
		{"list for a string", "POST", "/2015-03-31/functions", `{"Handler":["a"]}`, nil, 400, "SerializationException", "Start of list found where not expected"},
		{"structure for a string", "POST", "/2015-03-31/functions", `{"Handler":{}}`, nil, 400, "SerializationException", "Start of structure or map found where not expected."},
		{"string for a list", "POST", "/2015-03-31/functions", `{"Layers":"a"}`, nil, 400, "SerializationException", "Expected list or null"},
		{"string for a structure", "POST", "/2015-03-31/functions", `{"Code":"a"}`, nil, 400, "SerializationException", "Expected structure or null"},
		{"a list as the body", "POST", "/2015-03-31/functions", `[]`, nil, 400, "SerializationException", "Start of list found"},
		{"base64 that is none", "POST", "/2015-03-31/functions", `{"Code":{"ZipFile":"%"}}`, nil, 400, "SerializationException", "base64"},
		{"numbers for a blob", "POST", "/2015-03-31/functions", `{"Code":{"ZipFile":[80,75]}}`, nil, 400, "SerializationException", "base64"},
		{"deep JSON", "POST", "/2015-03-31/functions", strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), nil, 400, "SerializationException", "depth"},
		{"not UTF-8", "POST", "/2015-03-31/functions", "{\"Description\":\"\xff\"}", nil, 400, "SerializationException", "UTF-8"},
		{"NUL in the path", "POST", "/2015-03-31/functions/f%00/invocations", "", nil, 400, "SerializationException", "not valid text"},
		{"bad UTF-8 in the path", "POST", "/2015-03-31/functions/f%ff/invocations", "", nil, 400, "SerializationException", "not valid text"},
		{"parameter twice", "POST", invokePath + "?Qualifier=1&Qualifier=2", "", nil, 400, "SerializationException", "Qualifier"},
		{"header twice", "POST", invokePath, "", []string{"X-Amz-Log-Type", "Tail", "X-Amz-Log-Type", "None"}, 400, "SerializationException", "X-Amz-Log-Type"},
		{"query that is none", "POST", invokePath + "?Qualifier=%zz", "", nil, 400, "SerializationException", "query string"},
		{"page size of no number", "GET", "/2015-03-31/functions?MaxItems=a", "", nil, 400, "SerializationException", "STRING_VALUE"},
		{"page size too long", "GET", "/2015-03-31/functions?MaxItems=99999999999", "", nil, 400, "SerializationException", "STRING_VALUE"},
		{"no such path", "GET", "/2015-03-31/nothing", "", nil, 404, "UnknownOperationException", ""},
		{"no such method", "PATCH", invokePath, "", nil, 404, "UnknownOperationException", ""},
		{"empty label", "POST", "/2015-03-31/functions//invocations", "", nil, 404, "UnknownOperationException", ""},
		{"not offered", "GET", "/2018-10-31/layers?find=LayerVersion&Arn=x", "", nil, 501, "NotOfferedException", "GetLayerVersionByArn"},
		{"same path, other query", "GET", "/2018-10-31/layers", "", nil, 501, "NotOfferedException", "ListLayers of lambda"},
		{"list=all", "GET", "/2019-09-30/functions/f/provisioned-concurrency?List=ALL", "", nil, 501, "NotOfferedException", "ListProvisionedConcurrencyConfigs"},
		{"without list=all", "GET", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=1", "", nil, 501, "NotOfferedException", "GetProvisionedConcurrencyConfig"},
		{"panic", "GET", "/2015-03-31/functions?Marker=panic", "", nil, 500, "ServiceException", `{"Message":"An internal error occurred.","Type":"Server"}`},
		{"small body limit", "PUT", "/2019-09-25/functions/f/event-invoke-config", strings.Repeat(" ", 1<<20) + "{}", nil, 413, "RequestEntityTooLargeException", "Request must be smaller than 1048576 bytes for the PutFunctionEventInvokeConfig operation"},
		{"invoke limit", "POST", invokePath, strings.Repeat(" ", 6_291_557), nil, 413, "RequestEntityTooLargeException", "Request must be smaller than 6291556 bytes for the InvokeFunction operation"},
		{"invoke at the limit", "POST", invokePath, strings.Repeat(" ", 6_291_556), nil, 200, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := do(t, server, test.method, test.target, test.body, test.headers...)
			if resp.Header.Get("x-amzn-ErrorType") != test.errorType || !strings.Contains(body, test.contains) {
				t.Errorf("%s %s", resp.Header.Get("x-amzn-ErrorType"), body)
			}
			wellFormed(t, resp, body, test.status)
		})
	}
	if s.last.Account != "000000000000" || s.last.Region != "us-east-1" {
		t.Errorf("principal %+v", s.last)
	}
}

// wellFormed checks what every answer has.
func wellFormed(t *testing.T, resp *http.Response, body string, status int) {
	t.Helper()
	if resp.StatusCode != status || len(resp.Header.Get("x-amzn-RequestId")) != 36 {
		t.Errorf("%d, request id %q: %s", resp.StatusCode, resp.Header.Get("x-amzn-RequestId"), body)
	}
	if status == 204 && (body != "" || resp.Header.Get("Content-Type") != "") {
		t.Errorf("204 with %q", body)
	}
}

const invokePath = "/2015-03-31/functions/f/invocations"

// TestChunkedBodyIsBounded sends a body whose length no header tells.
func TestChunkedBodyIsBounded(t *testing.T) {
	_, server := start(t, true)
	r, err := http.NewRequestWithContext(t.Context(), "PUT", server.URL+"/2019-09-25/functions/f/event-invoke-config", io.MultiReader(strings.NewReader(strings.Repeat(" ", 1<<20)), strings.NewReader("{}")))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestConstraintSentences holds constraint errors to those recorded from AWS.
func TestConstraintSentences(t *testing.T) {
	_, server := start(t, true)
	const getName = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	const createName = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	long := strings.Repeat("a", 65)
	arn := "arn:aws:lambda:us-east-1:111111111111:function:" + strings.Repeat("a", 94)
	invalidARN := "arn:aws:lambda:invalid-region:111111111111:function:my-function" + strings.Repeat("a", 170)
	create := func(members string) [3]string {
		return [3]string{"POST", "/2015-03-31/functions", `{"FunctionName":"f",` + goodFunction + members + `}`}
	}
	for _, test := range []struct {
		request   [3]string
		errorType string
		want      string
	}{
		{create(`,"Role":"r1"`), "ValidationException", `1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`},
		{create(`,"Architectures":["x86_64","arm64"]`), "ValidationException", `1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1`},
		{create(`,"Architectures":["X86_64"]`), "ValidationException", `1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]`},
		{create(`,"SnapStart":{"ApplyOn":"invalidOption"}`), "ValidationException", `1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]`},
		{create(`,"VpcConfig":{"SubnetIds":["bad"]}`), "ValidationException", `1 validation error detected: Value '[bad]' at 'vpcConfig.subnetIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*]`},
		{create(`,"Layers":[""]`), "ValidationException", `1 validation error detected: Value '[]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)), Member must not be null]`},
		{create(`,"KMSKeyArn":"k"`), "ValidationException", `1 validation error detected: Value 'k' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`},
		{create(`,"Environment":{"Variables":{"1A":"secret"}}`), "ValidationException", `1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]`},
		{create(`,"MemorySize":127,"Timeout":0`), "ValidationException", `2 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128`},
		{create(`,"FunctionName":"invalid:function:name"`), "ValidationException", `1 validation error detected: Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ` + createName},
		{create(`,"FunctionName":"` + long + `"`), "InvalidParameterValueException", `1 validation error detected: Value '` + long + `' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64`},
		{create(`,"FunctionName":"` + arn + `"`), "ValidationException", `1 validation error detected: Value '` + arn + `' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140`},
		{create(`,"FunctionName":"` + invalidARN + `"`), "ValidationException", `2 validation errors detected: Value '` + invalidARN + `' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140; Value '` + invalidARN + `' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ` + createName},
		{[3]string{"POST", "/2015-03-31/functions", `{"FunctionName":null}`}, "ValidationException", `3 validation errors detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null; Value null at 'role' failed to satisfy constraint: Member must not be null; Value null at 'code' failed to satisfy constraint: Member must not be null`},
		{[3]string{"POST", "/2015-03-31/functions/%2A/invocations", ``}, "ValidationException", `1 validation error detected: Value '*' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ` + getName},
		{[3]string{"POST", invokePath + "?Qualifier=" + strings.Repeat("a", 129), ``}, "ValidationException", `1 validation error detected: Value '` + strings.Repeat("a", 129) + `' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128`},
		{[3]string{"POST", invokePath + "?Qualifier=invalid!", ``}, "ValidationException", `1 validation error detected: Value 'invalid!' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`},
		{[3]string{"GET", "/2015-03-31/functions?FunctionVersion=invalid", ``}, "ValidationException", `1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]`},
		{[3]string{"GET", "/2015-03-31/functions?MaxItems=10001", ``}, "ValidationException", `1 validation error detected: Value '10001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 10000`},
		{[3]string{"DELETE", "/2017-03-31/tags/" + functionARN, ``}, "ValidationException", `1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null`},
		{[3]string{"POST", "/2015-03-31/functions/f/aliases", `{"Name":"2024","FunctionVersion":"1"}`}, "ValidationException", `1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`},
		{[3]string{"POST", "/2015-03-31/functions/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"$LATEST":0.5}}}`}, "ValidationException", `1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]`},
		{[3]string{"POST", "/2015-03-31/functions/f/aliases", `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":2}}}`}, "ValidationException", `1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]`},
		{[3]string{"PUT", "/2019-09-25/functions/f/event-invoke-config", `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:_-/!lambda:r:1:function:f"}}}`}, "ValidationException", `1 validation error detected: Value 'arn:aws:_-/!lambda:r:1:function:f' at 'destinationConfig.onFailure.destination' failed to satisfy constraint: Member must satisfy regular expression pattern: $|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`},
	} {
		resp, body := do(t, server, test.request[0], test.request[1], test.request[2])
		want := `{"message":` + quoted(test.want) + `}`
		if test.errorType == "InvalidParameterValueException" {
			want = `{"Type":"User","message":` + quoted(test.want) + `}`
		}
		if resp.StatusCode != 400 || resp.Header.Get("x-amzn-ErrorType") != test.errorType || body != want {
			t.Errorf("%s %s\n got %s %s\nwant %s %s", test.request[1], test.request[2], resp.Header.Get("x-amzn-ErrorType"), body, test.errorType, want)
		}
	}
}

// TestServiceDecides sends what the model or AWS's records let past the constraints.
func TestServiceDecides(t *testing.T) {
	_, server := start(t, true)
	create := func(members string) [3]string {
		return [3]string{"POST", "/2015-03-31/functions", `{"FunctionName":"f",` + goodFunction + members + `}`}
	}
	long := strings.Repeat("a", 65)
	for _, ok := range [][3]string{
		create(`,"Runtime":"PYTHON3.9"`),
		create(`,"KMSKeyArn":"","Environment":{"Variables":{}}`),
		create(`,"FunctionName":"123456789012:function:f"`),
		{"GET", "/2019-09-25/functions/f/event-invoke-config/list?MaxItems=100", ""},
		{"POST", "/2015-03-31/functions/" + long + "/invocations", ""},
		{"PUT", "/2019-09-25/functions/f/event-invoke-config", `{"DestinationConfig":{"OnFailure":{"Destination":""}}}`},
	} {
		if resp, body := do(t, server, ok[0], ok[1], ok[2]); resp.StatusCode > 299 {
			t.Errorf("%v: %d %s", ok, resp.StatusCode, body)
		}
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `\`, `\\`) + `"` }

// TestEveryRoute goes through all operations of both models: each is found on its own path, and
// nobody without the right signature gets past the door.
func TestEveryRoute(t *testing.T) {
	_, server := start(t, false)
	for _, op := range lambdawire.Service(nil).Operations() {
		path, query, _ := strings.Cut(op.Path, "?")
		for strings.Contains(path, "{") {
			open, end := strings.Index(path, "{"), strings.Index(path, "}")
			path = path[:open] + "arn%3Aaws%3Ax%2Fy" + path[end+1:]
		}
		if query != "" {
			path += "?" + query
		}
		t.Run(op.Name, func(t *testing.T) {
			if op.Offered() {
				t.Error("nothing is implemented")
			}
			for name, headers := range map[string][]string{
				"MissingAuthenticationTokenException": nil,
				"IncompleteSignatureException":        {"Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE"},
				"UnrecognizedClientException":         forged("NOBODY"),
				"InvalidSignatureException":           forged("AKIDEXAMPLE"),
			} {
				resp, body := do(t, server, op.Method, path, "", headers...)
				if resp.StatusCode != 403 || resp.Header.Get("x-amzn-ErrorType") != name {
					t.Errorf("%s: %d %s %s", name, resp.StatusCode, resp.Header.Get("x-amzn-ErrorType"), body)
				}
			}
		})
	}
	dev := awswire.NewAuthenticator(awswire.AuthOptions{Development: true})
	h := awswire.NewHandler(dev, slog.New(slog.NewTextHandler(io.Discard, nil)), lambdawire.Service(nil), stswire.Service(nil))
	for _, op := range lambdawire.Service(nil).Operations() {
		path := strings.NewReplacer("{", "", "}", "").Replace(op.Path)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(op.Method, path, nil))
		if w.Code != 501 || !strings.Contains(w.Body.String(), "the operation "+op.Name+" of lambda.") {
			t.Errorf("%s %s: %d %s", op.Method, path, w.Code, w.Body)
		}
	}
	for _, op := range stswire.Service(nil).Operations() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/?Action="+op.Name+"&Version=2011-06-15", nil))
		if w.Code != 501 || !strings.Contains(w.Body.String(), "<Code>NotOffered</Code>") {
			t.Errorf("%s: %d %s", op.Name, w.Code, w.Body)
		}
	}
}

func forged(key string) []string {
	now := time.Now().UTC()
	return []string{"X-Amz-Date", now.Format("20060102T150405Z"), "Authorization",
		"AWS4-HMAC-SHA256 Credential=" + key + "/" + now.Format("20060102") + "/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)}
}

func TestOffered(t *testing.T) {
	var offered []string
	for _, op := range lambdawire.Service(&service{}).Operations() {
		if op.Offered() {
			offered = append(offered, op.Name)
		}
	}
	want := "CreateAlias CreateFunction DeleteFunction Invoke ListFunctionEventInvokeConfigs ListFunctions PutFunctionConcurrency PutFunctionEventInvokeConfig UntagResource"
	if got := strings.Join(offered, " "); got != want {
		t.Errorf("offered: %s", got)
	}
}

func TestQueryRequests(t *testing.T) {
	_, server := start(t, true)
	form := []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}
	for _, test := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		contains                   string
	}{
		{"post", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", form, 200, "<GetCallerIdentityResult>"},
		{"get", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "", nil, 200, "<ResponseMetadata><RequestId>"},
		{"no action", "POST", "/", "", form, 404, "<Code>InvalidAction</Code>"},
		{"other action", "POST", "/", "Action=Get&Version=2011-06-15", form, 404, "Could not find operation Get for version 2011-06-15"},
		{"other version", "POST", "/", "Action=GetCallerIdentity&Version=2010-05-08", form, 404, "<Code>InvalidAction</Code>"},
		{"action twice", "POST", "/", "Action=GetCallerIdentity&Action=AssumeRole", form, 400, "<Code>MalformedInput</Code>"},
		{"no form", "POST", "/", "{}", []string{"Content-Type", "application/json"}, 400, "x-www-form-urlencoded"},
		{"broken form", "POST", "/", "Action=%zz", form, 400, "form is not valid"},
		{"NUL", "POST", "/", "Action=GetCallerIdentity&A=%00", form, 400, "not valid text"},
		{"method", "PUT", "/", "Action=GetCallerIdentity", form, 404, "<Code>InvalidAction</Code>"},
	} {
		resp, body := do(t, server, test.method, test.target, test.body, test.headers...)
		if resp.StatusCode != test.status || !strings.Contains(body, test.contains) || resp.Header.Get("Content-Type") != "text/xml" {
			t.Errorf("%s: %d %s", test.name, resp.StatusCode, body)
		}
	}
}
