package lambda_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	core "lambent.dev/lambent/internal/lambda"
)

func TestLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made := w.create("f")
	if made.State != types.StatePending || made.StateReasonCode != types.StateReasonCodeCreating ||
		aws.ToString(made.StateReason) != "The function is being created." || made.LastUpdateStatus != "" {
		t.Errorf("created: %v %v %v", made.State, made.StateReasonCode, made.LastUpdateStatus)
	}
	if *made.LastModified != "2026-11-25T01:02:03.456+0000" || *made.FunctionArn != arn+"f" || *made.Version != "$LATEST" {
		t.Errorf("created: %s %s %s", *made.LastModified, *made.FunctionArn, *made.Version)
	}
	got := must(w.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("f")}))(w)
	if got.State != types.StateActive || got.LastUpdateStatus != types.LastUpdateStatusSuccessful || got.StateReason != nil {
		t.Errorf("then: %v %v %v", got.State, got.LastUpdateStatus, got.StateReason)
	}
	if *got.RevisionId == *made.RevisionId {
		t.Error("the RevisionId of Pending is that of Active")
	}
	w.refused(w.client.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), Timeout: aws.Int32(9), RevisionId: made.RevisionId}))(
		"412 PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	up := must(w.client.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), Timeout: aws.Int32(9), RevisionId: got.RevisionId}))(w)
	if up.LastUpdateStatus != types.LastUpdateStatusInProgress || up.LastUpdateStatusReasonCode != types.LastUpdateStatusReasonCode("Creating") ||
		up.State != types.StateActive || *up.Timeout != 9 {
		t.Errorf("updated: %v %v %v", up.LastUpdateStatus, up.LastUpdateStatusReasonCode, up.State)
	}
	again := must(w.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("f")}))(w)
	if again.LastUpdateStatus != types.LastUpdateStatusSuccessful || *again.RevisionId == *up.RevisionId || *again.RevisionId == *got.RevisionId {
		t.Errorf("settled: %v %s", again.LastUpdateStatus, *again.RevisionId)
	}
	code := must(w.client.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: pack("new"), DryRun: true}))(w)
	if *code.CodeSha256 == *again.CodeSha256 {
		t.Error("a dry run did not look at the code")
	}
	still := must(w.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("f")}))(w)
	if *still.RevisionId != *again.RevisionId || *still.CodeSha256 != *again.CodeSha256 {
		t.Error("a dry run changed something")
	}
	code = must(w.client.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: pack("new"), Publish: true}))(w)
	if *code.Version != "1" || *code.FunctionArn != arn+"f:1" {
		t.Errorf("published: %s %s", *code.Version, *code.FunctionArn)
	}
	if err := sdk.NewFunctionUpdatedV2Waiter(w.client).Wait(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")}, time.Minute); err != nil {
		t.Error(err)
	}
	must(w.client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}))(w)
	w.refused(w.client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")}))(
		"404 ResourceNotFoundException: Function not found: " + arn + "f")
	w.refused(w.client.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}))(
		"404 ResourceNotFoundException: Function not found: " + arn + "f")
	if w.changed != 4 {
		t.Errorf("%d changes were told", w.changed)
	}
}

// raw answers what a GET of a path gives, undecoded.
func (w *world) raw(path string) map[string]any {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.server.URL+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+account+"/20261125/"+region+"/lambda/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := w.server.Client().Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		w.Fatal(err)
	}
	return v
}

