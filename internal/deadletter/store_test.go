package deadletter

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

func TestLetterKeepsEverything(t *testing.T) {
	w := newWorld(t)
	payload := "{\"a\": 1e400, \"b\":\"\\u0000<&>\" }\n"
	e := w.event("f", payload, "ValueError", "bad order 17")
	e.Qualifier, e.ClientContext, e.TraceHeader = "live", "e30=", "Root=1-2"
	id := w.bury(e)
	l, err := w.letters.Get(account, id)
	if err != nil {
		t.Fatal(err)
	}
	if string(l.Payload) != payload || l.EventID != e.ID || l.RequestID != e.RequestID || l.Qualifier != "live" ||
		l.ClientContext != "e30=" || l.TraceHeader != "Root=1-2" || !l.AcceptedAt.Equal(e.AcceptedAt) || l.AttemptCount != 1 {
		t.Errorf("letter is %+v", l)
	}
	if l.ErrorType != "ValueError" || l.ErrorMessage != "bad order 17" || l.Condition != lambda.RetriesExhausted {
		t.Errorf("letter says %s, %s, %s", l.ErrorType, l.ErrorMessage, l.Condition)
	}
	if !reflect.DeepEqual(l.History(), e.Attempts) {
		t.Errorf("attempts are %+v, want %+v", l.History(), e.Attempts)
	}
	_, err = w.letters.Get("999900001111", id)
	wantKind(t, err, lambda.ResourceNotFound, id)
	_, err = w.letters.Get(account, "../\x00x")
	wantKind(t, err, lambda.ResourceNotFound, "No dead letter")
}

func TestHostileErrorText(t *testing.T) {
	w := newWorld(t)
	e := w.event("f", `1`, strings.Repeat("T\x00", 500), strings.Repeat("\r\n\x00\xff\xc3", 1<<18)+"end")
	e.Attempts[0].StackTrace = slices.Repeat([]string{strings.Repeat("\xe4", 5000)}, 100)
	e.Attempts[0].LogTail = strings.Repeat("é", 5000)
	id := w.bury(e)
	l, err := w.letters.Get(account, id)
	if err != nil {
		t.Fatal(err)
	}
	a := l.Attempts[0]
	if len(l.ErrorMessage) > 3*MaxMessageBytes || len(l.ErrorType) > maxTypeBytes || len(a.StackTrace) != 50 || len(a.LogTail) > lambda.MaxLogTailBytes {
		t.Errorf("kept %d, %d, %d, %d", len(l.ErrorMessage), len(l.ErrorType), len(a.StackTrace), len(a.LogTail))
	}
	if got := w.all(Filter{ErrorType: l.ErrorType}); len(got) != 1 {
		t.Errorf("found %v by its error type", got)
	}
}

func TestLetterWithoutAttempts(t *testing.T) {
	f := lambda.FunctionID{Account: account, Region: "us-east-1", Name: "f"}
	at := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		burial               lambda.Burial
		errorType, errorText string
	}{
		"the condition speaks": {lambda.Burial{Condition: lambda.ZeroReservedConcurrency}, "ZeroReservedConcurrency", ""},
		"the burial speaks":    {lambda.Burial{Condition: lambda.FunctionNotFound, ErrorType: "ResourceNotFoundException", ErrorMessage: "gone"}, "ResourceNotFoundException", "gone"},
		"the destination speaks": {lambda.Burial{Condition: lambda.DestinationFailed, Destination: &lambda.DestinationFailure{ARN: "arn:x", Error: "no such queue"}},
			"DestinationFailed", "no such queue"},
	} {
		c.burial.Event, c.burial.At = &lambda.Event{ID: "1", Function: f}, at
		l := compose(&c.burial)
		if l.ErrorType != c.errorType || l.ErrorMessage != c.errorText || l.Fingerprint == "" {
			t.Errorf("%s: %s, %s", name, l.ErrorType, l.ErrorMessage)
		}
	}
}

