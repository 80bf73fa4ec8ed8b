package lambda

import "time"

// State is a function version's lifecycle state, in AWS's words.
type State string

// The states that Lambent uses.
const (
	StatePending State = "Pending"
	StateActive  State = "Active"
	StateFailed  State = "Failed"
)

// UpdateStatus is how the last update of a function ended, in AWS's words.
type UpdateStatus string

// The update statuses.
const (
	UpdateSuccessful UpdateStatus = "Successful"
	UpdateFailed     UpdateStatus = "Failed"
	UpdateInProgress UpdateStatus = "InProgress"
)

// Configuration is one version of a function: its code and all its execution parameters.
// It is what AWS calls FunctionConfiguration. nil maps and slices were never set.
type Configuration struct {
	Function FunctionID `json:"function"`
	Version  string     `json:"version"` // "$LATEST" or a number

	Description   string            `json:"description,omitempty"`
	PackageType   string            `json:"packageType"` // "Zip"
	Runtime       string            `json:"runtime"`     // as asked for: "python3.12"
	Handler       string            `json:"handler"`
	Role          string            `json:"role"`
	TimeoutSec    int               `json:"timeoutSec"`
	MemoryMB      int               `json:"memoryMB"`
	EphemeralMB   int               `json:"ephemeralMB"`
	Architectures []string          `json:"architectures"`
	Environment   map[string]string `json:"environment,omitempty"` // see HasEnvironment

	// HasEnvironment says that Environment was set, perhaps to nothing: AWS shows the two differently.
	HasEnvironment bool `json:"hasEnvironment,omitempty"`

	CodeSHA256 string `json:"codeSha256"` // base64 of the zip's SHA-256
	CodeBytes  int64  `json:"codeBytes"`  // of the zip

	DeadLetterARN string   `json:"deadLetterArn,omitempty"`
	TracingMode   string   `json:"tracingMode"` // "PassThrough" or "Active"
	Logging       Logging  `json:"logging"`
	SnapStart     string   `json:"snapStart"` // "None" or "PublishedVersions"
	KMSKeyARN     string   `json:"kmsKeyArn,omitempty"`
	VPC           *VPC     `json:"vpc,omitempty"`
	Layers        []string `json:"layers,omitempty"`

	RevisionID   string    `json:"revisionId"`
	LastModified time.Time `json:"lastModified"`

	State                State        `json:"state"`
	StateReason          string       `json:"stateReason,omitempty"`
	StateReasonCode      string       `json:"stateReasonCode,omitempty"`
	LastUpdate           UpdateStatus `json:"lastUpdate,omitempty"`
	LastUpdateReason     string       `json:"lastUpdateReason,omitempty"`
	LastUpdateReasonCode string       `json:"lastUpdateReasonCode,omitempty"`
}

// Logging says how a function's log is written.
type Logging struct {
	Format           string `json:"format"` // "Text" or "JSON"
	Group            string `json:"group"`
	ApplicationLevel string `json:"applicationLevel,omitempty"` // JSON only
	SystemLevel      string `json:"systemLevel,omitempty"`      // JSON only
}

// VPC is kept and answered; Lambent attaches no network from it.
type VPC struct {
	SubnetIDs        []string `json:"subnetIds"`
	SecurityGroupIDs []string `json:"securityGroupIds"`
	IPv6             bool     `json:"ipv6"`
}

// ARN answers the version's qualified ARN.
func (c *Configuration) ARN() string { return c.Function.QualifiedARN(c.Version) }

// AsyncConfig is an EventInvokeConfig: what happens to asynchronous invocations of one qualifier.
type AsyncConfig struct {
	MaxRetries   *int      `json:"maxRetries,omitempty"` // 0 to 2; nil: 2
	MaxAgeSec    *int      `json:"maxAgeSec,omitempty"`  // 60 to 21,600; nil: 21,600
	OnSuccess    string    `json:"onSuccess,omitempty"`  // destination ARN
	OnFailure    string    `json:"onFailure,omitempty"`  // destination ARN
	LastModified time.Time `json:"lastModified"`
}