func keys(v any) string {
	var names []string
	for name := range v.(map[string]any) {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestFieldPresence(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	const always = "Architectures CodeSha256 CodeSize Description EphemeralStorage FunctionArn FunctionName Handler LastModified " +
		"LoggingConfig MemorySize PackageType RevisionId Role Runtime RuntimeVersionConfig SnapStart"
	c := w.raw("/2015-03-31/functions/f/configuration")
	if got := keys(c); got != strings.Replace(always, "LastModified", "LastModified LastUpdateStatus", 1)+" State Timeout TracingConfig Version" {
		t.Errorf("configuration: %s", got)
	}
	for name, want := range map[string]any{
		"Description": "", "Timeout": 3.0, "MemorySize": 128.0, "EphemeralStorage": map[string]any{"Size": 512.0},
		"Architectures": []any{"x86_64"}, "TracingConfig": map[string]any{"Mode": "PassThrough"},
		"SnapStart":     map[string]any{"ApplyOn": "None", "OptimizationStatus": "Off"},
		"LoggingConfig": map[string]any{"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}, "PackageType": "Zip",
	} {
		if !reflect.DeepEqual(c[name], want) {
			t.Errorf("%s: %v", name, c[name])
		}
	}
	list := w.raw("/2015-03-31/functions")
	if got := keys(list["Functions"].([]any)[0]); got != always+" Timeout TracingConfig Version" || keys(list) != "Functions" {
		t.Errorf("list: %s", got)
	}
	get := w.raw("/2015-03-31/functions/f")
	if got := keys(get); got != "Code Configuration" {
		t.Errorf("get: %s", got)
	}
	must(w.client.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), Environment: &types.Environment{Variables: map[string]string{}}, VpcConfig: &types.VpcConfig{},
		DeadLetterConfig: &types.DeadLetterConfig{TargetArn: aws.String("arn:aws:sqs:eu-west-1:123456789012:q")}, KMSKeyArn: aws.String("arn:aws:kms:eu-west-1:123456789012:key/k")}))(w)
	c = w.raw("/2015-03-31/functions/f/configuration")
	if !reflect.DeepEqual(c["Environment"], map[string]any{"Variables": map[string]any{}}) ||
		!reflect.DeepEqual(c["VpcConfig"], map[string]any{"SubnetIds": []any{}, "SecurityGroupIds": []any{}, "VpcId": "", "Ipv6AllowedForDualStack": false}) ||
		c["DeadLetterConfig"] == nil || c["KMSKeyArn"] == nil {
		t.Errorf("after an update: %v", c)
	}
	must(w.client.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), DeadLetterConfig: &types.DeadLetterConfig{}}))(w)
	if c = w.raw("/2015-03-31/functions/f/configuration"); c["DeadLetterConfig"] == nil {
		t.Error("DeadLetterConfig {} cleared the target")
	}
	must(w.client.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), DeadLetterConfig: &types.DeadLetterConfig{TargetArn: aws.String("")}, KMSKeyArn: aws.String("")}))(w)
	if c = w.raw("/2015-03-31/functions/f/configuration"); c["DeadLetterConfig"] != nil || c["KMSKeyArn"] != nil {
		t.Errorf("not cleared: %v %v", c["DeadLetterConfig"], c["KMSKeyArn"])
	}
	for path, want := range map[string]string{"?Qualifier=%24LATEST": arn + "f:$LATEST", "": arn + "f"} {
		if c := w.raw("/2015-03-31/functions/f/configuration" + path); c["FunctionArn"] != want {
			t.Errorf("%s: %v", path, c["FunctionArn"])
		}
	}
	w.create("note", func(in *sdk.CreateFunctionInput) { in.Runtime = types.RuntimePython39 })
	if c := w.raw("/2015-03-31/functions/note/configuration"); c["StateReason"] != "The runtime python3.9 is served by python3.11." {
		t.Errorf("StateReason: %v", c["StateReason"])
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("taken")
	long := strings.Repeat("a", 65)
	const bad = "400 InvalidParameterValueException: "
	const model = "400 ValidationException: 1 validation error detected: "
	for name, c := range map[string]struct {
		change func(*sdk.CreateFunctionInput)
		want   string
	}{
		"taken": {func(in *sdk.CreateFunctionInput) { in.FunctionName = aws.String("taken") },
			"409 ResourceConflictException: Function already exist: taken"},
		"long name": {func(in *sdk.CreateFunctionInput) { in.FunctionName = &long },
			bad + "1 validation error detected: Value '" + long + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		"qualified": {func(in *sdk.CreateFunctionInput) { in.FunctionName = aws.String("f:1") }, bad + "This operation is permitted on Lambda functions only..."},
		"region": {func(in *sdk.CreateFunctionInput) {
			in.FunctionName = aws.String("arn:aws:lambda:us-east-2:123456789012:function:f")
		}, "404 ResourceNotFoundException: Functions from 'us-east-2' are not reachable in this region ('eu-west-1')"},
		"account": {func(in *sdk.CreateFunctionInput) { in.FunctionName = aws.String("210987654321:function:f") },
			"403 AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:eu-west-1:210987654321:function:f because..."},
		"retired": {func(in *sdk.CreateFunctionInput) { in.Runtime = types.RuntimeNodejs14x },
			bad + "The runtime parameter of nodejs14.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."},
		"unknown runtime": {func(in *sdk.CreateFunctionInput) { in.Runtime = "PYTHON3.9" },
			bad + "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, ..."},
		"unserved runtime": {func(in *sdk.CreateFunctionInput) { in.Runtime = types.RuntimeJava21 },
			bad + "Lambent does not serve the runtime java21. It serves python3.x, nodejs and provided."},
		"no runtime": {func(in *sdk.CreateFunctionInput) { in.Runtime = "" },
			bad + "Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		"timeout":   {func(in *sdk.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, model + "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		"memory":    {func(in *sdk.CreateFunctionInput) { in.MemorySize = aws.Int32(20000) }, model + "Value '20000' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"},
		"ephemeral": {func(in *sdk.CreateFunctionInput) { in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(511)} }, model + "Value '511' at 'ephemeralStorage.size'..."},
		"role":      {func(in *sdk.CreateFunctionInput) { in.Role = aws.String("r1") }, model + "Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws..."},
		"environment": {func(in *sdk.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"LARGE_VAR": strings.Repeat("x", 4096)}}
		}, bad + `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"LARGE_VAR":"xxxx...`},
		"reserved key": {func(in *sdk.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x", "LAMBDA_TASK_ROOT": "y", "OK_KEY": "z"}}
		}, bad + "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION, LAMBDA_TASK_ROOT"},
		"dead letter": {func(in *sdk.CreateFunctionInput) {
			in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String("arn:aws:sqs:eu-west-1:123456789012:q.fifo")}
		}, bad + "The dead letter target arn:aws:sqs:eu-west-1:123456789012:q.fifo is not supported..."},
		"vpc": {func(in *sdk.CreateFunctionInput) { in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1"}} },
			bad + "SubnetIds and SecurityIds must coexist or be both empty list."},
		"architecture":  {func(in *sdk.CreateFunctionInput) { in.Architectures = []types.Architecture{"arm64"} }, bad + "Architecture arm64 is not offered: this host runs x86_64."},
		"architectures": {func(in *sdk.CreateFunctionInput) { in.Architectures = []types.Architecture{"x86_64", "arm64"} }, model + "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"},
		"image":         {func(in *sdk.CreateFunctionInput) { in.PackageType = types.PackageTypeImage }, bad + "Container images are not offered..."},
		"image uri":     {func(in *sdk.CreateFunctionInput) { in.Code = &types.FunctionCode{ImageUri: aws.String("x")} }, bad + "Container images are not offered..."},
		"s3": {func(in *sdk.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
		}, bad + "Lambent has no object store..."},
		"no code": {func(in *sdk.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, bad + "Please provide a source for function code."},
		"layers": {func(in *sdk.CreateFunctionInput) {
			in.Layers = []string{"arn:aws:lambda:eu-west-1:123456789012:layer:l:1"}
		}, bad + "Layers is not offered by Lambent: leave it out."},
		"snap start": {func(in *sdk.CreateFunctionInput) {
			in.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOnPublishedVersions}
		}, bad + "SnapStart.ApplyOn PublishedVersions is not offered..."},
		"durable": {func(in *sdk.CreateFunctionInput) {
			in.DurableConfig = &types.DurableConfig{ExecutionTimeout: aws.Int32(60)}
		}, bad + "DurableConfig is not offered..."},
		"levels": {func(in *sdk.CreateFunctionInput) {
			in.LoggingConfig = &types.LoggingConfig{ApplicationLogLevel: types.ApplicationLogLevelDebug}
		}, bad + "ApplicationLogLevel and SystemLogLevel can only be set with LogFormat JSON."},
		"no zip":    {func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = []byte("no zip") }, bad + "Could not unzip uploaded file. Please check your file, then try to upload again."},
		"large zip": {func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = make([]byte, core.MaxZipBytes+1) }, "413 RequestEntityTooLargeException: Zipped size must be smaller than 52428800 bytes"},
		"large request": {func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = make([]byte, 53_000_000) },
			"413 RequestEntityTooLargeException: Request must be smaller than 70167211 bytes for the CreateFunction operation"},
		"tags": {func(in *sdk.CreateFunctionInput) {
			in.Tags = map[string]string{}
			for i := range 51 {
				in.Tags[fmt.Sprint(i)] = "x"
			}
		}, bad + "Number of tags exceeds resource tag limit."},
	} {
		t.Run(name, func(t *testing.T) {
			in := createInput("f")
			c.change(in)
			sub := *w
			sub.T = t
			sub.refused(w.client.CreateFunction(t.Context(), in))(c.want)
		})
	}
	if a := w.functions.Account(account, region); a.Functions != 1 {
		t.Errorf("something was left: %+v", a)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Publish = true })
	for _, name := range []string{"f", arn + "f", "123456789012:function:f", "function:f", "eu-west-1:123456789012:function:f"} {
		for suffix, version := range map[string]string{"": "$LATEST", ":1": "1", ":$LATEST": "$LATEST"} {
			c := must(w.client.GetFunctionConfiguration(t.Context(), &sdk.GetFunctionConfigurationInput{FunctionName: aws.String(name + suffix)}))(w)
			if *c.Version != version || *c.FunctionArn != arn+"f"+suffix {
				t.Errorf("%s%s: %s %s", name, suffix, *c.Version, *c.FunctionArn)
			}
		}
	}
	w.refused(w.client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f:1"), Qualifier: aws.String("2")}))(
		"400 InvalidParameterValueException: The derived qualifier from the function name does not match the specified qualifier.")
	w.refused(w.client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f"), Qualifier: aws.String("live")}))(
		"404 ResourceNotFoundException: Function not found: " + arn + "f:live")
	w.refused(w.client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f"), Qualifier: aws.String("bad?")}))(
		`400 ValidationException: 1 validation error detected: Value 'bad?' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`)
	for _, name := range []string{"../f", "a/b", "f%00", "é", "f f", "a:b:c:d"} {
		w.refused(w.client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String(name)}))("400 ValidationException: 1 validation error detected: Value...")
	}
	other := w.clientOf("210987654321", region)
	w.refused(other.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f")}))(
		"404 ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:210987654321:function:f")
	w.refused(other.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String(arn + "f")}))("403 AccessDeniedException: User: arn:aws:iam::210987654321:root is not authorized to perform: lambda:DeleteFunction on resource: " + arn + "f because...")
}

