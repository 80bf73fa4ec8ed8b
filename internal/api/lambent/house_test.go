package lambent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/deadletter"
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	accountA = "111122223333"
	accountB = "444455556666"
)

// house is a server with its neighbours: the real store, jobs and signatures; accounts, functions
// and logs that are kept in maps.
type house struct {
	t       *testing.T
	db      *store.Store
	letters *deadletter.Store
	server  *Server
	http    *httptest.Server
	schemas map[string]any
	drain   context.CancelFunc

	mu        sync.Mutex
	functions map[string]bool // ARNs, with and without qualifier
	accounts  map[string]time.Time
	keys      map[string][]Key
	lines     []lambda.LogLine
	grown     chan struct{}
	requeued  []*lambda.Event
	serial    int
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, functions: map[string]bool{}, accounts: map[string]time.Time{accountA: {}}, keys: map[string][]Key{}, grown: make(chan struct{})}
	db, err := store.Open(store.Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	h.db = db
	h.letters = deadletter.New(db, clock.System)
	log := slog.New(slog.DiscardHandler)
	jobs := deadletter.NewJobs(h.letters, requeue{h}, h, log)
	serving, drain := context.WithCancel(context.Background())
	h.drain = drain
	h.server, err = New(Options{
		Auth:    awswire.NewAuthenticator(awswire.AuthOptions{Credentials: h, Clock: time.Now}),
		Letters: h.letters, Jobs: jobs, Functions: h, Accounts: accounts{h}, Keys: keys{h}, Logs: h,
		Clock: clock.System, Log: log, Version: "1.2.3", Serving: serving,
	})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := jobs.Run(serving); err != nil {
			t.Errorf("jobs: %v", err)
		}
	})
	h.http = httptest.NewServer(h.server)
	t.Cleanup(func() {
		h.http.Client().CloseIdleConnections()
		drain()
		h.http.Close()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(h.server.openapi, &doc); err != nil {
		t.Fatal(err)
	}
	h.schemas = doc.Components.Schemas
	for _, name := range []string{"resize", "charge"} {
		h.functions[fn(name).ARN()] = true
		h.functions[fn(name).QualifiedARN("live")] = name == "resize"
	}
	return h
}

func fn(name string) lambda.FunctionID {
	return lambda.FunctionID{Account: accountA, Region: "us-east-1", Name: name}
}

func (h *house) Lookup(key string) (secret, account string, root bool, err error) {
	switch key {
	case "AKROOT":
		return "secret", "000000000000", true, nil
	case "AKA":
		return "secret", accountA, false, nil
	case "AKB":
		return "secret", accountB, false, nil
	}
	return "", "", false, lambda.Errorf(lambda.UnrecognizedClient, "The security token included in the request is invalid.")
}

func (h *house) Check(f lambda.FunctionID, qualifier string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.functions[f.QualifiedARN(qualifier)] {
		return lambda.Errorf(lambda.ResourceNotFound, "Function not found: %s", f.QualifiedARN(qualifier))
	}
	return nil
}

type requeue struct{ *house }

func (q requeue) newID(at time.Time) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serial++
	return fmt.Sprintf("%d-%d", at.UnixNano(), q.serial)
}
func (q requeue) Append(b *kv.Batch, e *lambda.Event) {
	e.ID = q.newID(e.AcceptedAt)
	b.Set(kv.FunctionKey(kv.Event, e.Function, e.ID), e.Payload)
}
func (q requeue) Added(e *lambda.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.requeued = append(q.requeued, e)
}

type accounts struct{ *house }

func (a accounts) List() (out []Account, err error) {
	for _, id := range slices.Sorted(maps.Keys(a.house.accounts)) {
		out = append(out, Account{ID: id, CreatedAt: time.Now()})
	}
	return out, nil
}
func (a accounts) Create(id string) (Account, error) {
	a.house.accounts[id] = time.Now()
	return Account{ID: id, CreatedAt: time.Now()}, nil
}
func (a accounts) Delete(id string) error {
	if _, ok := a.house.accounts[id]; !ok {
		return lambda.Errorf(lambda.ResourceNotFound, "No account %s.", id)
	}
	delete(a.house.accounts, id)
	return nil
}

type keys struct{ *house }

func (k keys) List(account string) ([]Key, error) { return k.house.keys[account], nil }
func (k keys) Create(account string) (Key, error) {
	key := Key{AccessKey: "AKNEW", CreatedAt: time.Now()}
	k.house.keys[account] = append(k.house.keys[account], key)
	key.Secret = "shown once"
	return key, nil
}
func (k keys) Delete(account, accessKey string) error {
	if len(k.house.keys[account]) == 0 {
		return lambda.Errorf(lambda.ResourceNotFound, "No key %s.", accessKey)
	}
	delete(k.house.keys, account)
	return nil
}

func (h *house) log(messages ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		h.lines = append(h.lines, lambda.LogLine{At: time.Now(), Stream: "s", Version: "$LATEST", Message: m})
	}
	close(h.grown)
	h.grown = make(chan struct{})
}

func (h *house) Read(ctx context.Context, f lambda.FunctionID, since time.Time, follow bool) iter.Seq2[lambda.LogLine, error] {
	return func(yield func(lambda.LogLine, error) bool) {
		for i := 0; ctx.Err() == nil; {
			h.mu.Lock()
			lines, grown := h.lines, h.grown
			h.mu.Unlock()
			for ; i < len(lines) && f.Name == "resize"; i++ {
				if !lines[i].At.Before(since) && !yield(lines[i], nil) {
					return
				}
			}
			if !follow {
				return
			}
			select {
			case <-ctx.Done():
			case <-grown:
			}
		}
	}
}

