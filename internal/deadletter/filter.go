package deadletter

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Filter chooses letters of one account. The zero value of a field asks for nothing.
type Filter struct {
	Function    lambda.FunctionID `json:"function,omitzero"`
	Qualifier   string            `json:"qualifier,omitempty"` // "$LATEST" is unqualified calls too
	ErrorType   string            `json:"errorType,omitempty"`
	Condition   lambda.Condition  `json:"condition,omitempty"` // the letter's, or its event's own ending
	Fingerprint string            `json:"fingerprint,omitempty"`
	Text        string            `json:"text,omitempty"` // anywhere in the error message or the destination's, in any case
	Since       time.Time         `json:"since,omitzero"` // of burial, inclusive
	Until       time.Time         `json:"until,omitzero"` // of burial, exclusive
}

// Empty says whether the filter chooses every letter.
func (f Filter) Empty() bool { return f == Filter{} }

// match says whether the filter chooses a letter.
func (f *Filter) match(s *Summary) bool {
	return (f.Function == lambda.FunctionID{} || f.Function == s.Function) &&
		(f.Qualifier == "" || f.Qualifier == s.Qualifier || f.Qualifier == lambda.Latest && s.Qualifier == "") &&
		(f.ErrorType == "" || f.ErrorType == s.ErrorType) &&
		(f.Condition == "" || f.Condition == s.Condition || f.Condition == s.Ending) &&
		(f.Fingerprint == "" || f.Fingerprint == s.Fingerprint) &&
		(f.Text == "" || contains(s, f.Text)) &&
		(f.Since.IsZero() || !s.BuriedAt.Before(ceil(f.Since))) &&
		(f.Until.IsZero() || s.BuriedAt.Before(ceil(f.Until)))
}

func contains(s *Summary, text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(strings.ToLower(s.ErrorMessage), text) ||
		s.Destination != nil && strings.Contains(strings.ToLower(s.Destination.Error), text)
}

// ceil rounds up to the millisecond, which is what burial times are counted in.
func ceil(t time.Time) time.Time {
	if whole := t.Truncate(time.Millisecond); whole.Before(t) {
		return whole.Add(time.Millisecond)
	}
	return t
}

// indexed says whether the filter is decided by index keys alone, once a group's function and
// error type are known.
func (f *Filter) indexed() bool { return f.Qualifier == "" && f.Condition == "" && f.Text == "" }

// prefix answers the narrowest index that the filter names; heads says that its values are heads.
func (f *Filter) prefix(account string) (prefix []byte, heads bool) {
	named := f.Function != lambda.FunctionID{}
	switch {
	case f.Fingerprint != "":
		return kv.Key(kv.LetterByPrint, account, f.Fingerprint), false
	case named && f.ErrorType != "":
		return kv.FunctionKey(kv.LetterByBoth, f.Function, shortHash(f.ErrorType)), false
	case named:
		return kv.FunctionKey(kv.LetterByFunction, f.Function), false
	case f.ErrorType != "":
		return kv.Key(kv.LetterByType, account, shortHash(f.ErrorType)), false
	}
	return kv.Key(kv.Letter, account), true
}

// window narrows a prefix of which letter ids come next to the filter's time.
func (f *Filter) window(prefix []byte) kv.Range {
	r := kv.Prefix(prefix)
	if !f.Since.IsZero() {
		r.From = idKey(prefix, firstID(ceil(f.Since)))
	}
	if !f.Until.IsZero() {
		r.To = idKey(prefix, firstID(ceil(f.Until)))
	}
	return r
}

// idKey is the key of an id below a prefix.
func idKey(prefix []byte, id string) []byte {
	k := make([]byte, 0, len(prefix)+len(id)+1)
	return append(append(append(k, prefix...), id...), 0)
}

// check refuses what can't be in a key and a window that can hold nothing.
func (f *Filter) check(account string) error {
	if f.Function != (lambda.FunctionID{}) && f.Function.Account != account {
		return lambda.Errorf(lambda.AccessDenied, "%s belongs to another account.", f.Function.ARN())
	}
	if strings.ContainsRune(f.Fingerprint, 0) || len(f.Fingerprint) > 64 {
		return lambda.Errorf(lambda.InvalidParameterValue, "The fingerprint is not one of a dead letter.")
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return lambda.Errorf(lambda.InvalidParameterValue, "since must be before until.")
	}
	return nil
}

// mark names a filter without its window, whose ends a caller may give as "an hour ago".
func (f Filter) mark(account string) []byte {
	since, until := !f.Since.IsZero(), !f.Until.IsZero()
	f.Since, f.Until = time.Time{}, time.Time{}
	text, err := json.Marshal([]any{account, f, since, until})
	if err != nil {
		return nil // a Filter always marshals
	}
	sum := sha256.Sum256(text)
	return sum[:8]
}

// token is where the next page begins. It carries the first page's window, so that a window
// counted back from now does not move between pages.
type token struct {
	after        string // the last id shown
	since, until time.Time
}

const tokenVersion = 1

// encodeToken binds a token to its filter.
func encodeToken(account string, f Filter, after string) string {
	e := encoder{b: []byte{tokenVersion}}
	e.b = append(e.b, f.mark(account)...)
	e.text(after)
	e.time(f.Since)
	e.time(f.Until)
	return base64.RawURLEncoding.EncodeToString(e.b)
}

// decodeToken reads a token that was given for the same filter.
func decodeToken(account string, f Filter, text string) (token, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 9 || b[0] != tokenVersion || string(b[1:9]) != string(f.mark(account)) {
		return token{}, false
	}
	d := decoder{b: b[9:]}
	t := token{after: d.text(), since: d.time(), until: d.time()}
	ok := d.close() == nil && validID(t.after) && t.since.IsZero() == f.Since.IsZero() && t.until.IsZero() == f.Until.IsZero()
	return t, ok
}

// ParseWhen reads RFC 3339, or a duration back from now: "90s", "15m", "1h30m", "7d", "2w".
func ParseWhen(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	back, err := time.ParseDuration(text)
	if n := len(text); err != nil && n > 1 && (text[n-1] == 'd' || text[n-1] == 'w') {
		unit := 24
		if text[n-1] == 'w' {
			unit *= 7
		}
		var whole time.Duration
		if whole, err = time.ParseDuration(text[:n-1] + "h"); err == nil && whole < 100*365*24*time.Hour {
			back = whole * time.Duration(unit)
		}
	}
	if err != nil || back <= 0 || back > 100*365*24*time.Hour {
		return time.Time{}, lambda.Errorf(lambda.InvalidParameterValue,
			"%.64q is no time: give RFC 3339 (2006-01-02T15:04:05Z) or a duration back from now (90s, 15m, 1h, 7d).", text)
	}
	return now.Add(-back), nil
}
