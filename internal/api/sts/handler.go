// Package sts serves what Lambent offers of AWS's Security Token Service: GetCallerIdentity, which
// every client and Terraform's provider ask first. It holds no state.
package sts

import (
	"context"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/stswire"
	"lambent.dev/lambent/internal/lambda"
)

// Handler serves the operations offered.
type Handler struct{}

// GetCallerIdentity answers the principal's account. Every key of Lambent acts for its whole
// account, so its identity is the account's root, as AWS names it.
func (Handler) GetCallerIdentity(_ context.Context, p awswire.Principal, _ *stswire.GetCallerIdentityInput) (*stswire.GetCallerIdentityOutput, error) {
	arn := "arn:" + lambda.Partition(p.Region) + ":iam::" + p.Account + ":root"
	return &stswire.GetCallerIdentityOutput{UserId: &p.Account, Account: &p.Account, Arn: &arn}, nil
}