func TestListFunctions(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.create(fmt.Sprintf("f%d", i), func(in *sdk.CreateFunctionInput) { in.Publish = i%2 == 0 })
	}
	other := w.clientOf("210987654321", region)
	if l, err := other.ListFunctions(t.Context(), &sdk.ListFunctionsInput{}); err != nil || len(l.Functions) != 0 {
		t.Errorf("another account sees %v, %v", l, err)
	}
	for version, want := range map[types.FunctionVersion]int{"": 7, types.FunctionVersionAll: 11} {
		for _, size := range []int32{1, 2, 3, 50, 1000} {
			var seen []string
			p := sdk.NewListFunctionsPaginator(w.client, &sdk.ListFunctionsInput{MaxItems: &size, FunctionVersion: version})
			for p.HasMorePages() {
				l, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range l.Functions {
					seen = append(seen, *f.FunctionArn)
				}
			}
			unique := map[string]bool{}
			for _, s := range seen {
				unique[s] = true
			}
			if len(seen) != want || len(unique) != want {
				t.Errorf("%s by %d: %v", version, size, seen)
			}
		}
	}
	w.refused(w.client.ListFunctions(t.Context(), &sdk.ListFunctionsInput{Marker: aws.String("no marker!")}))("400 InvalidParameterValueException: The Marker is not one...")
	w.refused(w.client.ListFunctions(t.Context(), &sdk.ListFunctionsInput{Marker: aws.String("enp6enp6enp6")}))("400 InvalidParameterValueException: The Marker is not one...")
	w.refused(w.client.ListFunctions(t.Context(), &sdk.ListFunctionsInput{FunctionVersion: "invalid"}))("400 ValidationException: 1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]")
}

