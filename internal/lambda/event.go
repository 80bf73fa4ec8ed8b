package lambda

import "time"

// Event is one accepted asynchronous invocation. It is the unit that is never lost.
type Event struct {
	ID            string     // time-ordered, unique in a store; the key, never shown to AWS clients
	RequestID     string     // UUID; the same over all attempts
	Function      FunctionID // the function called
	Qualifier     string     // as called: "" (unqualified), "$LATEST", a version or an alias; resolved late
	Payload       []byte     // byte for byte as accepted
	ClientContext string     // base64 JSON, or ""
	TraceHeader   string     // X-Amzn-Trace-Id
	AcceptedAt    time.Time  // MaximumEventAge counts from here
	Attempts      []Attempt  // those that count, oldest first
	Backoffs      int        // throttles and system errors since the last attempt; they use no attempt
	Provenance    Provenance // where it came from, when not from a caller
}

// Provenance links an event that was processed again to what it was before.
type Provenance struct {
	RedrivenFrom string    `json:"redrivenFrom,omitempty"` // the dead letter's id
	RedriveJob   string    `json:"redriveJob,omitempty"`
	Edits        []Edit    `json:"edits,omitempty"`   // oldest first
	Earlier      []Attempt `json:"earlier,omitempty"` // attempts of earlier lives, oldest first
}

// Edit records that a person replaced a payload.
type Edit struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`      // access key or account
	Payload string    `json:"payload"` // the text before the edit
}

// Status is how an attempt ended.
type Status string

// The statuses of an attempt.
const (
	StatusRunning   Status = "running" // written before the start; found after a crash
	StatusSuccess   Status = "success"
	StatusError     Status = "error" // the function failed, exited or could not initialise
	StatusTimeout   Status = "timeout"
	StatusThrottled Status = "throttled"
	StatusSystem    Status = "system" // our own fault
)

// Attempt is one run of an event: what happened and what it ran with.
type Attempt struct {
	Number          int           `json:"number"` // from 1
	StartedAt       time.Time     `json:"startedAt"`
	Duration        time.Duration `json:"duration"`
	Init            time.Duration `json:"init"` // 0: a warm environment
	Version         string        `json:"version"`
	Status          Status        `json:"status"`
	ErrorType       string        `json:"errorType,omitempty"`
	ErrorMessage    string        `json:"errorMessage,omitempty"`
	StackTrace      []string      `json:"stackTrace,omitempty"` // at most 50 frames
	LogTail         string        `json:"logTail,omitempty"`    // at most the last 4 KB
	MemorySizeMB    int           `json:"memorySizeMB"`
	MaxMemoryUsedMB int           `json:"maxMemoryUsedMB"`
	TimeoutSeconds  int           `json:"timeoutSeconds"`
}

// Outcome is the judged result of one invocation that met an execution environment.
// What never met one (throttled, no such function, our own fault) is an Error instead.
type Outcome struct {
	Payload       []byte  // the function's answer or its error document, verbatim
	FunctionError string  // "" or "Unhandled"
	LogTail       []byte  // the last 4 KB of this invocation's log
	Attempt       Attempt // Number is the caller's to set
}
