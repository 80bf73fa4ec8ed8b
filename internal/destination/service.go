package destination

import (
	"fmt"
	"strings"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/queue"
)

// Targets says what can be invoked.
type Targets interface {
	// Check answers nil when the function has the qualifier ("" is the function itself).
	Check(fn lambda.FunctionID, qualifier string) error
}

// Service makes deliveries. It is safe for concurrent use.
type Service struct {
	targets Targets
	newID   func() string
}

var _ queue.Destinations = (*Service)(nil)

// New makes a Service; newID answers a fresh request id.
func New(targets Targets, newID func() string) *Service {
	return &Service{targets: targets, newID: newID}
}

// Deliver implements queue.Destinations.
func (s *Service) Deliver(arn string, d *queue.Delivery) (*lambda.Event, error) {
	service, err := serviceOf(arn)
	if err != nil {
		return nil, err
	}
	if service != "lambda" {
		return nil, notOffered(service, arn)
	}
	ref, ok := lambda.ParseFunctionName(arn)
	if !ok || ref.Account == "" || ref.Region == "" {
		return nil, fmt.Errorf("%w of a function: %s", errNoARN, arn)
	}
	fn := lambda.FunctionID{Account: ref.Account, Region: ref.Region, Name: ref.Name}
	if fn.Account != d.Event.Function.Account {
		return nil, fmt.Errorf("the destination %s belongs to another account", arn)
	}
	if err := s.targets.Check(fn, ref.Qualifier); err != nil {
		return nil, fmt.Errorf("the destination function cannot be invoked: %w", err)
	}
	payload, err := Record(d)
	if err != nil {
		return nil, fmt.Errorf("the record cannot be written: %w", err)
	}
	if len(payload) > lambda.MaxAsyncPayloadBytes {
		return nil, errTooLarge
	}
	return &lambda.Event{
		RequestID: s.newID(), Function: fn, Qualifier: ref.Qualifier, Payload: payload,
		TraceHeader: d.Event.TraceHeader, AcceptedAt: d.At,
	}, nil
}

// DeadLetter implements queue.Destinations. AWS knows SQS and SNS targets only.
func (s *Service) DeadLetter(arn string, _ *queue.Delivery) (*lambda.Event, error) {
	service, err := serviceOf(arn)
	if err != nil {
		return nil, err
	}
	return nil, notOffered(service, arn)
}

// names are how people call the services of an ARN.
var names = map[string]string{"sqs": "Amazon SQS", "sns": "Amazon SNS", "events": "Amazon EventBridge", "s3": "Amazon S3", "lambda": "AWS Lambda"}

func notOffered(service, arn string) error {
	name := names[service]
	if name == "" {
		name = "service " + service
	}
	if service == "lambda" {
		return fmt.Errorf("%s is a function, and a dead-letter queue must be an SQS queue or an SNS topic", arn)
	}
	return fmt.Errorf("%s: delivery to %s is not offered yet", arn, name)
}

// serviceOf answers the service part of an ARN.
func serviceOf(arn string) (string, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] == "" {
		return "", fmt.Errorf("%w: %s", errNoARN, arn)
	}
	return parts[2], nil
}
