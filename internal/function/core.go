package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// Settings are the execution parameters that a caller may set. A nil member was not said.
type Settings struct {
	Description   *string
	Runtime       *string
	Handler       *string
	Role          *string
	TimeoutSec    *int
	MemoryMB      *int
	EphemeralMB   *int
	Environment   map[string]string // nil: not said; empty: none
	DeadLetterARN *string           // "" clears
	TracingMode   *string
	KMSKeyARN     *string // "" clears
	VPC           *lambda.VPC
	Logging       *Logging
}

// Logging is a change of how a function's log is written. A nil member was not said.
type Logging struct {
	Format           *string
	Group            *string
	ApplicationLevel *string
	SystemLevel      *string
}

// The largest values of functions that run on demand; the model's own are wider.
const (
	maxTimeoutSec  = 900
	maxMemoryMB    = 10_240
	maxEphemeralMB = 10_240
)

// fresh answers a function's configuration before anything is set.
func fresh(fn lambda.FunctionID, architecture string) lambda.Configuration {
	return lambda.Configuration{
		Function: fn, Version: lambda.Latest, PackageType: "Zip",
		TimeoutSec: 3, MemoryMB: 128, EphemeralMB: 512, Architectures: []string{architecture},
		TracingMode: "PassThrough", SnapStart: "None",
		Logging: lambda.Logging{Format: "Text", Group: "/aws/lambda/" + fn.Name},
	}
}

// apply checks the settings and sets them. On error c is in no defined state.
func (s *Settings) apply(c *lambda.Configuration) error {
	if err := s.checkLimits(); err != nil {
		return err
	}
	if s.Runtime != nil {
		if err := checkRuntime(*s.Runtime); err != nil {
			return err
		}
	}
	if s.Environment != nil {
		if err := checkEnvironment(s.Environment); err != nil {
			return err
		}
		c.Environment, c.HasEnvironment = maps.Clone(s.Environment), true
	}
	if s.DeadLetterARN != nil {
		if err := checkDeadLetter(*s.DeadLetterARN); err != nil {
			return err
		}
	}
	if s.VPC != nil {
		if (len(s.VPC.SubnetIDs) == 0) != (len(s.VPC.SecurityGroupIDs) == 0) {
			return invalid("SubnetIds and SecurityIds must coexist or be both empty list.")
		}
		c.VPC = s.VPC
	}
	assign(&c.Description, s.Description)
	assign(&c.Runtime, s.Runtime)
	assign(&c.Handler, s.Handler)
	assign(&c.Role, s.Role)
	assign(&c.TimeoutSec, s.TimeoutSec)
	assign(&c.MemoryMB, s.MemoryMB)
	assign(&c.EphemeralMB, s.EphemeralMB)
	assign(&c.DeadLetterARN, s.DeadLetterARN)
	assign(&c.TracingMode, s.TracingMode)
	assign(&c.KMSKeyARN, s.KMSKeyARN)
	return s.Logging.apply(&c.Logging)
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s *Settings) checkLimits() error {
	for _, l := range []struct {
		path      string
		value     *int
		low, high int
	}{
		{"timeout", s.TimeoutSec, 1, maxTimeoutSec},
		{"memorySize", s.MemoryMB, 128, maxMemoryMB},
		{"ephemeralStorage.size", s.EphemeralMB, 512, maxEphemeralMB},
	} {
		switch {
		case l.value == nil:
		case *l.value > l.high:
			return constraint(strconv.Itoa(*l.value), l.path, fmt.Sprintf("have value less than or equal to %d", l.high))
		case *l.value < l.low:
			return constraint(strconv.Itoa(*l.value), l.path, fmt.Sprintf("have value greater than or equal to %d", l.low))
		}
	}
	return nil
}

// apply sets what was said of the log. Levels belong to the JSON format alone.
func (l *Logging) apply(to *lambda.Logging) error {
	if l == nil {
		return nil
	}
	assign(&to.Format, l.Format)
	assign(&to.Group, l.Group)
	if to.Format != "JSON" {
		if l.ApplicationLevel != nil || l.SystemLevel != nil {
			return invalid("ApplicationLogLevel and SystemLogLevel can only be set with LogFormat JSON.")
		}
		to.ApplicationLevel, to.SystemLevel = "", ""
		return nil
	}
	assign(&to.ApplicationLevel, l.ApplicationLevel)
	assign(&to.SystemLevel, l.SystemLevel)
	for _, level := range []*string{&to.ApplicationLevel, &to.SystemLevel} {
		if *level == "" {
			*level = "INFO"
		}
	}
	return nil
}

// reservedKeys are the environment variables that belong to the platform.
var reservedKeys = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

func checkEnvironment(env map[string]string) error {
	var reserved []string
	for key, value := range env {
		if slices.Contains(reservedKeys, key) {
			reserved = append(reserved, key)
		}
		if strings.ContainsRune(key, 0) || strings.ContainsRune(key, '=') || strings.ContainsRune(value, 0) {
			return invalid("The environment variable %q can't be set: names hold no = and neither names nor values hold a NUL.", key)
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided "+
			"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s",
			strings.Join(reserved, ", "))
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(env); err != nil {
		return fmt.Errorf("measure the environment: %w", err)
	}
	measured := strings.TrimSuffix(text.String(), "\n")
	if len(measured) > lambda.MaxEnvironmentBytes {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided "+
			"exceeded the 4KB limit. String measured: %s", measured)
	}
	return nil
}

// created answers what the caller of CreateFunction sees: the first of two steps.
func created(c lambda.Configuration, revision string) *lambda.Configuration {
	c.RevisionID = revision
	c.State, c.StateReason, c.StateReasonCode = lambda.StatePending, "The function is being created.", "Creating"
	c.LastUpdate = ""
	return &c
}

// updated answers what the caller of an update sees: the first of two steps.
func updated(c lambda.Configuration, revision string) *lambda.Configuration {
	c.RevisionID = revision
	c.LastUpdate, c.LastUpdateReason, c.LastUpdateReasonCode = lambda.UpdateInProgress, "The function is being created.", "Creating"
	return &c
}

// settled ends a change: what everybody sees from now on.
func settled(c *lambda.Configuration, now time.Time, revision string) {
	c.RevisionID, c.LastModified = revision, now
	c.State, c.StateReason, c.StateReasonCode = lambda.StateActive, "", ""
	c.LastUpdate, c.LastUpdateReason, c.LastUpdateReasonCode = lambda.UpdateSuccessful, "", ""
}

// pick answers the version that an alias means for this roll, in [0,1).
func (a *Alias) pick(roll float64) string {
	for version, weight := range a.Weights { // at most one
		if roll < weight {
			return version
		}
	}
	return a.Version
}

// checkRouting checks an alias's versions against each other; whether they exist is another matter.
func checkRouting(version string, weights map[string]float64) error {
	switch {
	case len(weights) > 1:
		return invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
	case len(weights) == 0:
		return nil
	case version == lambda.Latest:
		return invalid("$LATEST is not supported for an alias pointing to more than 1 version")
	}
	if _, twice := weights[version]; twice {
		return invalid("Invalid function version %s. Function version %[1]s is already included in routing configuration.", version)
	}
	return nil
}

func checkRevision(want, have string) error {
	if want == "" || want == have {
		return nil
	}
	return lambda.Errorf(lambda.PreconditionFailed,
		"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
}