// What could not be delivered is found by how its event ended, by that it was not delivered, and
// by why not.
func TestEndingBesideDestinationFailed(t *testing.T) {
	w := newWorld(t)
	ids := map[lambda.Condition]string{}
	for _, ending := range []lambda.Condition{"", lambda.RetriesExhausted, lambda.ZeroReservedConcurrency, lambda.EventAgeExceeded, lambda.FunctionNotFound} {
		b := &kv.Batch{}
		ids[ending] = w.letters.Bury(b, &lambda.Burial{Event: w.event("f", `1`, "E", "m"), Condition: lambda.DestinationFailed, Ending: ending, At: w.clock(),
			Destination: &lambda.DestinationFailure{ARN: "arn", Error: "No such queue"}})
		if err := w.kv.Commit(b, kv.Synced); err != nil {
			t.Fatal(err)
		}
	}
	for ending, id := range ids {
		l, err := w.letters.Get(account, id)
		if err != nil || l.Condition != lambda.DestinationFailed || l.Ending != ending {
			t.Errorf("%q: letter %+v, %v", ending, l, err)
		}
		if got := w.all(Filter{Condition: ending, Text: "SUCH queue"}); ending != "" && !slices.Equal(got, []string{id}) {
			t.Errorf("%s finds %v, want %s", ending, got, id)
		}
	}
	for condition, want := range map[lambda.Condition]int{lambda.DestinationFailed: len(ids), lambda.RecursiveInvocation: 0} {
		if got := w.all(Filter{Condition: condition}); len(got) != want {
			t.Errorf("%s finds %v", condition, got)
		}
	}
}

