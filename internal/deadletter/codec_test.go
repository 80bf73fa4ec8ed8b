package deadletter

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/lambda"
)

func genTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "zero time") {
		return time.Time{}
	}
	return time.Unix(0, rapid.Int64Range(1, 1<<62).Draw(t, "time")).UTC()
}

func genAttempts(t *rapid.T) (all []lambda.Attempt) {
	text := rapid.String()
	for range rapid.IntRange(0, 3).Draw(t, "attempts") {
		a := lambda.Attempt{
			Number: rapid.IntRange(0, 99).Draw(t, "number"), StartedAt: genTime(t), Duration: time.Duration(rapid.Int64().Draw(t, "duration")),
			Init: time.Duration(rapid.Int64().Draw(t, "init")), Version: text.Draw(t, "version"), Status: lambda.StatusTimeout,
			ErrorType: text.Draw(t, "type"), ErrorMessage: text.Draw(t, "message"), LogTail: text.Draw(t, "log"),
			MemorySizeMB: 128, MaxMemoryUsedMB: 64, TimeoutSeconds: 3,
		}
		for range rapid.IntRange(0, 2).Draw(t, "frames") {
			a.StackTrace = append(a.StackTrace, text.Draw(t, "frame"))
		}
		all = append(all, a)
	}
	return all
}

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		l := &Letter{Summary: Summary{
			ID: newID(genTime(t), text.Draw(t, "seed")), RequestID: text.Draw(t, "request"), Qualifier: text.Draw(t, "qualifier"),
			Function:  lambda.FunctionID{Account: account, Region: text.Draw(t, "region"), Name: text.Draw(t, "name")},
			Condition: lambda.DestinationFailed, Ending: lambda.Condition(text.Draw(t, "ending")), ErrorType: text.Draw(t, "type"), ErrorMessage: text.Draw(t, "message"), Fingerprint: "f",
			AcceptedAt: genTime(t), BuriedAt: genTime(t), AttemptCount: 3, RedriveJob: text.Draw(t, "job"),
		}}
		if rapid.Bool().Draw(t, "destination") {
			l.Destination = &lambda.DestinationFailure{ARN: text.Draw(t, "arn"), Error: text.Draw(t, "error")}
		}
		l.EventID, l.ClientContext, l.TraceHeader = text.Draw(t, "event"), text.Draw(t, "context"), text.Draw(t, "trace")
		l.Attempts = genAttempts(t)
		l.Provenance = lambda.Provenance{RedrivenFrom: "x", RedriveJob: "y", Earlier: genAttempts(t)}
		for range rapid.IntRange(0, 2).Draw(t, "edits") {
			l.Provenance.Edits = append(l.Provenance.Edits, lambda.Edit{At: genTime(t), By: "me", Payload: text.Draw(t, "payload")})
		}
		head, err := decodeHead(account, l.ID, encodeHead(&l.Summary))
		if err != nil {
			t.Fatal(err)
		}
		got := &Letter{Summary: head}
		if err := decodeBody(got, encodeBody(l)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, l) {
			t.Fatalf("got  %+v\nwant %+v", got, l)
		}
	})
}

// FuzzLetter reads arbitrary bytes: no panic, and what is accepted is written back the same or
// reads the same again.
func FuzzLetter(f *testing.F) {
	w := newWorld(f)
	l := compose(&lambda.Burial{Event: w.event("f", `{}`, "E", "m"), Condition: lambda.DestinationFailed, Ending: lambda.RetriesExhausted, At: w.now,
		Destination: &lambda.DestinationFailure{ARN: "arn", Error: "gone"}})
	f.Add(encodeHead(&l.Summary), encodeBody(l))
	f.Add([]byte{1}, []byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{2}, []byte{})
	f.Fuzz(func(t *testing.T, head, body []byte) {
		if s, err := decodeHead(account, l.ID, head); err == nil {
			again, err := decodeHead(account, l.ID, encodeHead(&s))
			if err != nil || !reflect.DeepEqual(again, s) {
				t.Errorf("head: %+v, %v", again, err)
			}
		}
		got := &Letter{Summary: Summary{ID: l.ID}}
		if decodeBody(got, body) == nil {
			encoded := encodeBody(got)
			again := &Letter{Summary: Summary{ID: l.ID}}
			if err := decodeBody(again, encoded); err != nil || !bytes.Equal(encodeBody(again), encoded) {
				t.Errorf("body: %+v, %v", again, err)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	w := newWorld(f)
	filter := Filter{ErrorType: "E", Since: w.now}
	f.Add(encodeToken(account, filter, newID(w.now, "x")))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := decodeToken(account, filter, text)
		if !ok {
			return
		}
		again := filter
		again.Since, again.Until = got.since, got.until
		if back, ok := decodeToken(account, filter, encodeToken(account, again, got.after)); !ok || back != got {
			t.Errorf("%q reads as %+v, written and read again as %+v", text, got, back)
		}
	})
}

func FuzzParseWhen(f *testing.F) {
	for _, s := range []string{"1h", "7d", "2w", "2026-11-25T10:00:00Z", "1.5d", "-1h", "NaNd", "1e9d"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseWhen(text, now)
		if err != nil && lambda.KindOf(err) != lambda.InvalidParameterValue {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && at.Location() != time.UTC {
			t.Errorf("%q: %v", text, at)
		}
	})
}

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"1h":                        now.Add(-time.Hour),
		"1h30m":                     now.Add(-90 * time.Minute),
		"7d":                        now.AddDate(0, 0, -7),
		"2w":                        now.AddDate(0, 0, -14),
		"1.5d":                      now.Add(-36 * time.Hour),
		"2026-11-25T11:00:00+01:00": now,
	} {
		if got, err := ParseWhen(text, now); err != nil || !got.Equal(want) {
			t.Errorf("ParseWhen(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-1h", "0s", "yesterday", "1x", "2026-11-25", "1e99d", "999999999w", "1h\x00"} {
		if got, err := ParseWhen(text, now); err == nil {
			t.Errorf("ParseWhen(%q) = %v, want an error", text, got)
		}
	}
}

func TestIDsSortByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<47)
		a, b := time.UnixMilli(ms.Draw(t, "a")).UTC(), time.UnixMilli(ms.Draw(t, "b")).UTC()
		x, y := newID(a, "x"), newID(b, "y")
		if a.Before(b) && x >= y {
			t.Fatalf("%v %s, %v %s", a, x, b, y)
		}
		if got, ok := timeOf(x); !ok || !got.Equal(a) {
			t.Fatalf("timeOf(%s) = %v, want %v", x, got, a)
		}
		if firstID(a) > x || firstID(a.Add(time.Millisecond)) <= x {
			t.Fatalf("firstID(%v) = %s, id %s", a, firstID(a), x)
		}
	})
}
