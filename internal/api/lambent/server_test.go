package lambent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

func TestDocumentHasEveryRoute(t *testing.T) {
	h := newHouse(t)
	doc := h.do("", "GET", "/lambent/openapi.json", "", 200)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", doc["openapi"])
	}
	var documented, served []string
	for path, item := range doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			pattern := strings.ToUpper(method) + " " + path
			documented = append(documented, pattern)
			// The mux really serves it, and not by its catch-all.
			r := httptest.NewRequest(strings.ToUpper(method), pathParam.ReplaceAllString(path, "x"), nil)
			if _, got := h.server.mux.Handler(r); got != pattern {
				t.Errorf("%s is served by %q", pattern, got)
			}
		}
	}
	for _, rt := range h.server.routes() {
		served = append(served, rt.method+" "+rt.path)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("documented %v\nserved %v", documented, served)
	}
}

func TestCallers(t *testing.T) {
	h := newHouse(t)
	id := h.bury("resize", `{}`, "E", "m")
	for _, rt := range h.server.routes() {
		path := pathParam.ReplaceAllString(rt.path, accountA)
		if !rt.unsigned {
			if out := h.do("", rt.method, path, "", 403); out["code"] != "MissingAuthenticationTokenException" {
				t.Errorf("%s %s unsigned: %v", rt.method, path, out)
			}
			if out := h.do("AKNONE", rt.method, path, "", 403); out["code"] != "UnrecognizedClientException" {
				t.Errorf("%s %s of a stranger: %v", rt.method, path, out)
			}
		}
		if rt.root {
			if out := h.do("AKA", rt.method, path, "", 403); out["code"] != "AccessDeniedException" {
				t.Errorf("%s %s without the root key: %v", rt.method, path, out)
			}
		}
	}
	h.do("", "GET", "/lambent/nothing", "", 403)
	h.do("AKA", "GET", "/lambent/nothing", "", 404)
	h.do("AKA", "PUT", "/lambent/deadletters", "", 404)
	h.do("AKB", "GET", "/lambent/deadletters/"+id, "", 404)
	h.do("AKB", "PATCH", "/lambent/deadletters/"+id, `{"payload":"1"}`, 404)
	h.do("AKB", "GET", "/lambent/deadletters?function="+fn("resize").ARN(), "", 403)
	if out := h.do("AKB", "GET", "/lambent/deadletters", "", 200); len(out["deadLetters"].([]any)) != 0 {
		t.Errorf("another account's letters: %v", out)
	}
	r := h.request("AKA", "POST", "/lambent/deadletters/purge", `{"ids":["x"]}`)
	r.Body = io.NopCloser(bytes.NewReader([]byte(`{"all":true } `)))
	r.ContentLength = 14
	if res, err := h.http.Client().Do(r); err != nil || res.StatusCode != 403 {
		t.Errorf("a tampered body: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
}

func TestListShowGroups(t *testing.T) {
	h := newHouse(t)
	for i := range 3 {
		h.bury("resize", fmt.Sprintf("{ \"n\" : %d, \"h\":\"<&>\" }\n", i), "ValueError", fmt.Sprintf("order %d is bad", i))
	}
	h.bury("charge", `{}`, "KeyError", "'id'")
	page := h.do("AKA", "GET", "/lambent/deadletters?limit=2&function=resize", "", 200)
	if len(page["deadLetters"].([]any)) != 2 || page["nextToken"] == nil {
		t.Fatalf("first page %v", page)
	}
	rest := h.do("AKA", "GET", "/lambent/deadletters?limit=2&function=resize&nextToken="+page["nextToken"].(string), "", 200)
	if len(rest["deadLetters"].([]any)) != 1 || rest["nextToken"] != nil {
		t.Fatalf("second page %v", rest)
	}
	h.do("AKA", "GET", "/lambent/deadletters?limit=2&nextToken="+page["nextToken"].(string), "", 400)
	for query, want := range map[string]int{
		"": 4, "function=charge": 1, "function=" + fn("resize").ARN(): 3, "function=resize:$LATEST": 3, "function=resize&qualifier=live": 0, "errorType=KeyError": 1,
		"condition=RetriesExhausted": 4, "condition=EventAgeExceeded": 0, "text=IS+BAD": 3, "since=1h": 4, "until=1h": 0, "since=7d&until=2m": 0,
	} {
		if got := h.do("AKA", "GET", "/lambent/deadletters?"+query, "", 200); len(got["deadLetters"].([]any)) != want {
			t.Errorf("%s lists %v", query, got)
		}
	}
	letter := h.do("AKA", "GET", "/lambent/deadletters/"+rest["deadLetters"].([]any)[0].(map[string]any)["id"].(string), "", 200)
	attempts := letter["attempts"].([]any)
	if letter["payload"] != "{ \"n\" : 0, \"h\":\"<&>\" }\n" || len(attempts) != 1 || attempts[0].(map[string]any)["durationMs"] != 12.35 || letter["qualifier"] != "$LATEST" {
		t.Errorf("letter %v", letter)
	}
	groups := h.do("AKA", "GET", "/lambent/deadletters/groups?since=1h", "", 200)["groups"].([]any)
	if len(groups) != 2 || groups[0].(map[string]any)["count"] != 3.0 || groups[0].(map[string]any)["errorMessage"] != "order 2 is bad" {
		t.Errorf("groups %v", groups)
	}
}

// TestEnding: beside DestinationFailed stands how the event itself ended, and either finds it.
func TestEnding(t *testing.T) {
	h := newHouse(t)
	failure := &lambda.DestinationFailure{ARN: "arn:x", Error: "no such queue"}
	for _, c := range []struct {
		burial lambda.Burial
		want   any // the field, nil when it is left out
	}{
		{lambda.Burial{Condition: lambda.RetriesExhausted, Ending: lambda.RetriesExhausted}, nil},
		{lambda.Burial{Condition: lambda.DestinationFailed, Destination: failure}, nil},
		{lambda.Burial{Condition: lambda.DestinationFailed, Ending: lambda.RetriesExhausted, Destination: failure}, "RetriesExhausted"},
		{lambda.Burial{Condition: lambda.DestinationFailed, Ending: lambda.EventAgeExceeded, Destination: failure}, "EventAgeExceeded"},
	} {
		id := h.end("resize", `{}`, "E", "m", c.burial)
		shown := h.do("AKA", "GET", "/lambent/deadletters/"+id, "", 200)
		listed := h.do("AKA", "GET", "/lambent/deadletters?limit=1", "", 200)["deadLetters"].([]any)[0].(map[string]any)
		for _, l := range []map[string]any{shown, listed} {
			if l["id"] != id || l["condition"] != string(c.burial.Condition) || l["ending"] != c.want {
				t.Errorf("%+v reads %v", c.burial, l)
			}
		}
	}
	for query, want := range map[string]int{
		"condition=RetriesExhausted": 2, "condition=EventAgeExceeded": 1, "condition=DestinationFailed": 3, "condition=FunctionNotFound": 0,
		"text=SUCH+queue": 3, "text=such&condition=RetriesExhausted": 1,
	} {
		if got := h.do("AKA", "GET", "/lambent/deadletters?"+query, "", 200); len(got["deadLetters"].([]any)) != want {
			t.Errorf("%s lists %v", query, got)
		}
	}
	purge := h.wait(h.do("AKA", "POST", "/lambent/deadletters/purge", `{"filter":{"condition":"RetriesExhausted"}}`, 200))
	if purge["moved"] != 2.0 {
		t.Errorf("purge %v", purge)
	}
}

func TestEditRedrivePurge(t *testing.T) {
	h := newHouse(t)
	id := h.bury("resize", `{"n":1}`, "E", "m")
	h.bury("charge", `{"n":2}`, "E", "m")
	h.do("AKA", "PATCH", "/lambent/deadletters/"+id, `{"payload":"{\"n\": 7}"}`, 200)
	edited := h.do("AKA", "PATCH", "/lambent/deadletters/"+id, `{"patch":{"m":"<>"}}`, 200)
	edits := edited["provenance"].(map[string]any)["edits"].([]any)
	if edited["payload"] != `{"n":7,"m":"<>"}` || len(edits) != 2 || edits[1].(map[string]any)["payload"] != `{"n": 7}` || edits[1].(map[string]any)["by"] != "AKA" {
		t.Errorf("edited %v", edited)
	}
	h.do("AKA", "PATCH", "/lambent/deadletters/"+id, `{"payload":"{"}`, 400)
	h.do("AKA", "PATCH", "/lambent/deadletters/"+id, `{"payload":"\"`+strings.Repeat("x", 1<<20)+`\""}`, 413)
	h.do("AKA", "PATCH", "/lambent/deadletters/"+id, strings.Repeat(" ", maxPayloadBytes+1), 413)

	dry := h.do("AKA", "POST", "/lambent/deadletters/redrive", `{"all":true,"dryRun":true}`, 200)
	if dry["state"] != "completed" || dry["matched"] != 2.0 || dry["moved"] != 0.0 || dry["dryRun"] != true || len(dry["groups"].([]any)) != 2 {
		t.Errorf("dry run %v", dry)
	}
	h.do("AKA", "POST", "/lambent/deadletters/redrive", `{"all":true,"to":"live"}`, 404)
	job := h.wait(h.do("AKA", "POST", "/lambent/deadletters/redrive", `{"filter":{"function":"resize"},"to":"live","payloadPatch":{"k":1}}`, 200))
	if job["state"] != "completed" || job["moved"] != 1.0 || job["kind"] != "redrive" || job["by"] != "AKA" {
		t.Errorf("job %v", job)
	}
	h.mu.Lock()
	if len(h.requeued) != 1 || string(h.requeued[0].Payload) != `{"n":7,"m":"<>","k":1}` || h.requeued[0].Qualifier != "live" {
		t.Errorf("requeued %v", h.requeued)
	}
	h.mu.Unlock()
	h.do("AKA", "GET", "/lambent/deadletters/"+id, "", 404)
	h.do("AKA", "POST", "/lambent/deadletters/redrive", `{"ids":["`+id+`"]}`, 404)

	purge := h.wait(h.do("AKA", "POST", "/lambent/deadletters/purge", `{"all":true}`, 200))
	if purge["moved"] != 1.0 || purge["kind"] != "purge" {
		t.Errorf("purge %v", purge)
	}
	jobs := h.do("AKA", "GET", "/lambent/jobs", "", 200)["jobs"].([]any)
	if len(jobs) != 3 || jobs[0].(map[string]any)["id"] != purge["id"] {
		t.Errorf("jobs %v", jobs)
	}
	h.do("AKA", "POST", "/lambent/jobs/"+purge["id"].(string)+"/cancel", "", 409)
	h.do("AKB", "GET", "/lambent/jobs/"+purge["id"].(string), "", 404)
	h.do("AKA", "GET", "/lambent/jobs/nonsense", "", 404)
}

// A misspelt, doubled, empty or foreign name never widens what is chosen.
func TestNothingWidensAPurge(t *testing.T) {
	h := newHouse(t)
	h.bury("resize", `{}`, "E", "m")
	for body, text := range map[string]string{
		``:                                 "empty",
		`{}`:                               "Say which",
		`{"all":false}`:                    "Say which",
		`{"ids":[]}`:                       "Say which",
		`{"filter":{}}`:                    "empty",
		`{"filter":null}`:                  "Say which",
		`{"filter":{"functoin":"resize"}}`: `unknown member "functoin"`,
		`{"filter":{"function":""}}`:       "filter.function is empty",
		`{"filter":{"function":"","since":"7d"}}`:       "filter.function is empty",
		`{"filter":{"function":"a b"}}`:                 "no function's name",
		`{"filter":{"condition":"Exhausted"}}`:          "none of",
		`{"filter":{"since":"yesterday"}}`:              "no time",
		`{"filter":{"function":"f:1","qualifier":"2"}}`: "two qualifiers",
		`{"filter":{"text":5}}`:                         `member "filter.text" cannot be number`,
		`{"all":true,"filter":{"text":"x"}}`:            "one of",
		`{"all":true,"dryrun":true,"dry-run":true}`:     "unknown member",
		`{"all":true} {"all":true}`:                     "more than one",
		`{"all":"yes"}`:                                 "cannot be string",
		`[`:                                             "not what this takes",
	} {
		if out := h.do("AKA", "POST", "/lambent/deadletters/purge", body, 400); !strings.Contains(out["message"].(string), text) {
			t.Errorf("%s: %v, want %q", body, out, text)
		}
	}
	h.do("AKA", "POST", "/lambent/deadletters/purge", `{"filter":{"function":"`+lambda.FunctionID{Account: accountB, Region: "us-east-1", Name: "f"}.ARN()+`"}}`, 403)
	h.do("AKA", "POST", "/lambent/deadletters/purge?all=true", `{"all":true}`, 400)
	for query, text := range map[string]string{
		"functoin=x": "functoin", "function=a&function=b": "2 times", "limit=0": "between", "limit=1001": "between", "limit=x": "between", "since=1x": "no time",
		"a;b=c": "query", "%zz=1": "query", "condition=x": "none of", "nextToken=AAAA": "nextToken", "fingerprint=a%00b": "fingerprint", "since=1h&until=2h": "before",
	} {
		r := h.request("", "GET", "/lambent/deadletters?x=1", "")
		r.URL.RawQuery = query
		c := &call{Principal: awswire.Principal{Account: accountA, Region: "us-east-1"}, r: r}
		var err error
		if c.query, err = readQuery(&h.server.routes()[0], query); err == nil {
			_, err = h.server.listLetters(c)
		}
		if err == nil || lambda.KindOf(err) != lambda.InvalidParameterValue || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q", query, err, text)
		}
	}
	h.do("AKA", "GET", "/lambent/deadletters/groups?limit=3", "", 400)
	h.do("AKA", "GET", "/lambent/jobs", `{"x":1}`, 400)
	if out := h.do("AKA", "GET", "/lambent/deadletters", "", 200); len(out["deadLetters"].([]any)) != 1 {
		t.Errorf("letters are gone: %v", out)
	}
}

func TestAccountsAndKeys(t *testing.T) {
	h := newHouse(t)
	if out := h.do("AKROOT", "PUT", "/lambent/accounts/"+accountB, "", 200); out["id"] != accountB {
		t.Errorf("created %v", out)
	}
	h.do("AKROOT", "PUT", "/lambent/accounts/12", "", 400)
	if out := h.do("AKROOT", "GET", "/lambent/accounts", "", 200); len(out["accounts"].([]any)) != 2 {
		t.Errorf("accounts %v", out)
	}
	h.do("AKROOT", "GET", "/lambent/accounts/"+accountB, "", 200)
	key := h.do("AKROOT", "POST", "/lambent/accounts/"+accountB+"/keys", "", 201)
	if key["accessKeyId"] != "AKNEW" || key["secretAccessKey"] != "shown once" || key["account"] != accountB {
		t.Errorf("key %v", key)
	}
	if out := h.do("AKROOT", "GET", "/lambent/accounts/"+accountB+"/keys", "", 200); len(out["keys"].([]any)) != 1 || strings.Contains(fmt.Sprint(out), "shown once") {
		t.Errorf("keys %v", out)
	}
	h.do("AKROOT", "DELETE", "/lambent/accounts/"+accountB+"/keys/AKNEW", "", 204)
	h.do("AKROOT", "DELETE", "/lambent/accounts/"+accountB+"/keys/AKNEW", "", 404)
	h.do("AKROOT", "DELETE", "/lambent/accounts/"+accountB, "", 204)
	h.do("AKROOT", "DELETE", "/lambent/accounts/"+accountB, "", 404)
	h.do("AKROOT", "GET", "/lambent/accounts/"+accountB, "", 404)
}

// lines reads n lines of a log.
func lines(t *testing.T, d *json.Decoder, n int) (messages []string) {
	t.Helper()
	for range n {
		var l lineView
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, l.Message)
	}
	return messages
}

