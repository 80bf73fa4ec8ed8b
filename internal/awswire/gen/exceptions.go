package main

// This file holds everything that the generator knows beyond the models: where AWS's service
// behaves differently from its published model (as recorded against the real one), the limits
// that stand only in error messages, and patterns that Go's linear-time engine has to have
// written differently.

// maxBody is the most that an operation's request body may hold. The name is the one that
// AWS's error message uses for the operation.
type maxBody struct {
	bytes int64
	name  string
}

// defaultMaxBody bounds every other operation.
const defaultMaxBody = 1 << 20

// codeBody fits a 50 MB zip in base64, and the rest of a request.
const codeBody = 70_167_211

var bodyLimits = map[string]maxBody{
	"lambda.CreateFunction":             {codeBody, "CreateFunction"},
	"lambda.UpdateFunctionCode":         {codeBody, "UpdateFunctionCode"},
	"lambda.PublishLayerVersion":        {codeBody, "PublishLayerVersion"},
	"lambda.Invoke":                     {6_291_556, "InvokeFunction"},
	"lambda.InvokeWithResponseStream":   {6_291_556, "InvokeWithResponseStream"},
	"lambda.CheckpointDurableExecution": {6_291_556, "CheckpointDurableExecution"},
}

// unchecked names constraints of members that AWS does not check at its front end.
type unchecked struct {
	enum bool
	max  bool
}

// uncheckedMembers goes by service, operation and member.
var uncheckedMembers = map[string]unchecked{
	// The service itself answers these, with a sentence that allows an ARN too.
	"lambda.CreateFunction.Runtime":              {enum: true},
	"lambda.UpdateFunctionConfiguration.Runtime": {enum: true},
}

// uncheckedShapes goes by service and shape: page sizes of at most 50 are cut, not refused.
var uncheckedShapes = map[string]unchecked{
	"lambda.MaxFunctionEventInvokeConfigListItems": {max: true},
	"lambda.MaxItems": {max: true},
	"lambda.MaxProvisionedConcurrencyConfigListItems": {max: true},
	"lambda.MaxLayerListItems":                        {max: true},
	"lambda.MaxFiftyListItems":                        {max: true},
}

// nullableElements are the lists whose element clause lacks "Member must not be null".
var nullableElements = map[string]bool{
	"lambda.SubnetIds":        true,
	"lambda.SecurityGroupIds": true,
}

// bareNameLimits are checked after the model's constraints and arrive as
// InvalidParameterValueException: a bare name has at most 64 characters, an ARN 140.
var bareNameLimits = map[string]int{
	"lambda.CreateFunction.FunctionName": 64,
}

// statusOverrides are statuses that AWS answers instead of the model's.
var statusOverrides = map[string]int{
	"lambda.DeleteFunction": 204, // the model says 200; both are seen, the recorded ones are 204
}

// plainErrors are operations whose own errors carry no "Type" member.
var plainErrors = map[string]bool{
	"lambda.PutFunctionConcurrency":          true,
	"lambda.PutProvisionedConcurrencyConfig": true,
}

// rewritten gives patterns with look-around in a form that Go's engine takes and that accepts
// exactly the same strings (whole-string match). The caller sees the original.
var rewritten = map[string]string{
	// Not digits only: at least one character that is no digit.
	`((?!^\d+$)^[0-9a-zA-Z-_]+$)`:  `[0-9a-zA-Z-_]*[a-zA-Z-_][0-9a-zA-Z-_]*`,
	`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`: `[a-zA-Z0-9-_]*[a-zA-Z-_][a-zA-Z0-9-_]*`,
	`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`: `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:([0-9a-zA-Z-_]*[a-zA-Z-_][0-9a-zA-Z-_]*))?`,
	// Does not begin with "system.".
	`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`: `[_a-rt-zA-Z0-9][^$]*|s([^$y][^$]*)?|sy([^$s][^$]*)?|sys([^$t][^$]*)?|syst([^$e][^$]*)?|syste([^$m][^$]*)?|system([^$.][^$]*)?`,
	// Does not end with a point.
	`[0-9A-Za-z\.\-_]*(?<!\.)`: `([0-9A-Za-z\.\-_]*[0-9A-Za-z\-_])?`,
	// Five digits after \u are not Java; the planes above the first are meant.
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`: `[\t\n\r\x20-\x7E\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`,
}
