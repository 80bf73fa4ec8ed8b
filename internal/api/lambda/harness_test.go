package lambda_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	api "lambent.dev/lambent/internal/api/lambda"
	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/blob"
	"lambent.dev/lambent/internal/function"
	"lambent.dev/lambent/internal/invoke"
	core "lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "123456789012"
	region  = "eu-west-1"
	arn     = "arn:aws:lambda:eu-west-1:123456789012:function:"
	role    = "arn:aws:iam::123456789012:role/r"
)

// families serves python, nodejs and provided, as a host without java does.
type families struct{}

func (families) Supports(runtime string) (string, error) {
	switch {
	case runtime == "python3.9":
		return "The runtime python3.9 is served by python3.11.", nil
	case strings.HasPrefix(runtime, "python"), strings.HasPrefix(runtime, "nodejs"), strings.HasPrefix(runtime, "provided"):
		return "", nil
	}
	return "", core.Errorf(core.InvalidRuntime, "Lambent does not serve the runtime %s. It serves python3.x, nodejs and provided.", runtime)
}

// echo runs every function by answering its payload, and keeps what it accepts.
type echo struct {
	functions *function.Service

	mu       sync.Mutex
	accepted []*core.Event
	last     invoke.Request
	roll     float64
	err      error
	outcome  *core.Outcome
}

func (e *echo) Check(fn core.FunctionID, qualifier string) (*core.Configuration, error) {
	return e.functions.Resolve(fn, qualifier, e.roll)
}

func (e *echo) Run(_ context.Context, r invoke.Request) (core.Outcome, error) {
	c, err := e.Check(r.Function, r.Qualifier)
	if err != nil {
		return core.Outcome{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = r
	if e.err != nil {
		return core.Outcome{}, e.err
	}
	if e.outcome != nil {
		return *e.outcome, nil
	}
	return core.Outcome{Payload: r.Payload, LogTail: []byte("START\n"), Attempt: core.Attempt{Version: c.Version}}, nil
}

func (e *echo) Accept(_ context.Context, ev *core.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accepted = append(e.accepted, ev)
	return e.err
}

// world is one server with a client for one account.
type world struct {
	*testing.T
	client    *sdk.Client
	server    *httptest.Server
	functions *function.Service
	invoker   *echo
	now       time.Time
	changed   int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "store", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, now: time.Date(2026, 11, 25, 1, 2, 3, 456e6, time.UTC)}
	clock := func() time.Time { return w.now }
	code, err := blob.Open(filepath.Join(t.TempDir(), "code"), clock)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.functions, err = function.New(s, families{}, clock, uuid.NewString, log, function.Options{OnChange: func(core.FunctionID) { w.changed++ }})
	if err != nil {
		t.Fatal(err)
	}
	w.invoker = &echo{functions: w.functions}
	h := api.New(w.functions, code, w.invoker, clock)
	aws := awswire.NewHandler(awswire.NewAuthenticator(awswire.AuthOptions{Development: true}), log, lambdawire.Service(h))
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/lambent/code/") {
			h.Code().ServeHTTP(rw, r)
			return
		}
		aws.ServeHTTP(rw, r)
	}))
	w.client = w.clientOf(account, region)
	t.Cleanup(func() {
		w.server.Close()
		if err := errors.Join(s.Close(), code.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) clientOf(account, region string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: region, BaseEndpoint: &w.server.URL, Credentials: credentials.NewStaticCredentialsProvider(account, "secret", ""),
		RetryMaxAttempts: 1, HTTPClient: w.server.Client(),
	})
}

// pack makes a package that differs by its content.
func pack(content string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("lambda_function.py")
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func createInput(name string) *sdk.CreateFunctionInput {
	return &sdk.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimePython312, Role: aws.String(role), Handler: aws.String("lambda_function.handler"),
		Code: &types.FunctionCode{ZipFile: pack(name)},
	}
}

func (w *world) create(name string, changes ...func(*sdk.CreateFunctionInput)) *sdk.CreateFunctionOutput {
	w.Helper()
	in := createInput(name)
	for _, c := range changes {
		c(in)
	}
	return must(w.client.CreateFunction(w.Context(), in))(w)
}

func must[T any](v *T, err error) func(w *world) *T {
	return func(w *world) *T {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
		return v
	}
}

// refused checks an error's name, status and message ("..." at its end stands for more).
func (w *world) refused(_ any, err error) func(want string) {
	return func(want string) {
		w.Helper()
		var apiErr smithy.APIError
		var response *awshttp.ResponseError
		if !errors.As(err, &apiErr) || !errors.As(err, &response) {
			w.Errorf("%v\nwant %s", err, want)
			return
		}
		got := fmt.Sprintf("%d %s: %s", response.HTTPStatusCode(), apiErr.ErrorCode(), apiErr.ErrorMessage())
		if begin, open := strings.CutSuffix(want, "..."); open && strings.HasPrefix(got, begin) {
			return
		}
		if got != want {
			w.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