func (h *house) stream(path string) (*json.Decoder, io.Closer) {
	h.t.Helper()
	res, err := h.http.Client().Do(h.request("AKA", "GET", path, ""))
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" {
		raw, _ := io.ReadAll(res.Body)
		h.t.Fatalf("%s: %d %s", path, res.StatusCode, raw)
	}
	return json.NewDecoder(res.Body), res.Body
}

func TestLogs(t *testing.T) {
	h := newHouse(t)
	h.log("one <&>\n", "two\n", "three\n")
	d, body := h.stream("/lambent/functions/resize/logs")
	if got := lines(t, d, 3); got[0] != "one <&>\n" || d.Decode(&lineView{}) != io.EOF {
		t.Errorf("lines %q", got)
	}
	body.Close()
	d, body = h.stream("/lambent/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A" + accountA + "%3Afunction%3Aresize/logs?limit=2&since=1h")
	if got := lines(t, d, 2); got[0] != "two\n" || d.Decode(&lineView{}) != io.EOF {
		t.Errorf("lines %q", got)
	}
	body.Close()
	d, body = h.stream("/lambent/functions/charge/logs") // no line yet
	if d.Decode(&lineView{}) != io.EOF {
		t.Errorf("charge has lines")
	}
	body.Close()
	h.do("AKA", "GET", "/lambent/functions/unknown/logs", "", 404)
	h.do("AKA", "GET", "/lambent/functions/resize/logs?follow=yes", "", 400)
	h.do("AKA", "GET", "/lambent/functions/resize/logs?tail=1", "", 400)

	// A client that leaves ends its request; another follows until the server drains.
	d, body = h.stream("/lambent/functions/resize/logs?follow=true&limit=1")
	if got := lines(t, d, 1); got[0] != "three\n" {
		t.Errorf("lines %q", got)
	}
	body.Close()
	d, body = h.stream("/lambent/functions/resize/logs?follow=true&limit=1")
	defer body.Close()
	lines(t, d, 1)
	h.log("four\n")
	if got := lines(t, d, 1); got[0] != "four\n" {
		t.Errorf("followed %q", got)
	}
	h.drain()
	if err := d.Decode(&lineView{}); err != io.EOF {
		t.Errorf("after draining: %v", err)
	}
}

func FuzzBodies(f *testing.F) {
	f.Add(`{"ids":["a"],"filter":{"function":"f"},"all":true,"to":"1","payloadPatch":{},"dryRun":true}`)
	f.Add(`{"filter":{"since":"1h"}}`)
	s := &Server{Options: Options{Clock: clock.System}}
	f.Fuzz(func(t *testing.T, body string) {
		c := &call{Principal: awswire.Principal{Account: accountA, Region: "us-east-1"}, body: []byte(body)}
		var b redriveBody
		if c.decode(&b) != nil {
			return
		}
		sel, err := s.selection(c, &b.selectionBody)
		if err == nil && sel.Filter != nil && sel.Filter.Empty() && *b.Filter != (filterBody{}) {
			t.Errorf("%s became an empty filter", body)
		}
	})
}
