// Command gofn is a function with the official Go client, for the tests of compute.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type in struct{ Fail bool }

func h(ctx context.Context, e in) (map[string]any, error) {
	if e.Fail {
		return nil, errors.New("go failed")
	}
	lc, _ := lambdacontext.FromContext(ctx)
	return map[string]any{"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn}, nil
}
func main() { lambda.Start(h) }
