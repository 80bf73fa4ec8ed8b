package queue

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

func sample() *lambda.Event {
	at := time.Date(2026, 11, 25, 1, 2, 3, 4, time.UTC)
	attempt := lambda.Attempt{Number: 1, StartedAt: at, Duration: time.Second, Init: 3, Version: "7", Status: lambda.StatusError,
		ErrorType: "E", ErrorMessage: "bad \xff\x00\r\n", StackTrace: []string{"a", ""}, LogTail: "log\xfe", MemorySizeMB: 128, MaxMemoryUsedMB: 60, TimeoutSeconds: 3}
	return &lambda.Event{
		ID: "id", RequestID: "req", Function: lambda.FunctionID{Account: "1", Region: "r", Name: "f"}, Qualifier: "live",
		Payload: []byte("{\"a\":\x00\xff}"), ClientContext: "e30=", TraceHeader: "Root=1", AcceptedAt: at, Backoffs: 3,
		Attempts: []lambda.Attempt{attempt, {}},
		Provenance: lambda.Provenance{RedrivenFrom: "l", RedriveJob: "j",
			Edits: []lambda.Edit{{At: at, By: "me", Payload: "before\xff"}}, Earlier: []lambda.Attempt{attempt}},
	}
}

func TestCodec(t *testing.T) {
	for _, e := range []*lambda.Event{sample(), {Payload: []byte{}}} {
		got, err := decodeEvent(encodeEvent(e))
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%v\n got %+v\nwant %+v", err, got, e)
		}
	}
	s := &state{Due: time.Unix(0, 5).UTC(), Backoffs: 2, Attempts: sample().Attempts}
	if got, err := decodeState(encodeState(s)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v %+v", err, got)
	}
}

func TestCodecRefuses(t *testing.T) {
	event, st := encodeEvent(sample()), encodeState(&state{Attempts: sample().Attempts})
	payload := len(sample().Payload)
	for n := range len(event) - payload {
		if _, err := decodeEvent(event[:n]); !errors.Is(err, errUnreadable) {
			t.Fatalf("an event cut to %d bytes: %v", n, err)
		}
	}
	for n := range st {
		if _, err := decodeState(st[:n]); !errors.Is(err, errUnreadable) {
			t.Fatalf("a state cut to %d bytes: %v", n, err)
		}
	}
	event[0], st[0] = eventVersion+1, stateVersion+1
	if _, err := decodeEvent(event); !errors.Is(err, errUnreadable) {
		t.Errorf("a newer event: %v", err)
	}
	if _, err := decodeState(st); !errors.Is(err, errUnreadable) {
		t.Errorf("a newer state: %v", err)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add(encodeEvent(sample()))
	f.Add([]byte{eventVersion})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decodeEvent(raw)
		if err != nil {
			return
		}
		again, err := decodeEvent(encodeEvent(e))
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%v\n%+v\n%+v", err, e, again)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add(encodeState(&state{Due: time.Unix(1, 0), Attempts: sample().Attempts}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := decodeState(raw)
		if err != nil {
			return
		}
		if again := encodeState(s); !bytes.Equal(again, encodeState(s)) {
			t.Fatal("not stable")
		} else if s2, err := decodeState(again); err != nil || !reflect.DeepEqual(s, s2) {
			t.Fatalf("%v\n%+v\n%+v", err, s, s2)
		}
	})
}
