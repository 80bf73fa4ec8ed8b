package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/bundle"
)

// deployRole stands where Lambda wants a role; Lambent needs none to run a function.
const deployRole = "arn:aws:iam::000000000000:role/lambent-deploy"

// readyTimeout bounds the wait for a function to be active or updated.
const readyTimeout = 2 * time.Minute

// deployment is what the flags of deploy say.
type deployment struct {
	dir     string
	name    string
	runtime string
	handler string
	memory  int32
	timeout string
	env     []string
	output  *format
}

func (s *session) deploy() *cobra.Command {
	var d deployment
	cmd := &cobra.Command{
		Use:   "deploy DIR",
		Short: "Pack a folder and create or update a function from it",
		Long: `Pack a folder and create or update a function from it.

The function's name is the folder's. How it runs is found out from its files:
  lambda_function.py       Python, lambda_function.lambda_handler
  app.py                   Python, app.handler
  index.js, index.mjs      Node.js, index.handler
  an executable bootstrap  provided.al2023
  go.mod                   built to a bootstrap; only that is packed
An update keeps what is deployed unless a flag says otherwise: memory, timeout, variables, and
runtime and handler where the folder still has them. Files that .lambentignore names, with
gitignore's patterns, are left out, and so are version control and caches.`,
		Example: `  lambent deploy ./hello
  lambent deploy ./orders --name orders-test --memory 512 --timeout 30s --env STAGE=test`,
		Args: one("one folder"),
	}
	flags := cmd.Flags()
	flags.StringVar(&d.name, "name", "", "the function's `NAME` (default: the folder's)")
	flags.StringVar(&d.runtime, "runtime", "", "Lambda's runtime `ID`, such as python3.13")
	flags.StringVar(&d.handler, "handler", "", "the handler, `FILE.FUNCTION`")
	flags.Int32Var(&d.memory, "memory", 0, "memory in `MB`, 128 to 10240")
	flags.StringVar(&d.timeout, "timeout", "", "the longest run, 1s to 15m, a `DURATION` or seconds")
	flags.StringArrayVar(&d.env, "env", nil, "a variable `K=V` to add or change; may be repeated")
	d.output = outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d.dir = args[0]
		return s.runDeploy(cmd.Context(), d)
	}
	return cmd
}

// runDeploy checks everything that can be checked here before it sends anything.
func (s *session) runDeploy(ctx context.Context, d deployment) error {
	wanted, err := d.check()
	if err != nil {
		return err
	}
	program, err := bundle.Detect(d.dir, d.runtime, d.handler)
	if err != nil {
		return err
	}
	r, err := s.connect(ctx)
	if err != nil {
		return err
	}
	existing, err := r.configuration(ctx, wanted.name)
	if err != nil {
		return err
	}
	say := s.narrator(*d.output)
	if program.Entry != "" {
		say("Found", "%s: %s, handler %s", program.Entry, program.Runtime, program.Handler)
	}
	if len(program.Others) > 0 {
		say("", "%s passed over (--handler chooses)", strings.Join(program.Others, ", "))
	}
	archive, arch, err := s.pack(ctx, d.dir, program)
	if err != nil {
		return err
	}
	say("Packed", "%s, %s (%s unpacked)", count(archive.Files, "file", "files"), size(int64(len(archive.Zip))), size(archive.Unpacked))
	wanted.program, wanted.archive, wanted.architecture = program, archive, arch
	if existing == nil {
		err = r.create(ctx, wanted, say)
	} else {
		err = r.update(ctx, wanted, existing, d, say)
	}
	if err != nil {
		return err
	}
	return s.deployed(ctx, r, wanted.name, *d.output, say)
}

// function is what is to be deployed.
type function struct {
	name         string
	memory       *int32
	timeout      *int32
	env          map[string]string
	program      bundle.Program
	archive      bundle.Archive
	architecture string // "" leaves the server's own
}

