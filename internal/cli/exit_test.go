package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/bundle"
	"lambent.dev/lambent/internal/cli/client"
)

// coded is an error of a command that others made.
type coded struct{ text string }

func (c coded) Error() string { return c.text }
func (c coded) ExitCode() int { return 7 }

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		says string
	}{
		"done":        {nil, 0, ""},
		"wrong":       {usagef("no"), 2, "lambent: no\n\nUsage: x\n"},
		"silent":      {silent{}, 1, ""},
		"coded":       {coded{"odd"}, 7, "lambent: odd\n"},
		"coded only":  {coded{""}, 7, ""},
		"interrupted": {fmt.Errorf("x: %w", context.Canceled), 1, "lambent: interrupted\n"},
		"left":        {&leftError{"j1"}, 1, "the job goes on without you"},
		"refused":     {fmt.Errorf("dial: %w", syscall.ECONNREFUSED), 1, `start one with "lambent serve --dev"`},
		"no host":     {&net.DNSError{Name: "nowhere"}, 1, "there is no host nowhere"},
		"late":        {context.DeadlineExceeded, 1, "did not answer in time"},
		"credentials": {&client.Error{Status: 403, Code: "UnrecognizedClientException", Message: "The security token is invalid."}, 1, "root-credentials"},
		"secret":      {&client.Error{Status: 403, Code: "InvalidSignatureException", Message: "It does not match."}, 1, "(It does not match.): the secret is not this access key's; copy both again, or make a new key\n"},
		"forbidden":   {&client.Error{Status: 403, Code: "AccessDeniedException", Message: "no"}, 1, "not allowed (no): use the credentials of the account"},
		"function":    {&client.Error{Status: 404, Code: "ResourceNotFoundException", Message: "Function not found: arn"}, 1, `"lambent function list" shows`},
		"letter":      {&client.Error{Status: 404, Code: "ResourceNotFoundException", Message: "no such dead letter"}, 1, `"lambent deadletter list" shows`},
		"throttled":   {&client.Error{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded."}, 1, "try again in a moment"},
		"foreign":     {&client.Error{Status: 404, Message: "HTTP 404"}, 1, "is no Lambent server (HTTP 404)"},
		"other":       {&client.Error{Status: 400, Code: "ValidationException", Message: "1 validation\nerror"}, 1, "lambent: 1 validation error\n"},
		"partial":     {&partialError{3, 9, context.Canceled}, 1, "lambent: 3 events of 9 were accepted, then: interrupted\n"},
		"plain":       {errors.New("plain"), 1, "lambent: plain\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, out, said := piped("")
			if code := s.report(&cobra.Command{Use: "x", Run: func(*cobra.Command, []string) {}}, c.err); code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			if got := said.String(); !strings.Contains(got, c.says) || c.says == "" && got != "" {
				t.Errorf("said %q, want %q", got, c.says)
			}
			if out.Len() > 0 {
				t.Errorf("standard output has %q", out.String())
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	env := map[string]string{}
	c := connection{}
	for _, step := range []struct{ name, want string }{
		{"", defaultEndpoint}, {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL"}, {"AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_LAMBDA"}, {"LAMBENT_ENDPOINT", "LAMBENT_ENDPOINT"},
	} {
		env[step.name] = step.name
		if got := c.endpoint(func(k string) string { return env[k] }); got != step.want {
			t.Errorf("after %s: %s", step.name, got)
		}
	}
	c.endpointFlag = "http://flag"
	if got := c.endpoint(func(k string) string { return env[k] }); got != "http://flag" {
		t.Errorf("the flag: %s", got)
	}
}

func TestJobFault(t *testing.T) {
	for _, c := range []struct {
		job  client.Job
		want string
	}{
		{client.Job{State: "completed", Matched: 2, Moved: 2}, ""},
		{client.Job{State: "running", Matched: 2, Failed: 1}, ""},
		{client.Job{State: "completed", Matched: 2, Moved: 1, Failed: 1}, "1 dead letter could not be queued again"},
		{client.Job{Kind: "purge", State: "completed", Failed: 1, Reason: "no\nroom"}, "could not be deleted and stayed (no room):"},
		{client.Job{ID: "j", State: "cancelled", Matched: 2, Moved: 1}, "the job j was cancelled after 1 of 2"},
		{client.Job{ID: "j", State: "failed", Matched: 1}, "the job j failed after 0 of 1 dead letter:"},
	} {
		err := jobFault(c.job)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.job, err)
		}
	}
}

// TestConfigurationChanges: an update keeps what is deployed unless a flag says otherwise.
func TestConfigurationChanges(t *testing.T) {
	dir := t.TempDir()
	existing := func(runtime types.Runtime, handler string) *lambda.GetFunctionConfigurationOutput {
		return &lambda.GetFunctionConfigurationOutput{
			Runtime: runtime, Handler: &handler, MemorySize: aws.Int32(256), Timeout: aws.Int32(3),
			Environment: &types.EnvironmentResponse{Variables: map[string]string{"A": "1", "B": "2"}},
		}
	}
	python := bundle.Program{Runtime: "python3.13", Handler: "app.handler"}
	for name, c := range map[string]struct {
		f        function
		existing *lambda.GetFunctionConfigurationOutput
		flags    deployment
		want     string
	}{
		"same":            {function{program: python}, existing("python3.13", "app.handler"), deployment{}, ""},
		"other version":   {function{program: python}, existing("python3.12", "app.handler"), deployment{}, ""},
		"version by flag": {function{program: python}, existing("python3.12", "app.handler"), deployment{runtime: "python3.13"}, "runtime to python3.13"},
		"other family":    {function{program: python}, existing("nodejs22.x", "index.handler"), deployment{}, "runtime to python3.13, handler to app.handler"},
		"handler is gone": {function{program: python}, existing("python3.13", "old.handler"), deployment{}, "handler to app.handler"},
		"memory":          {function{program: python, memory: aws.Int32(512), timeout: aws.Int32(3)}, existing("python3.13", "app.handler"), deployment{}, "memory to 512 MB"},
		"timeout":         {function{program: python, timeout: aws.Int32(9)}, existing("python3.13", "app.handler"), deployment{}, "timeout to 9 s"},
		"variables":       {function{program: python, env: map[string]string{"B": "3"}}, existing("python3.13", "app.handler"), deployment{}, "variables"},
		"same variables":  {function{program: python, env: map[string]string{"B": "2"}}, existing("python3.13", "app.handler"), deployment{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.flags.dir = dir
			in, changes := configurationChanges(c.f, c.existing, c.flags)
			if got := strings.Join(changes, ", "); got != c.want {
				t.Errorf("changes %q, want %q", got, c.want)
			}
			if c.want == "variables" && (in.Environment.Variables["A"] != "1" || in.Environment.Variables["B"] != "3") {
				t.Errorf("variables %v", in.Environment.Variables)
			}
		})
	}
}

func TestDeploymentCheck(t *testing.T) {
	for want, d := range map[string]deployment{
		"is no function name":    {dir: "x", name: "a b"},
		"takes 128 to 10240":     {dir: "x", memory: 64},
		"--timeout takes":        {dir: "x", timeout: "1h"},
		`--env takes K=V`:        {dir: "x", env: []string{"K"}},
		`--env takes K=V, not "`: {dir: "x", env: []string{"=v"}},
	} {
		if _, err := d.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", d, err)
		}
	}
	f, err := deployment{dir: "/some/where/hello/.", memory: 128, timeout: "30", env: []string{"A=b=c", "D="}}.check()
	if err != nil || f.name != "hello" || *f.memory != 128 || *f.timeout != 30 || f.env["A"] != "b=c" || f.env["D"] != "" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := (deployment{dir: "/"}).check(); err == nil {
		t.Error("/ is a name")
	}
}
