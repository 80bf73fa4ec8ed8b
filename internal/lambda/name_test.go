package lambda

import (
	"strings"
	"testing"
)

func TestParseFunctionName(t *testing.T) {
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:"
	for s, want := range map[string]FunctionRef{
		"f":                       {Name: "f"},
		"my-func_1":               {Name: "my-func_1"},
		"123456789012":            {Name: "123456789012"},
		"us-east-1":               {Name: "us-east-1"},
		"f:$LATEST":               {Name: "f", Qualifier: "$LATEST"},
		"f:live":                  {Name: "f", Qualifier: "live"},
		"function:f:7":            {Name: "f", Qualifier: "7"},
		"123456789012:function:f": {Account: "123456789012", Name: "f"},
		"123456789012:f":          {Account: "123456789012", Name: "f"},
		arn + "f":                 {Account: "123456789012", Region: "us-east-1", Name: "f"},
		arn + "f:live":            {Account: "123456789012", Region: "us-east-1", Name: "f", Qualifier: "live"},
		"arn:aws-cn:lambda:cn-north-1:123456789012:function:f": {Account: "123456789012", Region: "cn-north-1", Name: "f"},
	} {
		if got, ok := ParseFunctionName(s); !ok || got != want {
			t.Errorf("%q is %+v, %v; want %+v", s, got, ok, want)
		}
	}
	for _, bad := range []string{"", " ", "a b", "a/b", "../a", "f:", ":f", "f::1", "f:a:b", "arn:aws:s3:::bucket", arn, arn + "a/b", "f\x00", "ü"} {
		if got, ok := ParseFunctionName(bad); ok {
			t.Errorf("%q is taken as %+v", bad, got)
		}
	}
}

func FuzzParseFunctionName(f *testing.F) {
	f.Add("arn:aws:lambda:us-east-1:123456789012:function:f:live")
	f.Fuzz(func(t *testing.T, s string) {
		ref, ok := ParseFunctionName(s)
		if !ok {
			return
		}
		if m := functionName.FindStringSubmatch(s); m == nil || m[3] != ref.Name || m[4] != ref.Qualifier {
			t.Fatalf("%q is %+v, and %q by the pattern", s, ref, m)
		}
		if ref.Name == "" || strings.ContainsAny(ref.Name+ref.Qualifier+ref.Account+ref.Region, "/\x00 ") {
			t.Fatalf("%q is %+v", s, ref)
		}
	})
}

func TestIsVersion(t *testing.T) {
	for s, want := range map[string]bool{"1": true, "42": true, "": false, "0": false, "01": false, "$LATEST": false, "1a": false, "9999999999999999999": false} {
		if IsVersion(s) != want {
			t.Errorf("IsVersion(%q) is not %v", s, want)
		}
	}
}