func TestCodeLocation(t *testing.T) {
	w := newWorld(t)
	w.create("f", func(in *sdk.CreateFunctionInput) { in.Tags = map[string]string{"a": "b"} })
	must(w.client.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("f"), ReservedConcurrentExecutions: aws.Int32(5)}))(w)
	got := must(w.client.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f")}))(w)
	if got.Tags["a"] != "b" || *got.Concurrency.ReservedConcurrentExecutions != 5 || *got.Code.RepositoryType != "S3" {
		t.Errorf("%+v", got)
	}
	fetch := func(url string) (int, []byte) {
		resp, err := w.server.Client().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	link := *got.Code.Location
	if status, body := fetch(link); status != 200 || !bytes.Equal(body, pack("f")) {
		t.Errorf("%d, %d bytes", status, len(body))
	}
	for _, bad := range []string{link + "0", strings.Replace(link, "Expires=1", "Expires=2", 1), strings.Split(link, "?")[0], w.server.URL + "/lambent/code/..%2f..%2fetc?Expires=9999999999&Signature=00"} {
		if status, _ := fetch(bad); status != 403 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	w.now = w.now.Add(10 * time.Minute)
	if status, body := fetch(link); status != 403 || !strings.Contains(string(body), "expired") {
		t.Errorf("expired: %d %s", status, body)
	}
}
