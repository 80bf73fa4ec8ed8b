package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	"github.com/spf13/pflag"

	"lambent.dev/lambent/internal/cli/client"
)

const (
	defaultEndpoint = "http://127.0.0.1:4566"
	defaultRegion   = "us-east-1"
	dialTimeout     = 5 * time.Second
	// answerTimeout is longer than the longest function, 15 minutes.
	answerTimeout = 16 * time.Minute
	maxAttempts   = 3
)

// connection holds the flags that say which server, and as whom.
type connection struct {
	endpointFlag string
	region       string
	profile      string
}

func (c *connection) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.endpointFlag, "endpoint", "", "the server's address (LAMBENT_ENDPOINT, AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL; default "+defaultEndpoint+")")
	flags.StringVar(&c.region, "region", "", "AWS region (AWS_REGION, AWS_DEFAULT_REGION; default "+defaultRegion+")")
	flags.StringVar(&c.profile, "profile", "", "profile of AWS's credentials and configuration files (AWS_PROFILE)")
}

// endpoint answers the server's address.
func (c *connection) endpoint(env func(string) string) string {
	if c.endpointFlag != "" {
		return c.endpointFlag
	}
	for _, name := range []string{"LAMBENT_ENDPOINT", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"} {
		if value := env(name); value != "" {
			return value
		}
	}
	return defaultEndpoint
}

// address is endpoint, checked.
func (c *connection) address(env func(string) string) (string, error) {
	endpoint := c.endpoint(env)
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usagef("the endpoint %q is not an address such as %s", endpoint, defaultEndpoint)
	}
	return endpoint, nil
}

// remote is a server, seen by both of its interfaces.
type remote struct {
	lambda *lambda.Client
	own    *client.Client
}

// connect finds the server and the credentials. It sends nothing yet.
func (s *session) connect(ctx context.Context) (*remote, error) {
	endpoint, err := s.flags.address(s.Env)
	if err != nil {
		return nil, err
	}
	options := []func(*config.LoadOptions) error{
		// Without credentials the SDK would ask a cloud's metadata address, for seconds.
		config.WithEC2IMDSClientEnableState(imds.ClientDisabled),
		config.WithSharedConfigProfile(s.flags.profile),
		config.WithHTTPClient(httpClient()),
	}
	if s.flags.region != "" {
		options = append(options, config.WithRegion(s.flags.region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	var missing config.SharedConfigProfileNotExistError
	switch {
	case errors.As(err, &missing):
		return nil, usagef("AWS's files have no profile %q: check --profile and AWS_PROFILE", missing.Profile)
	case err != nil && strings.Contains(err.Error(), "partial credentials"): // the SDK has no type for it
		return nil, usagef("the profile %q of AWS's files has one of aws_access_key_id and aws_secret_access_key without the other", s.profile())
	case err != nil:
		return nil, fmt.Errorf("AWS's configuration can't be read: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	if cfg.Credentials, s.anonymous, err = credentialsOrTest(ctx, cfg.Credentials); err != nil {
		return nil, err
	}
	cfg.Retryer = newRetryer
	return &remote{
		lambda: lambda.NewFromConfig(cfg, func(o *lambda.Options) { o.BaseEndpoint = &endpoint }),
		own: &client.Client{
			Endpoint: endpoint, Region: cfg.Region, Credentials: cfg.Credentials, HTTP: cfg.HTTPClient, Now: s.Clock,
		},
	}, nil
}

// httpClient is the SDK's own kind, to which it adds the certificates of AWS_CA_BUNDLE.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = dialTimeout
			t.ResponseHeaderTimeout = answerTimeout
			t.MaxIdleConnsPerHost = senders
		})
}

// newRetryer bounds retries, and does not wait for a server that is not running.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		refused := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if errors.Is(err, syscall.ECONNREFUSED) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})
		o.Retryables = append([]retry.IsErrorRetryable{refused}, o.Retryables...)
	})
}

// credentialsOrTest answers the credentials that AWS's variables and files give, or the test
// credentials that a server in dev mode takes when there are none, and whether it is these.
func credentialsOrTest(ctx context.Context, provider aws.CredentialsProvider) (aws.CredentialsProvider, bool, error) {
	test := credentials.NewStaticCredentialsProvider("test", "test", "")
	if provider == nil {
		return test, true, nil
	}
	_, err := provider.Retrieve(ctx)
	var op *smithy.OperationError
	switch {
	case err == nil:
		return provider, false, nil
	case errors.As(err, &op) && op.ServiceID == "ec2imds":
		return test, true, nil // the end of the SDK's list: nothing was found
	}
	return nil, false, fmt.Errorf("AWS's credentials can't be had: %w", err)
}