// bury ends an event as a letter.
func (h *house) bury(function, payload, errorType, message string) string {
	h.t.Helper()
	return h.end(function, payload, errorType, message, lambda.Burial{Condition: lambda.RetriesExhausted, Ending: lambda.RetriesExhausted})
}

// end ends an event as the letter of a burial, which lacks only the event and its time.
func (h *house) end(function, payload, errorType, message string, burial lambda.Burial) string {
	h.t.Helper()
	now := time.Now()
	id := requeue{h}.newID(now)
	now = now.Add(time.Duration(h.serial)*time.Millisecond - time.Minute) // letters of one millisecond have no order
	e := &lambda.Event{ID: id, RequestID: "r", Function: fn(function), Payload: []byte(payload), AcceptedAt: now,
		Attempts: []lambda.Attempt{{Number: 1, StartedAt: now, Duration: 12_345_678, Status: lambda.StatusError, ErrorType: errorType, ErrorMessage: message}}}
	burial.Event, burial.At = e, now
	var b kv.Batch
	letter := h.letters.Bury(&b, &burial)
	if err := h.db.Commit(&b, kv.Synced); err != nil {
		h.t.Fatal(err)
	}
	return letter
}

func (h *house) request(key, method, path, body string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequest(method, h.http.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if key != "" {
		sum := sha256.Sum256([]byte(body))
		hash := hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", hash)
		if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, r, hash, "lambent", "us-east-1", time.Now()); err != nil {
			h.t.Fatal(err)
		}
	}
	return r
}

// do makes a request, holds its answer to the OpenAPI document, and decodes it.
func (h *house) do(key, method, path, body string, status int) map[string]any {
	h.t.Helper()
	res, err := h.http.Client().Do(h.request(key, method, path, body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode != status {
		h.t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, raw, status)
	}
	if res.Header.Get("X-Amzn-Requestid") == "" {
		h.t.Errorf("%s %s: no request id", method, path)
	}
	out := map[string]any{}
	if status != http.StatusNoContent {
		if err := json.Unmarshal(raw, &out); err != nil {
			h.t.Fatalf("%s: %v", raw, err)
		}
	}
	if status >= 400 && res.Header.Get("X-Amzn-Errortype") != out["code"] {
		h.t.Errorf("%s %s: error type %s, body %s", method, path, res.Header.Get("X-Amzn-Errortype"), raw)
	}
	h.conforms(res.Request, status, out)
	return out
}

// conforms holds an answer to the schema that the document has for it.
func (h *house) conforms(r *http.Request, status int, out map[string]any) {
	h.t.Helper()
	_, pattern := h.server.mux.Handler(r)
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		if status < 400 {
			h.t.Errorf("%s is in no route", r.URL)
		}
		return
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
	}
	if err := json.Unmarshal(h.server.openapi, &doc); err != nil {
		h.t.Fatal(err)
	}
	responses := doc.Paths[path][strings.ToLower(method)].Responses
	response, ok := responses[fmt.Sprint(status)]
	if !ok {
		response = responses["default"]
		if status < 400 {
			h.t.Errorf("%s answers %d, which is not in the document", pattern, status)
		}
	}
	if status == http.StatusNoContent {
		return
	}
	h.validate(pattern, response.Content["application/json"].Schema, out)
}

// validate checks a value against what this document uses of JSON Schema.
func (h *house) validate(at string, schema map[string]any, v any) {
	h.t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		schema, ok = h.schemas[name].(map[string]any)
		if !ok {
			h.t.Errorf("%s: no schema %s", at, name)
			return
		}
	}
	good := true
	switch schema["type"] {
	case "string":
		s, ok := v.(string)
		if good = ok; ok && schema["format"] == "date-time" {
			_, err := time.Parse("2006-01-02T15:04:05.000Z", s)
			good = err == nil
		}
	case "boolean":
		_, good = v.(bool)
	case "integer":
		n, ok := v.(float64)
		good = ok && n == float64(int64(n))
	case "number":
		_, good = v.(float64)
	case "array":
		var list []any
		if list, good = v.([]any); good {
			for i, e := range list {
				h.validate(fmt.Sprintf("%s[%d]", at, i), schema["items"].(map[string]any), e)
			}
		}
	case "object":
		var members map[string]any
		if members, good = v.(map[string]any); good {
			h.validateMembers(at, schema, members)
		}
	default:
		h.t.Errorf("%s: schema %v", at, schema)
	}
	if !good {
		h.t.Errorf("%s: %v is no %v", at, v, schema["type"])
	}
}

func (h *house) validateMembers(at string, schema, members map[string]any) {
	h.t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	for name, v := range members {
		if p, ok := properties[name].(map[string]any); ok {
			h.validate(at+"."+name, p, v)
		} else if schema["additionalProperties"] == false {
			h.t.Errorf("%s.%s is not in the document", at, name)
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := members[name.(string)]; !ok {
			h.t.Errorf("%s.%s is missing", at, name)
		}
	}
}

// wait follows a job until it has ended.
func (h *house) wait(job map[string]any) map[string]any {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); job["state"] == "running"; {
		if time.Now().After(deadline) {
			h.t.Fatalf("job %v does not end", job)
		}
		job = h.do("AKA", "GET", "/lambent/jobs/"+job["id"].(string), "", 200)
	}
	return job
}
