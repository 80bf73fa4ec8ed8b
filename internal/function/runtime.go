package function

import (
	"slices"
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

// retired are the ids of AWS's model that AWS no longer creates.
var retired = []string{
	"nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
	"python2.7", "python3.6", "python3.7", "java8", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
	"ruby2.5", "ruby2.7", "go1.x", "provided",
}

// current are the ids that AWS creates today, in the order of its error sentence.
var current = []string{
	"nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25",
	"python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17",
	"nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
	"nodejs26.x", "python3.15", "ruby4.0", "java8.al2023", "java11.al2023", "java17.al2023",
}

// checkRuntime judges a runtime id by AWS's rules; whether this host serves it is another matter.
func checkRuntime(id string) error {
	switch {
	case slices.Contains(current, id):
		return nil
	case slices.Contains(retired, id):
		return invalid("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. "+
			"We recommend you use a supported runtime while creating or updating functions.", id)
	case id == "custom":
		return invalid("Runtime custom is not offered: Lambent keeps no customer-managed runtimes. Use provided.al2023.")
	}
	return invalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN",
		id, strings.Join(current, ", "))
}

func invalid(format string, args ...any) *lambda.Error {
	return lambda.Errorf(lambda.InvalidParameterValue, format, args...)
}

// constraint is the sentence of the front end's checks, for limits that the model does not hold.
func constraint(value, path, must string) *lambda.Error {
	return lambda.Errorf(lambda.Validation,
		"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s", value, path, must)
}