func TestEdit(t *testing.T) {
	w := newWorld(t)
	id := w.bury(w.event("f", `{"html":"<b>","n":10000000000000000001,"z":1,"a":{"x":1}}`, "E", "m"))
	l, err := w.letters.Edit(account, id, Change{Patch: []byte(`{"a":{"x":null,"y":2},"z":null}`)}, "AKIA")
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"html":"<b>","n":10000000000000000001,"a":{"y":2}}`; string(l.Payload) != want {
		t.Errorf("patched to %s, want %s", l.Payload, want)
	}
	whole := "{ \"whole\" : true }\n"
	if _, err = w.letters.Edit(account, id, Change{Payload: []byte(whole)}, "BOB"); err != nil {
		t.Fatal(err)
	}
	if l, err = w.letters.Get(account, id); err != nil || string(l.Payload) != whole {
		t.Fatalf("payload is %q, %v", l.Payload, err)
	}
	edits := l.Provenance.Edits
	if len(edits) != 2 || edits[0].By != "AKIA" || !strings.HasPrefix(edits[0].Payload, `{"html"`) || edits[1].By != "BOB" || edits[1].At.IsZero() {
		t.Errorf("edits are %+v", edits)
	}
	if _, err := w.letters.Edit(account, id, Change{Payload: []byte(whole)}, "BOB"); err != nil {
		t.Error(err)
	} else if l, _ = w.letters.Get(account, id); len(l.Provenance.Edits) != 2 {
		t.Errorf("an edit that changes nothing was recorded")
	}
	for _, c := range []struct {
		change Change
		kind   lambda.Kind
		text   string
	}{
		{Change{}, lambda.InvalidParameterValue, "either"},
		{Change{Payload: []byte("1"), Patch: []byte("{}")}, lambda.InvalidParameterValue, "either"},
		{Change{Payload: []byte("{")}, lambda.InvalidRequestContent, "not valid JSON"},
		{Change{Payload: []byte("\"\xff\"")}, lambda.InvalidRequestContent, "not valid JSON"},
		{Change{Payload: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)}, lambda.RequestTooLarge, "1048578"},
		{Change{Patch: []byte(`[1]`)}, lambda.InvalidParameterValue, "no JSON object"},
		{Change{Patch: []byte(`{"a":`)}, lambda.InvalidParameterValue, "not valid JSON"},
		{Change{Patch: []byte(`{"big":"` + strings.Repeat("x", 1<<20) + `"}`)}, lambda.RequestTooLarge, "at most 1048576"},
	} {
		_, err := w.letters.Edit(account, id, c.change, "BOB")
		wantKind(t, err, c.kind, c.text)
	}
	if l, _ = w.letters.Get(account, id); string(l.Payload) != whole {
		t.Errorf("a refused edit changed the payload")
	}
	_, err = w.letters.Edit(account, newID(w.now, "none"), Change{Payload: []byte("1")}, "BOB")
	wantKind(t, err, lambda.ResourceNotFound, "No dead letter")
}

func TestEditsAreBounded(t *testing.T) {
	w := newWorld(t)
	id := w.bury(w.event("f", `0`, "E", "m"))
	for i := range MaxEdits {
		if _, err := w.letters.Edit(account, id, Change{Payload: fmt.Appendf(nil, "%d", i+1)}, "BOB"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.letters.Edit(account, id, Change{Payload: []byte(`"more"`)}, "BOB")
	wantKind(t, err, lambda.ResourceConflict, "100")
}

func TestTokenIsBoundToItsFilter(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.bury(w.event("f", `1`, "E", "m"))
	}
	ctx := context.Background()
	_, next, err := w.letters.List(ctx, account, Filter{ErrorType: "E"}, 2, "")
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	for _, f := range []Filter{{}, {ErrorType: "F"}, {ErrorType: "E", Text: "m"}, {ErrorType: "E", Since: w.now}} {
		_, _, err = w.letters.List(ctx, account, f, 2, next)
		wantKind(t, err, lambda.InvalidParameterValue, "nextToken")
	}
	_, _, err = w.letters.List(ctx, "999900001111", Filter{ErrorType: "E"}, 2, next)
	wantKind(t, err, lambda.InvalidParameterValue, "nextToken")
	_, _, err = w.letters.List(ctx, account, Filter{}, MaxLimit+1, "")
	wantKind(t, err, lambda.InvalidParameterValue, "limit")
	_, _, err = w.letters.List(ctx, account, Filter{Function: lambda.FunctionID{Account: "999900001111", Region: "r", Name: "f"}}, 1, "")
	wantKind(t, err, lambda.AccessDenied, "another account")
}

// A window that is counted back from now stays the first page's.
func TestWindowStaysOverPages(t *testing.T) {
	w := newWorld(t)
	for range 6 {
		w.bury(w.event("f", `1`, "E", "m"))
	}
	first := Filter{Since: w.now.Add(-time.Hour)}
	page, next, err := w.letters.List(context.Background(), account, first, 4, "")
	if err != nil || len(page) != 4 {
		t.Fatal(page, err)
	}
	later := Filter{Since: w.now} // an hour on, "1h" means this
	if page, next, err = w.letters.List(context.Background(), account, later, 4, next); err != nil || len(page) != 2 || next != "" {
		t.Errorf("second page has %d, %v", len(page), err)
	}
}

// TestFiltersAgreeWithAModel compares every filter, page and group with a plain list.
func TestFiltersAgreeWithAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		one := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(r, label) }
		var model []*Letter
		for range rapid.IntRange(0, 25).Draw(r, "letters") {
			e := w.event(one("function", "f", "ff", "g"), `1`, one("type", "E", "F"), one("message", "disk 1 full", "Disk 2 full", "net"))
			e.Function.Region = one("region", "us-east-1", "eu-west-1")
			e.Qualifier = one("qualifier", "", "$LATEST", "live")
			burial := &lambda.Burial{Event: e, Condition: lambda.Condition(one("condition", "RetriesExhausted", "EventAgeExceeded")), At: w.clock()}
			if burial.Ending = burial.Condition; rapid.Bool().Draw(r, "destination") {
				burial.Ending = lambda.Condition(one("ending", "", "RetriesExhausted", "ZeroReservedConcurrency"))
				burial.Condition, burial.Destination = lambda.DestinationFailed, &lambda.DestinationFailure{ARN: "arn", Error: "net is down"}
			}
			b := &kv.Batch{}
			w.letters.Bury(b, burial)
			if err := w.kv.Commit(b, kv.Synced); err != nil {
				r.Fatal(err)
			}
			model = append(model, compose(burial))
		}
		slices.Reverse(model)
		f := Filter{Qualifier: one("by qualifier", "", "", "$LATEST", "live"), ErrorType: one("by type", "", "E", "F"), Text: one("by text", "", "", "full", "NET")}
		f.Condition = lambda.Condition(one("by condition", "", "", "RetriesExhausted", "ZeroReservedConcurrency", "DestinationFailed"))
		if name := one("by function", "", "f", "g"); name != "" {
			f.Function = lambda.FunctionID{Account: account, Region: one("by region", "us-east-1", "eu-west-1"), Name: name}
		}
		if len(model) > 0 {
			pick := func(label string) *Letter { return model[rapid.IntRange(0, len(model)-1).Draw(r, label)] }
			switch rapid.IntRange(0, 3).Draw(r, "more") {
			case 0:
				f.Fingerprint = pick("print").Fingerprint
			case 1:
				f.Since = pick("since").BuriedAt.Add(-time.Duration(rapid.IntRange(0, 1).Draw(r, "ns")))
			case 2:
				f.Until = pick("until").BuriedAt.Add(time.Duration(rapid.IntRange(0, 1).Draw(r, "ns")))
			}
		}
		var want []string
		groups := map[string]*Group{}
		for _, l := range model {
			if f.match(&l.Summary) {
				want = append(want, l.ID)
				tally(groups, &l.Summary)
			}
		}
		if got := w.all(f); !slices.Equal(got, want) {
			r.Fatalf("filter %+v lists %v, want %v", f, got, want)
		}
		got, err := w.letters.Groups(context.Background(), account, f)
		if err != nil || !reflect.DeepEqual(got, ranked(collect(groups))) {
			r.Fatalf("filter %+v groups %+v, want %+v (%v)", f, got, ranked(collect(groups)), err)
		}
	})
}
