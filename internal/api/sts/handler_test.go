package sts

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sts"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/stswire"
)

func TestGetCallerIdentity(t *testing.T) {
	auth := awswire.NewAuthenticator(awswire.AuthOptions{Development: true})
	server := httptest.NewServer(awswire.NewHandler(auth, slog.New(slog.DiscardHandler), stswire.Service(Handler{})))
	defer server.Close()
	c := client.New(client.Options{BaseEndpoint: &server.URL, Region: "cn-north-1", Credentials: credentials.NewStaticCredentialsProvider("123456789012", "x", "")})
	got, err := c.GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(got.Account) != "123456789012" || aws.ToString(got.Arn) != "arn:aws-cn:iam::123456789012:root" || aws.ToString(got.UserId) != "123456789012" {
		t.Errorf("%+v", got)
	}
}
