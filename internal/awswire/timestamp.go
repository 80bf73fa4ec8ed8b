package awswire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Timestamp is a point in time on the wire: seconds since 1970 with a fraction in JSON, ISO 8601
// in the query protocol and in a URL.
type Timestamp struct{ time.Time }

// At answers t for the wire, which knows milliseconds.
func At(t time.Time) *Timestamp {
	return &Timestamp{t.UTC().Truncate(time.Millisecond)}
}

// MarshalJSON writes seconds since 1970.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds since 1970 or, as AWS does, a text in ISO 8601.
func (t *Timestamp) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		return t.parse(s)
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(seconds) > maxSeconds {
		return fmt.Errorf("%s is not a number of seconds since 1970", raw)
	}
	t.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}

// maxSeconds keeps times within the years that can be written with four digits.
const maxSeconds = 253402300799

// parse reads ISO 8601, or seconds since 1970.
func (t *Timestamp) parse(s string) error {
	if parsed, err := time.Parse(time.RFC3339Nano, s); err == nil {
		t.Time = parsed.UTC()
		return nil
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(seconds) <= maxSeconds {
		t.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
		return nil
	}
	return fmt.Errorf("%q is not a time", s)
}

// iso answers the time in ISO 8601 with the precision that AWS's XML has.
func (t Timestamp) iso() string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
