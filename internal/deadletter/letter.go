package deadletter

import (
	"strings"
	"time"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
)

// Bounds of what a letter keeps. The payload is never cut.
const (
	MaxMessageBytes = 8 << 10 // of an error message
	maxTypeBytes    = 256     // of an error type
	maxFrameBytes   = 1 << 10 // of one stack frame
	MaxEdits        = 100     // of one letter's payload, over all its lives
	maxEditBytes    = 8 << 20 // of the earlier payloads together
	maxAttempts     = 1000    // of all lives; the oldest are forgotten first
	maxDetailed     = 100     // the newest attempts that keep stack and log
)

// Summary is what lists show of a letter and what filters read.
type Summary struct {
	ID           string
	RequestID    string
	Function     lambda.FunctionID
	Qualifier    string // as called; "" is unqualified
	Condition    lambda.Condition
	Ending       lambda.Condition // the event's own, which DestinationFailed hides; "" is success
	ErrorType    string
	ErrorMessage string
	Fingerprint  string
	Destination  *lambda.DestinationFailure // of DestinationFailed
	AcceptedAt   time.Time
	BuriedAt     time.Time
	AttemptCount int    // over all lives
	RedriveJob   string // the job that made the event of which this is the letter
}

// Letter is one whole dead letter.
type Letter struct {
	Summary
	EventID       string
	Payload       []byte
	ClientContext string
	TraceHeader   string
	Attempts      []lambda.Attempt // of the last life; earlier ones are in Provenance
	Provenance    lambda.Provenance
}

// History answers the attempts of all lives, oldest first, numbered throughout.
func (l *Letter) History() []lambda.Attempt {
	all := make([]lambda.Attempt, 0, len(l.Provenance.Earlier)+len(l.Attempts))
	all = append(append(all, l.Provenance.Earlier...), l.Attempts...)
	for i := range all {
		all[i].Number = i + 1
	}
	return all
}

// compose makes the letter of a burial. It is pure: the same burial gives the same letter.
func compose(b *lambda.Burial) *Letter {
	e := b.Event
	l := &Letter{
		Summary: Summary{
			RequestID: e.RequestID, Function: e.Function, Qualifier: e.Qualifier, Condition: b.Condition, Ending: b.Ending,
			ErrorType: b.ErrorType, ErrorMessage: b.ErrorMessage,
			AcceptedAt: e.AcceptedAt, BuriedAt: b.At.UTC().Truncate(time.Millisecond),
			AttemptCount: len(e.Provenance.Earlier) + len(e.Attempts), RedriveJob: e.Provenance.RedriveJob,
		},
		EventID: e.ID, Payload: e.Payload, ClientContext: e.ClientContext, TraceHeader: e.TraceHeader,
		Attempts: clean(e.Attempts), Provenance: e.Provenance,
	}
	var stack []string
	if n := len(l.Attempts); n > 0 {
		last := l.Attempts[n-1]
		stack = last.StackTrace
		if l.ErrorType == "" && l.ErrorMessage == "" {
			l.ErrorType, l.ErrorMessage = last.ErrorType, last.ErrorMessage
		}
	}
	if b.Destination != nil {
		l.Destination = &lambda.DestinationFailure{ARN: cut(b.Destination.ARN, MaxMessageBytes), Error: cut(b.Destination.Error, MaxMessageBytes)}
		if l.ErrorMessage == "" {
			l.ErrorMessage = l.Destination.Error
		}
	}
	// A letter always says something of what went wrong: groups are made of it.
	if l.ErrorType == "" {
		l.ErrorType = string(b.Condition)
	}
	l.ErrorType, l.ErrorMessage = cut(l.ErrorType, maxTypeBytes), cut(l.ErrorMessage, MaxMessageBytes)
	l.Fingerprint = Fingerprint(l.Function, l.ErrorType, l.ErrorMessage, stack)
	l.ID = newID(l.BuriedAt, e.ID)
	return l
}

// clean bounds what came out of user code.
func clean(attempts []lambda.Attempt) []lambda.Attempt {
	out := make([]lambda.Attempt, len(attempts))
	for i, a := range attempts {
		a.ErrorType, a.ErrorMessage = cut(a.ErrorType, maxTypeBytes), cut(a.ErrorMessage, MaxMessageBytes)
		a.LogTail = cutFront(a.LogTail, lambda.MaxLogTailBytes)
		frames := a.StackTrace[:min(len(a.StackTrace), lambda.MaxStackFrames)]
		a.StackTrace = make([]string, len(frames))
		for k, f := range frames {
			a.StackTrace[k] = cut(f, maxFrameBytes)
		}
		out[i] = a
	}
	return out
}

// cut keeps the first bytes of a text, whole characters of valid UTF-8.
func cut(s string, limit int) string {
	if len(s) > limit {
		for range utf8.UTFMax - 1 {
			if utf8.RuneStart(s[limit]) {
				break
			}
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// cutFront keeps the last bytes of a text.
func cutFront(s string, limit int) string {
	if len(s) > limit {
		s = s[len(s)-limit:]
		for range utf8.UTFMax - 1 {
			if utf8.RuneStart(s[0]) {
				break
			}
			s = s[1:]
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// forget bounds the history of a letter that failed in many lives.
func forget(all []lambda.Attempt) []lambda.Attempt {
	if len(all) > maxAttempts {
		all = all[len(all)-maxAttempts:]
	}
	out := append([]lambda.Attempt(nil), all...)
	for i := range max(len(out)-maxDetailed, 0) {
		out[i].StackTrace, out[i].LogTail = nil, ""
	}
	return out
}
