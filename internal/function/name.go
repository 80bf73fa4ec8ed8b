package function

import (
	"regexp"

	"lambent.dev/lambent/internal/lambda"
)

const (
	maxNameLength   = 64
	onlyOnFunctions = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. " +
		"Please specify either a function name or an unqualified function ARN."
)

var qualifierPattern = regexp.MustCompile(`^(?:\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_$]{1,128})$`)

// Caller is who asks, from where, and for what.
type Caller struct {
	Account string
	Region  string
	Action  string // "GetFunction"
}

// Locate answers the function and qualifier that a caller means by a name in any of AWS's forms
// and a qualifier beside it ("" for none). The parts of its answer are safe as parts of a key.
func Locate(c Caller, name, qualifier string) (lambda.FunctionID, string, error) {
	ref, ok := lambda.ParseFunctionName(name)
	if !ok {
		return lambda.FunctionID{}, "", constraint(name, "functionName", "satisfy regular expression pattern: "+
			`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`)
	}
	if len(ref.Name) > maxNameLength {
		err := constraint(ref.Name, "functionName", "have length less than or equal to 64")
		err.Kind = lambda.InvalidParameterValue
		return lambda.FunctionID{}, "", err
	}
	if qualifier != "" && !qualifierPattern.MatchString(qualifier) {
		return lambda.FunctionID{}, "", constraint(qualifier, "qualifier", `satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`)
	}
	fn := lambda.FunctionID{Account: c.Account, Region: c.Region, Name: ref.Name}
	switch {
	case ref.Region != "" && ref.Region != c.Region:
		return lambda.FunctionID{}, "", lambda.Errorf(lambda.ResourceNotFound,
			"Functions from '%s' are not reachable in this region ('%s')", ref.Region, c.Region)
	case ref.Account != "" && ref.Account != c.Account:
		fn.Account = ref.Account
		return lambda.FunctionID{}, "", denied(c, fn)
	case ref.Qualifier == "":
		return fn, qualifier, nil
	case qualifier != "" && qualifier != ref.Qualifier:
		return lambda.FunctionID{}, "", invalid("The derived qualifier from the function name does not match the specified qualifier.")
	}
	return fn, ref.Qualifier, nil
}

// LocateUnqualified is Locate for operations on whole functions.
func LocateUnqualified(c Caller, name string) (lambda.FunctionID, error) {
	fn, qualifier, err := Locate(c, name, "")
	if err == nil && qualifier != "" {
		err = invalid(onlyOnFunctions)
	}
	return fn, err
}

func denied(c Caller, fn lambda.FunctionID) error {
	return lambda.Errorf(lambda.AccessDenied,
		"User: arn:%s:iam::%s:root is not authorized to perform: lambda:%s on resource: %s because no resource-based policy allows the lambda:%[3]s action",
		lambda.Partition(c.Region), c.Account, c.Action, fn.ARN())
}

func notFound(fn lambda.FunctionID, qualifier string) error {
	return lambda.Errorf(lambda.ResourceNotFound, "Function not found: %s", fn.QualifiedARN(qualifier))
}
