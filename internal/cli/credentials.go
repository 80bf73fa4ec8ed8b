package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/aws/smithy-go"
)

// maxCredentialsBytes bounds what is read of a credentials file to say what it lacks.
const maxCredentialsBytes = 1 << 20

// whereFrom says how to get credentials.
const whereFrom = "root makes an account's keys with \"lambent account key create\"; root's own are in the file root-credentials in the server's data folder, for AWS_SHARED_CREDENTIALS_FILE"

// explainRefusal is explain for a server that does not know the caller.
func (s *session) explainRefusal(api smithy.APIError) string {
	answer := orElse(oneLine(api.ErrorMessage()), api.ErrorCode())
	if s.anonymous {
		return fmt.Sprintf("this server wants credentials (one with --dev needs none), and %s: %s", s.noCredentials(), whereFrom)
	}
	switch api.ErrorCode() {
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		return fmt.Sprintf("the server refused these credentials (%s): the secret is not this access key's; copy both again, or make a new key", answer)
	case "ExpiredTokenException":
		return fmt.Sprintf("the server refused these credentials (%s): get new ones", answer)
	}
	return fmt.Sprintf("the server refused these credentials (%s): check AWS_ACCESS_KEY_ID, AWS_PROFILE and --profile; %s", answer, whereFrom)
}

// noCredentials says why none were found, where the SDK passes over it in silence.
func (s *session) noCredentials() string {
	key, secret := s.Env("AWS_ACCESS_KEY_ID"), s.Env("AWS_SECRET_ACCESS_KEY")
	switch {
	case key != "" && secret == "":
		return "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"
	case key == "" && secret != "":
		return "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"
	}
	name := s.Env("AWS_SHARED_CREDENTIALS_FILE")
	named := name != ""
	if !named {
		name = filepath.Join(s.Env("HOME"), ".aws", "credentials")
	}
	content, err := readStart(name)
	switch {
	case os.IsNotExist(err) && !named:
		return "none were found in AWS's variables and files"
	case err != nil:
		return fmt.Sprintf("the credentials file can't be read (%s)", err)
	}
	profile := s.profile()
	if !regexp.MustCompile(`(?m)^\s*\[\s*` + regexp.QuoteMeta(profile) + `\s*\]`).Match(content) {
		return fmt.Sprintf("%s has no profile %q (--profile and AWS_PROFILE choose another)", name, profile)
	}
	return fmt.Sprintf("%s gives none for the profile %q", name, profile)
}

// profile answers which profile of AWS's files is used.
func (s *session) profile() string {
	return orElse(s.flags.profile, orElse(s.Env("AWS_PROFILE"), "default"))
}

func readStart(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxCredentialsBytes))
}
