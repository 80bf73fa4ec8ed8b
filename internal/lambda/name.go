package lambda

import (
	"regexp"
	"strings"
)

// Latest is the qualifier of a function's unpublished version.
const Latest = "$LATEST"

// FunctionID identifies a function: names are unique within an account and region.
type FunctionID struct {
	Account string // 12 digits
	Region  string // "us-east-1"
	Name    string // 1 to 64 of [a-zA-Z0-9-_]
}

// ARN answers the unqualified ARN.
func (f FunctionID) ARN() string {
	return "arn:" + Partition(f.Region) + ":lambda:" + f.Region + ":" + f.Account + ":function:" + f.Name
}

// QualifiedARN answers the ARN with a qualifier; "" gives the unqualified one.
func (f FunctionID) QualifiedARN(qualifier string) string {
	if qualifier == "" {
		return f.ARN()
	}
	return f.ARN() + ":" + qualifier
}

// Partition answers the ARN partition of a region.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// FunctionRef is a function as a caller named it; parts that were not said are "".
type FunctionRef struct {
	Account   string
	Region    string
	Name      string
	Qualifier string // from a suffix of the name
}

// functionName is AWS's pattern of NamespacedFunctionName, with groups for the parts.
var functionName = regexp.MustCompile(
	`^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:((?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9-_]+)(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?$`)

// ParseFunctionName reads every form that AWS takes: a name, account:function:name, a whole or
// partial ARN, each with an optional :qualifier. ok is false when s has none of these forms.
func ParseFunctionName(s string) (ref FunctionRef, ok bool) {
	if isPlainName(s) { // nearly every call; the pattern costs a microsecond
		return FunctionRef{Name: s}, true
	}
	m := functionName.FindStringSubmatch(s)
	if m == nil {
		return FunctionRef{}, false
	}
	return FunctionRef{Region: m[1], Account: m[2], Name: m[3], Qualifier: m[4]}, true
}

func isPlainName(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != ""
}

// IsVersion says whether a qualifier is a published version's number.
func IsVersion(qualifier string) bool {
	if qualifier == "" || qualifier[0] == '0' || len(qualifier) > 18 {
		return false
	}
	for _, c := range []byte(qualifier) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
