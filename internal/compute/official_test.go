package compute_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// sameAsOfficial are scenarios of which our client must make the same document as AWS's.
var sameAsOfficial = []string{
	"echo", "none", "decimal", "nested handler", "raises", "no module", "no handler", "syntax error", "bad handler",
	"just not too large", "logging", "exit 3 in init", "exit 0", "killed", "timeout",
}

// TestOfficialPythonClient runs AWS's own runtime interface client as a custom runtime, and holds
// ours to what it answers and logs. LAMBENT_TEST_AWSLAMBDARIC names the folder that it is
// installed in.
func TestOfficialPythonClient(t *testing.T) {
	folder := os.Getenv("LAMBENT_TEST_AWSLAMBDARIC")
	if folder == "" {
		t.Skip("LAMBENT_TEST_AWSLAMBDARIC is not set")
	}
	r, err := finder().Resolve(context.Background(), python)
	if err != nil {
		t.Fatal(err)
	}
	f := newPool(t, optionsForTest(), nil)
	for _, s := range pythonScenarios {
		if !strings.Contains("|"+strings.Join(sameAsOfficial, "|")+"|", "|"+s.name+"|") {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if s.handler == "" {
				s.handler = "app.handler"
			}
			if s.payload == "" {
				s.payload = "{}"
			}
			ours := function(t, python, s.handler, s.files...)
			boot := "#!/bin/sh\nexec " + r.Command[0] + " -m awslambdaric \"$_HANDLER\"\n"
			theirs := function(t, "provided.al2023", s.handler, append([]string{"bootstrap", boot}, s.files...)...)
			theirs.Environment = map[string]string{"PYTHONPATH": folder}
			theirs.RevisionID = "official"
			if s.timeout > 0 {
				ours.TimeoutSec, theirs.TimeoutSec = s.timeout, s.timeout
			}
			a, b := f.call(t, ours, "id", s.payload), f.call(t, theirs, "id", s.payload)
			if x, y := mask(string(a.Payload), ours.CodeSHA256), mask(string(b.Payload), theirs.CodeSHA256); x != y {
				t.Errorf("payload\n%.500s\nthe official client's\n%.500s", x, y)
			}
			if x, y := mask(string(a.LogTail), ours.CodeSHA256), mask(string(b.LogTail), theirs.CodeSHA256); x != y {
				t.Errorf("log\n%s\nthe official client's\n%s", x, y)
			}
			if a.Attempt.ErrorType != b.Attempt.ErrorType || a.Attempt.Status != b.Attempt.Status {
				t.Errorf("attempt %+v\nthe official client's %+v", a.Attempt, b.Attempt)
			}
		})
	}
}

// mask hides what differs from run to run.
func mask(text, folder string) string {
	text = strings.ReplaceAll(text, folder, "TASK")
	text = regexp.MustCompile(`/\S*/task/`).ReplaceAllString(text, "TASK/")
	text = regexp.MustCompile(`(?m)^\[WARNING\]\t\S+\t\tLAMBDA_WARNING: .*\n`).ReplaceAllString(text, "") // advice about AWS's updates
	text = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllString(text, "TIME")
	return regexp.MustCompile(`((?:Duration|Used): )[0-9.]+`).ReplaceAllString(text, "${1}N")
}