// check reads the flags.
func (d deployment) check() (function, error) {
	f := function{name: d.name, env: map[string]string{}}
	if f.name == "" {
		absolute, err := filepath.Abs(d.dir)
		if err != nil {
			return f, err
		}
		f.name = filepath.Base(absolute)
	}
	if info, err := os.Stat(d.dir); err == nil && !info.IsDir() {
		return f, fmt.Errorf("%s is a file: name the folder that holds the function", d.dir)
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`).MatchString(f.name) {
		return f, usagef("%q is no function name (1 to 64 letters, digits, - and _): give one with --name", f.name)
	}
	if d.memory != 0 {
		if d.memory < 128 || d.memory > 10240 {
			return f, usagef("--memory takes 128 to 10240 MB, not %d", d.memory)
		}
		f.memory = &d.memory
	}
	if d.timeout != "" {
		seconds, err := parseTimeout(d.timeout)
		if err != nil {
			return f, err
		}
		f.timeout = &seconds
	}
	for _, pair := range d.env {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return f, usagef("--env takes K=V, not %q", pair)
		}
		f.env[key] = value
	}
	return f, nil
}

// parseTimeout reads a function's timeout: a duration, or a plain number of seconds.
func parseTimeout(value string) (int32, error) {
	duration, err := time.ParseDuration(value)
	if err != nil {
		duration, err = time.ParseDuration(value + "s")
	}
	if err != nil || duration < time.Second || duration > 15*time.Minute || duration%time.Second != 0 {
		return 0, usagef("--timeout takes whole seconds from 1s to 15m, not %q", value)
	}
	return int32(duration / time.Second), nil
}

// narrator answers a function that says one step. With JSON on standard output the steps go to
// standard error.
func (s *session) narrator(output format) func(step, format string, args ...any) {
	w := s.Out
	if output == formatJSON {
		w = s.Err
	}
	return func(step, format string, args ...any) {
		fmt.Fprintf(w, "%-8s %s\n", step, oneLine(fmt.Sprintf(format, args...)))
	}
}

// pack packs the folder, or builds its Go module, and answers the machine that it is for.
func (s *session) pack(ctx context.Context, dir string, p bundle.Program) (bundle.Archive, string, error) {
	names := map[string]string{"amd64": "x86_64", "arm64": "arm64"}
	if p.GoModule {
		goarch := orElse(s.Env("GOARCH"), runtime.GOARCH)
		if names[goarch] == "" {
			return bundle.Archive{}, "", usagef("Lambda has no machines of GOARCH %s: set GOARCH to amd64 or arm64", goarch)
		}
		archive, err := bundle.Build(ctx, dir, goarch, s.Err)
		return archive, names[goarch], err
	}
	arch := ""
	if bundle.Family(p.Runtime) == "provided" {
		arch = bundle.Architecture(filepath.Join(dir, "bootstrap"))
	}
	archive, err := bundle.Pack(dir)
	return archive, arch, err
}

// configuration answers a function's configuration, or nil when there is no such function.
func (r *remote) configuration(ctx context.Context, name string) (*lambda.GetFunctionConfigurationOutput, error) {
	out, err := r.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil, nil
	}
	return out, err
}

type narrate func(step, format string, args ...any)

func (r *remote) create(ctx context.Context, f function, say narrate) error {
	in := &lambda.CreateFunctionInput{
		FunctionName:  &f.name,
		Role:          aws.String(deployRole),
		Runtime:       types.Runtime(f.program.Runtime),
		Handler:       &f.program.Handler,
		MemorySize:    f.memory,
		Timeout:       f.timeout,
		Code:          &types.FunctionCode{ZipFile: f.archive.Zip},
		Architectures: architectures(f.architecture),
	}
	if len(f.env) > 0 {
		in.Environment = &types.Environment{Variables: f.env}
	}
	out, err := r.lambda.CreateFunction(ctx, in)
	if err != nil {
		return err
	}
	say("Created", "%s", aws.ToString(out.FunctionArn))
	return r.wait(ctx, f.name)
}

func architectures(arch string) []types.Architecture {
	if arch == "" {
		return nil
	}
	return []types.Architecture{types.Architecture(arch)}
}

// update changes what differs, the configuration first: new code may need it.
func (r *remote) update(ctx context.Context, f function, existing *lambda.GetFunctionConfigurationOutput, d deployment, say narrate) error {
	if err := r.wait(ctx, f.name); err != nil { // a change under way, or one that failed before
		var unready *unreadyError
		if !errors.As(err, &unready) {
			return err
		}
	}
	in, changes := configurationChanges(f, existing, d)
	if len(changes) > 0 {
		if _, err := r.lambda.UpdateFunctionConfiguration(ctx, in); err != nil {
			return err
		}
		say("Changed", "%s", strings.Join(changes, ", "))
		if err := r.wait(ctx, f.name); err != nil {
			return err
		}
	}
	if aws.ToString(existing.CodeSha256) == f.archive.SHA256 && (f.architecture == "" || len(existing.Architectures) == 1 && string(existing.Architectures[0]) == f.architecture) {
		say("Code", "unchanged since the last deployment")
		return nil
	}
	out, err := r.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{
		FunctionName: &f.name, ZipFile: f.archive.Zip, Architectures: architectures(f.architecture),
	})
	if err != nil {
		return err
	}
	say("Updated", "%s", aws.ToString(out.FunctionArn))
	return r.wait(ctx, f.name)
}

// configurationChanges answers what differs between a deployed function and the wanted one.
func configurationChanges(f function, existing *lambda.GetFunctionConfigurationOutput, d deployment) (*lambda.UpdateFunctionConfigurationInput, []string) {
	in := &lambda.UpdateFunctionConfigurationInput{FunctionName: &f.name}
	var changes []string
	was := string(existing.Runtime)
	if f.program.Runtime != was && (d.runtime != "" || bundle.Family(f.program.Runtime) != bundle.Family(was)) {
		in.Runtime = types.Runtime(f.program.Runtime)
		changes = append(changes, "runtime to "+f.program.Runtime)
	}
	handler := aws.ToString(existing.Handler)
	fits := in.Runtime == "" && bundle.HandlerFits(d.dir, was, handler)
	if f.program.Handler != handler && (d.handler != "" || !fits) {
		in.Handler = &f.program.Handler
		changes = append(changes, "handler to "+f.program.Handler)
	}
	if f.memory != nil && *f.memory != aws.ToInt32(existing.MemorySize) {
		in.MemorySize = f.memory
		changes = append(changes, fmt.Sprintf("memory to %d MB", *f.memory))
	}
	if f.timeout != nil && *f.timeout != aws.ToInt32(existing.Timeout) {
		in.Timeout = f.timeout
		changes = append(changes, fmt.Sprintf("timeout to %d s", *f.timeout))
	}
	variables := map[string]string{}
	if existing.Environment != nil {
		maps.Copy(variables, existing.Environment.Variables)
	}
	before := maps.Clone(variables)
	maps.Copy(variables, f.env)
	if !maps.Equal(before, variables) {
		in.Environment = &types.Environment{Variables: variables}
		changes = append(changes, "variables")
	}
	return in, changes
}

// unreadyError is a function that did not become ready.
type unreadyError struct{ reason string }

func (e *unreadyError) Error() string { return e.reason }

// wait waits until a function is active and its last update has ended.
func (r *remote) wait(ctx context.Context, name string) error {
	in := &lambda.GetFunctionInput{FunctionName: &name}
	active := lambda.NewFunctionActiveV2Waiter(r.lambda, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	err := active.Wait(ctx, in, readyTimeout)
	if err == nil {
		updated := lambda.NewFunctionUpdatedV2Waiter(r.lambda, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
		})
		err = updated.Wait(ctx, in, readyTimeout)
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	now, configurationErr := r.configuration(ctx, name)
	if configurationErr != nil || now == nil {
		return errors.Join(err, configurationErr)
	}
	reason := orElse(aws.ToString(now.StateReason), aws.ToString(now.LastUpdateStatusReason))
	if now.LastUpdateStatus == types.LastUpdateStatusFailed {
		reason = orElse(aws.ToString(now.LastUpdateStatusReason), reason)
	}
	return &unreadyError{fmt.Sprintf("%s is not ready (state %s, last update %s): %s", name, now.State, orElse(string(now.LastUpdateStatus), "none"), orElse(reason, err.Error()))}
}

// deployed says that all is well, and what to do next.
func (s *session) deployed(ctx context.Context, r *remote, name string, output format, say narrate) error {
	var raw []byte
	now, err := r.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name}, keepBody(&raw))
	if err != nil {
		return err
	}
	say("Ready", "%s, %d MB, %d s", now.Runtime, aws.ToInt32(now.MemorySize), aws.ToInt32(now.Timeout))
	if reason := aws.ToString(now.StateReason); reason != "" {
		say("Note", "%s", reason)
	}
	if output == formatJSON {
		return s.json(raw)
	}
	_, err = fmt.Fprintf(s.Out, "\nNext:\n  lambent invoke %s --event '{}' --tail\n  lambent logs %s --follow\n", name, name)
	return err
}
