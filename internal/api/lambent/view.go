package lambent

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"lambent.dev/lambent/internal/deadletter"
	"lambent.dev/lambent/internal/lambda"
)

// The answers. Field names are the API's contract; `doc` becomes the OpenAPI description, and a
// field without omitempty is always there.

type errorBody struct {
	Code    string `json:"code" doc:"what went wrong, for programs: ResourceNotFoundException and the like"`
	Message string `json:"message" doc:"what went wrong, for people"`
}

// stamp is a time on the wire.
type stamp string

func stampOf(t time.Time) stamp {
	if t.IsZero() {
		return ""
	}
	return stamp(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

type summaryView struct {
	ID           string           `json:"id"`
	RequestID    string           `json:"requestId"`
	FunctionARN  string           `json:"functionArn"`
	Qualifier    string           `json:"qualifier" doc:"as called; $LATEST for unqualified calls"`
	Condition    string           `json:"condition" doc:"why the event was given up"`
	Ending       string           `json:"ending,omitempty" doc:"how the event itself ended, where condition does not say: of DestinationFailed; left out when it succeeded"`
	ErrorType    string           `json:"errorType"`
	ErrorMessage string           `json:"errorMessage"`
	Fingerprint  string           `json:"fingerprint" doc:"the group of failures alike"`
	AcceptedAt   stamp            `json:"acceptedAt"`
	BuriedAt     stamp            `json:"buriedAt"`
	AttemptCount int              `json:"attemptCount" doc:"over all lives of the event"`
	Destination  *destinationView `json:"destination,omitempty" doc:"of DestinationFailed: what did not take the outcome"`
}

type destinationView struct {
	ARN   string `json:"arn"`
	Error string `json:"error"`
}

type letterView struct {
	summaryView
	Payload       string         `json:"payload" doc:"the exact text"`
	PayloadBase64 string         `json:"payloadBase64,omitempty" doc:"the exact bytes, when they are not UTF-8"`
	ClientContext string         `json:"clientContext,omitempty"`
	Attempts      []attemptView  `json:"attempts" doc:"of all lives, oldest first"`
	Provenance    provenanceView `json:"provenance"`
}

type attemptView struct {
	Number          int      `json:"number"`
	StartedAt       stamp    `json:"startedAt"`
	DurationMs      float64  `json:"durationMs"`
	InitMs          float64  `json:"initMs" doc:"0: a warm environment"`
	Version         string   `json:"version"`
	Status          string   `json:"status"`
	ErrorType       string   `json:"errorType"`
	ErrorMessage    string   `json:"errorMessage"`
	StackTrace      []string `json:"stackTrace"`
	LogTail         string   `json:"logTail"`
	MemorySizeMB    int      `json:"memorySizeMB"`
	MaxMemoryUsedMB int      `json:"maxMemoryUsedMB"`
	TimeoutSeconds  int      `json:"timeoutSeconds"`
}

type provenanceView struct {
	RedrivenFrom string     `json:"redrivenFrom" doc:"the dead letter that this event was before, or empty"`
	RedriveJob   string     `json:"redriveJob" doc:"the job that redrove it, or empty"`
	Edits        []editView `json:"edits"`
}

type editView struct {
	At      stamp  `json:"at"`
	By      string `json:"by" doc:"access key or account"`
	Payload string `json:"payload" doc:"the text before the edit"`
}

type lettersView struct {
	DeadLetters []summaryView `json:"deadLetters" doc:"newest first"`
	NextToken   string        `json:"nextToken,omitempty"`
}

type groupView struct {
	Fingerprint  string `json:"fingerprint"`
	FunctionARN  string `json:"functionArn"`
	ErrorType    string `json:"errorType"`
	ErrorMessage string `json:"errorMessage" doc:"of the newest"`
	Count        int    `json:"count"`
	FirstAt      stamp  `json:"firstAt"`
	LastAt       stamp  `json:"lastAt"`
}

type groupsView struct {
	Groups []groupView `json:"groups" doc:"the largest first"`
}

type jobView struct {
	ID        string      `json:"id"`
	Kind      string      `json:"kind" doc:"redrive or purge"`
	State     string      `json:"state" doc:"running, paused, completed, cancelled or failed"`
	Matched   int         `json:"matched"`
	Moved     int         `json:"moved" doc:"redriven or purged"`
	Failed    int         `json:"failed" doc:"left where they are; see reason"`
	Skipped   int         `json:"skipped" doc:"gone when the job came to them"`
	DryRun    bool        `json:"dryRun"`
	To        string      `json:"to,omitempty"`
	By        string      `json:"by"`
	Reason    string      `json:"reason,omitempty"`
	CreatedAt stamp       `json:"createdAt"`
	EndedAt   stamp       `json:"endedAt,omitempty"`
	Groups    []groupView `json:"groups,omitempty" doc:"of a dry run, in its first answer"`
}

type jobsView struct {
	Jobs []jobView `json:"jobs" doc:"newest first"`
}

type accountView struct {
	ID        string `json:"id"`
	CreatedAt stamp  `json:"createdAt,omitempty"`
}

type accountsView struct {
	Accounts []accountView `json:"accounts"`
}

type keyView struct {
	AccessKeyID string `json:"accessKeyId"`
	CreatedAt   stamp  `json:"createdAt,omitempty"`
}

type newKeyView struct {
	keyView
	SecretAccessKey string `json:"secretAccessKey" doc:"answered this once"`
	Account         string `json:"account"`
}

type keysView struct {
	Keys []keyView `json:"keys"`
}

type lineView struct {
	At      stamp  `json:"at"`
	Stream  string `json:"stream"`
	Version string `json:"version"`
	Message string `json:"message"`
}

func viewSummary(s *deadletter.Summary) summaryView {
	v := summaryView{
		ID: s.ID, RequestID: s.RequestID, FunctionARN: s.Function.ARN(), Qualifier: s.Qualifier, Condition: string(s.Condition),
		ErrorType: s.ErrorType, ErrorMessage: s.ErrorMessage, Fingerprint: s.Fingerprint,
		AcceptedAt: stampOf(s.AcceptedAt), BuriedAt: stampOf(s.BuriedAt), AttemptCount: s.AttemptCount,
	}
	if v.Qualifier == "" {
		v.Qualifier = lambda.Latest
	}
	if s.Ending != s.Condition {
		v.Ending = string(s.Ending)
	}
	if s.Destination != nil {
		v.Destination = &destinationView{ARN: s.Destination.ARN, Error: s.Destination.Error}
	}
	return v
}

func viewLetter(l *deadletter.Letter) letterView {
	v := letterView{summaryView: viewSummary(&l.Summary), Payload: string(l.Payload), ClientContext: l.ClientContext, Attempts: []attemptView{}}
	if !utf8.Valid(l.Payload) {
		v.PayloadBase64 = base64.StdEncoding.EncodeToString(l.Payload)
	}
	for _, a := range l.History() {
		v.Attempts = append(v.Attempts, attemptView{
			Number: a.Number, StartedAt: stampOf(a.StartedAt), DurationMs: milliseconds(a.Duration), InitMs: milliseconds(a.Init),
			Version: a.Version, Status: string(a.Status), ErrorType: a.ErrorType, ErrorMessage: a.ErrorMessage,
			StackTrace: append([]string{}, a.StackTrace...), LogTail: a.LogTail,
			MemorySizeMB: a.MemorySizeMB, MaxMemoryUsedMB: a.MaxMemoryUsedMB, TimeoutSeconds: a.TimeoutSeconds,
		})
	}
	v.Provenance = provenanceView{RedrivenFrom: l.Provenance.RedrivenFrom, RedriveJob: l.Provenance.RedriveJob, Edits: []editView{}}
	for _, e := range l.Provenance.Edits {
		v.Provenance.Edits = append(v.Provenance.Edits, editView{At: stampOf(e.At), By: e.By, Payload: e.Payload})
	}
	return v
}

// milliseconds answers a duration as AWS's REPORT line does, to a hundredth.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)/(10*time.Microsecond)) / 100
}

func viewGroups(groups []deadletter.Group) []groupView {
	out := make([]groupView, 0, len(groups))
	for _, g := range groups {
		out = append(out, groupView{
			Fingerprint: g.Fingerprint, FunctionARN: g.Function.ARN(), ErrorType: g.ErrorType, ErrorMessage: g.ErrorMessage,
			Count: g.Count, FirstAt: stampOf(g.FirstAt), LastAt: stampOf(g.LastAt),
		})
	}
	return out
}

func viewJob(j *deadletter.Job) jobView {
	return jobView{
		ID: j.ID, Kind: string(j.Kind), State: string(j.State), Matched: j.Matched, Moved: j.Moved, Failed: j.Failed, Skipped: j.Skipped,
		DryRun: j.DryRun, To: j.To, By: j.By, Reason: j.Reason, CreatedAt: stampOf(j.CreatedAt), EndedAt: stampOf(j.EndedAt), Groups: viewGroups(j.Groups),
	}
}
