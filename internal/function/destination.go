package function

import (
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

// target is what an ARN names: arn:partition:service:region:account:resource.
type target struct {
	service, region, account, resource string
}

func parseTarget(arn string) (target, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] == "" || parts[5] == "" {
		return target{}, false
	}
	return target{parts[2], parts[3], parts[4], parts[5]}, true
}

func (t target) fifo() bool { return strings.HasSuffix(t.resource, ".fifo") }

// checkDeadLetter judges a DeadLetterConfig target by its form; "" is none.
func checkDeadLetter(arn string) error {
	if arn == "" {
		return nil
	}
	t, ok := parseTarget(arn)
	if !ok || t.service != "sqs" && t.service != "sns" || t.region == "" || t.account == "" || t.fifo() {
		return invalid("The dead letter target %s is not supported: only standard SQS queues and standard SNS topics are.", arn)
	}
	return nil
}

// checkDestinations judges what a function's outcomes are sent to. exists says whether a function
// of the same account and region, with a qualifier, is there.
func checkDestinations(fn lambda.FunctionID, c *lambda.AsyncConfig, exists func(name, qualifier string) (bool, error)) error {
	for _, d := range []struct {
		arn       string
		onFailure bool
	}{{c.OnSuccess, false}, {c.OnFailure, true}} {
		if d.arn == "" {
			continue
		}
		t, ok := parseTarget(d.arn)
		if !ok || !destinationService(t.service, d.onFailure) {
			return invalid("The provided destination config %s is invalid.", shown(c))
		}
		switch {
		case t.service == "lambda":
			if err := checkFunctionTarget(fn, d.arn, exists); err != nil {
				return err
			}
		case t.service != "s3" && (t.region == "" || t.account == ""), t.fifo():
			return invalid("The destination ARN %s is invalid.", d.arn)
		}
	}
	return nil
}

func destinationService(service string, onFailure bool) bool {
	switch service {
	case "sqs", "sns", "lambda", "events":
		return true
	case "s3":
		return onFailure
	}
	return false
}

func checkFunctionTarget(fn lambda.FunctionID, arn string, exists func(name, qualifier string) (bool, error)) error {
	ref, ok := lambda.ParseFunctionName(arn)
	if !ok || ref.Region != fn.Region || ref.Account != fn.Account || len(ref.Name) > maxNameLength {
		return invalid("The destination ARN %s is invalid.", arn)
	}
	if ref.Name == fn.Name {
		return invalid("You can't specify the function as a destination for itself.")
	}
	there, err := exists(ref.Name, ref.Qualifier)
	if err == nil && !there {
		err = invalid("The destination ARN %s is invalid.", arn)
	}
	return err
}

// shown writes a destination configuration the way AWS's sentence does.
func shown(c *lambda.AsyncConfig) string {
	part := func(kind, arn string) string {
		if arn == "" {
			return "null"
		}
		return kind + "(destination=" + arn + ")"
	}
	return "DestinationConfig(onSuccess=" + part("OnSuccess", c.OnSuccess) + ", onFailure=" + part("OnFailure", c.OnFailure) + ")"
}
