package client

import (
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// Filter chooses dead letters; the zero value chooses all.
type Filter struct {
	Function    string `json:"function,omitempty"`
	Qualifier   string `json:"qualifier,omitempty"`
	ErrorType   string `json:"errorType,omitempty"`
	Condition   string `json:"condition,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Text        string `json:"text,omitempty"`
	Since       string `json:"since,omitempty"` // RFC 3339, of buriedAt, inclusive
	Until       string `json:"until,omitempty"` // RFC 3339, of buriedAt
}

// Query answers the filter as query parameters.
func (f Filter) Query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{
		"function": f.Function, "qualifier": f.Qualifier, "errorType": f.ErrorType, "condition": f.Condition,
		"fingerprint": f.Fingerprint, "text": f.Text, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// Page adds a page's size and start to query parameters; 0 and "" leave the server's own.
func Page(query url.Values, limit int, nextToken string) url.Values {
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	if nextToken != "" {
		query.Set("nextToken", nextToken)
	}
	return query
}

// DeadLetter is an event that could not be processed. Payload and what follows are answered for
// one letter only, not in a list.
type DeadLetter struct {
	ID           string       `json:"id"`
	RequestID    string       `json:"requestId"`
	FunctionARN  string       `json:"functionArn"`
	Qualifier    string       `json:"qualifier"`
	Condition    string       `json:"condition"`
	Ending       string       `json:"ending,omitempty"` // how the event ended, where DestinationFailed hides it
	ErrorType    string       `json:"errorType"`
	ErrorMessage string       `json:"errorMessage"`
	Fingerprint  string       `json:"fingerprint"`
	AcceptedAt   time.Time    `json:"acceptedAt"`
	BuriedAt     time.Time    `json:"buriedAt"`
	AttemptCount int          `json:"attemptCount"`
	Destination  *Destination `json:"destination,omitempty"`
	Payload      string       `json:"payload"` // the exact text
	Attempts     []Attempt    `json:"attempts"`
	Provenance   Provenance   `json:"provenance"`
}

// Destination is a target that did not take how an event ended.
type Destination struct {
	ARN   string `json:"arn"`
	Error string `json:"error"`
}

// Attempt is one run of an event.
type Attempt struct {
	Number          int       `json:"number"`
	StartedAt       time.Time `json:"startedAt"`
	DurationMs      float64   `json:"durationMs"`
	InitMs          float64   `json:"initMs"`
	Version         string    `json:"version"`
	Status          string    `json:"status"`
	ErrorType       string    `json:"errorType"`
	ErrorMessage    string    `json:"errorMessage"`
	StackTrace      []string  `json:"stackTrace"`
	LogTail         string    `json:"logTail"`
	MemorySizeMB    int       `json:"memorySizeMB"`
	MaxMemoryUsedMB int       `json:"maxMemoryUsedMB"`
	TimeoutSeconds  int       `json:"timeoutSeconds"`
}

// Provenance says where an event came from when it was processed again.
type Provenance struct {
	RedrivenFrom string `json:"redrivenFrom"`
	RedriveJob   string `json:"redriveJob"`
	Edits        []Edit `json:"edits"`
}

// Edit records that a payload was replaced; Payload is the one before.
type Edit struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Payload string    `json:"payload"`
}

// DeadLetters is one page of dead letters.
type DeadLetters struct {
	DeadLetters []DeadLetter `json:"deadLetters"`
	NextToken   string       `json:"nextToken"`
}

// Groups are dead letters that failed alike.
type Groups struct {
	Groups []Group `json:"groups"`
}

// Group counts the dead letters of one fingerprint.
type Group struct {
	Fingerprint  string    `json:"fingerprint"`
	FunctionARN  string    `json:"functionArn"`
	ErrorType    string    `json:"errorType"`
	ErrorMessage string    `json:"errorMessage"`
	Count        int       `json:"count"`
	FirstAt      time.Time `json:"firstAt"`
	LastAt       time.Time `json:"lastAt"`
}

// Selection names the dead letters of a job: ids, a filter or all of them.
type Selection struct {
	IDs    []string `json:"ids,omitempty"`
	Filter *Filter  `json:"filter,omitempty"`
	All    bool     `json:"all,omitempty"`
}

// Redrive asks for dead letters to be processed again.
type Redrive struct {
	Selection
	To           string          `json:"to,omitempty"` // another qualifier
	PayloadPatch json.RawMessage `json:"payloadPatch,omitempty"`
	DryRun       bool            `json:"dryRun,omitempty"`
}

// Job is the server's work on many dead letters.
type Job struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`  // redrive, purge
	State     string    `json:"state"` // running, paused, completed, cancelled, failed
	Matched   int       `json:"matched"`
	Moved     int       `json:"moved"`   // queued again or deleted
	Failed    int       `json:"failed"`  // left where they are
	Skipped   int       `json:"skipped"` // gone when the job came to them
	DryRun    bool      `json:"dryRun"`
	To        string    `json:"to"`
	By        string    `json:"by"`
	Reason    string    `json:"reason"` // why letters, or the job, failed
	CreatedAt time.Time `json:"createdAt"`
	EndedAt   time.Time `json:"endedAt"`
}

// Ended says whether a job's figures are final.
func (j Job) Ended() bool {
	return j.State == "completed" || j.State == "cancelled" || j.State == "failed"
}

// Jobs are the jobs that the server still knows.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// LogLine is one line of a function's log.
type LogLine struct {
	At      time.Time `json:"at"`
	Stream  string    `json:"stream"`
	Version string    `json:"version"`
	Message string    `json:"message"`
}

// Accounts are the server's accounts.
type Accounts struct {
	Accounts []Account `json:"accounts"`
}

// Account is one account.
type Account struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
}

// Keys are an account's access keys, without their secrets.
type Keys struct {
	Keys []Key `json:"keys"`
}

// Key is an access key; the secret is answered once, when the key is made.
type Key struct {
	AccessKey string    `json:"accessKeyId"`
	SecretKey string    `json:"secretAccessKey"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
}
