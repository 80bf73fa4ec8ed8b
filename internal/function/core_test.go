package function

import (
	"strings"
	"testing"

	"lambent.dev/lambent/internal/lambda"
)

func TestCheckRuntime(t *testing.T) {
	for _, id := range []string{"python2.7", "python3.6", "python3.7", "nodejs", "nodejs4.3", "nodejs12.x", "nodejs14.x", "java8", "dotnetcore3.1", "go1.x", "ruby2.7", "provided"} {
		if err := checkRuntime(id); err == nil || !strings.HasPrefix(err.Error(), "The runtime parameter of "+id+" is no longer supported") {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"python3.8", "python3.15", "nodejs16.x", "nodejs26.x", "provided.al2", "provided.al2023", "java8.al2", "ruby4.0", "dotnet10"} {
		if err := checkRuntime(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"", "Python3.9", "python4", "custom", "python3.12 "} {
		if checkRuntime(id) == nil {
			t.Errorf("%q passed", id)
		}
	}
}

func TestLocate(t *testing.T) {
	c := Caller{Account: "123456789012", Region: "us-east-1", Action: "GetFunction"}
	for _, v := range []struct {
		name, qualifier string
		want            string // name:qualifier
		kind            lambda.Kind
	}{
		{"f", "", "f:", 0},
		{"f", "1", "f:1", 0},
		{"f:live", "", "f:live", 0},
		{"f:live", "live", "f:live", 0},
		{"f:$LATEST", "", "f:$LATEST", 0},
		{"123456789012:function:f", "", "f:", 0},
		{"function:f:2", "", "f:2", 0},
		{"arn:aws:lambda:us-east-1:123456789012:function:f", "x", "f:x", 0},
		{"f:1", "2", "", lambda.InvalidParameterValue},
		{"arn:aws:lambda:us-west-2:123456789012:function:f", "", "", lambda.ResourceNotFound},
		{"111111111111:function:f", "", "", lambda.AccessDenied},
		{strings.Repeat("a", 65), "", "", lambda.InvalidParameterValue},
		{"", "", "", lambda.Validation},
		{"a/b", "", "", lambda.Validation},
		{"../f", "", "", lambda.Validation},
		{"f\x00", "", "", lambda.Validation},
		{"f", "a/b", "", lambda.Validation},
		{"f", "..\x00", "", lambda.Validation},
		{"arn:aws:lambda:us-east-1:123400000000@function:f", "", "", lambda.Validation},
	} {
		fn, q, err := Locate(c, v.name, v.qualifier)
		switch {
		case v.want == "":
			if err == nil || lambda.KindOf(err) != v.kind {
				t.Errorf("%q %q: %v", v.name, v.qualifier, err)
			}
		case err != nil || fn.Name+":"+q != v.want || fn.Account != c.Account || fn.Region != c.Region:
			t.Errorf("%q %q: %v %q %v", v.name, v.qualifier, fn, q, err)
		}
	}
}

func FuzzLocate(f *testing.F) {
	for _, s := range []string{"f", "arn:aws:lambda:us-east-1:123456789012:function:f:1", "f:$LATEST", "../../x", "a\x00b", "%2e%2e"} {
		f.Add(s, "")
		f.Add("f", s)
	}
	f.Fuzz(func(t *testing.T, name, qualifier string) {
		c := Caller{Account: "123456789012", Region: "us-east-1"}
		fn, q, err := Locate(c, name, qualifier)
		if err != nil {
			return
		}
		if fn.Account != c.Account || fn.Region != c.Region || len(fn.Name) > 64 || strings.ContainsAny(fn.Name+q, "/\\\x00:. ") && q != "$LATEST.PUBLISHED" {
			t.Errorf("%+v %q", fn, q)
		}
		if again, q2, err := Locate(c, fn.QualifiedARN(q), ""); err == nil && (again != fn || q2 != q) {
			t.Errorf("%+v %q is read as %+v %q", fn, q, again, q2)
		}
	})
}

func TestDestinations(t *testing.T) {
	fn := lambda.FunctionID{Account: "123456789012", Region: "us-east-1", Name: "f"}
	there := func(name, _ string) (bool, error) { return name == "g", nil }
	for arn, good := range map[string]bool{
		"arn:aws:sqs:us-east-1:123456789012:q": true, "arn:aws:sns:us-east-1:123456789012:t": true,
		"arn:aws:events:us-east-1:123456789012:event-bus/b": true, "arn:aws:s3:::bucket": true,
		"arn:aws:lambda:us-east-1:123456789012:function:g": true, "arn:aws:lambda:us-east-1:123456789012:function:g:live": true,
		"arn:aws:lambda:us-east-1:123456789012:function:f": false, "arn:aws:lambda:us-east-1:123456789012:function:h": false,
		"arn:aws:lambda:us-east-1:999999999999:function:g": false, "arn:aws:lambda:us-west-2:123456789012:function:g": false,
		"arn:aws:sqs:us-east-1:123456789012:q.fifo": false, "arn:aws:sns:us-east-1:123456789012:t.fifo": false,
		"arn:aws:sqs:::q": false, "kafka://topic": false, "nonsense": false, "arn:aws:kinesis:us-east-1:123456789012:stream/s": false,
	} {
		if err := checkDestinations(fn, &lambda.AsyncConfig{OnFailure: arn}, there); (err == nil) != good {
			t.Errorf("%s: %v", arn, err)
		}
	}
	if checkDestinations(fn, &lambda.AsyncConfig{OnSuccess: "arn:aws:s3:::bucket"}, there) == nil {
		t.Error("a bucket takes successes")
	}
}

func TestEnvironmentLimit(t *testing.T) {
	// {"K1":"..."} is 9 bytes around the value; < is one byte, not six.
	if err := checkEnvironment(map[string]string{"K1": strings.Repeat("<", lambda.MaxEnvironmentBytes-9)}); err != nil {
		t.Error(err)
	}
	if checkEnvironment(map[string]string{"K1": strings.Repeat("<", lambda.MaxEnvironmentBytes-8)}) == nil {
		t.Error("a byte too many passed")
	}
	if checkEnvironment(map[string]string{"K1": "a\x00b"}) == nil {
		t.Error("a NUL passed")
	}
}

func TestLogging(t *testing.T) {
	text, json, debug := "Text", "JSON", "DEBUG"
	l := lambda.Logging{Format: text, Group: "/aws/lambda/f"}
	steps := []struct {
		change Logging
		want   lambda.Logging
	}{
		{Logging{Format: &json}, lambda.Logging{Format: json, Group: "/aws/lambda/f", ApplicationLevel: "INFO", SystemLevel: "INFO"}},
		{Logging{ApplicationLevel: &debug}, lambda.Logging{Format: json, Group: "/aws/lambda/f", ApplicationLevel: debug, SystemLevel: "INFO"}},
		{Logging{Format: &text}, lambda.Logging{Format: text, Group: "/aws/lambda/f"}},
	}
	for i, s := range steps {
		if err := s.change.apply(&l); err != nil || l != s.want {
			t.Errorf("step %d: %+v %v", i, l, err)
		}
	}
}
