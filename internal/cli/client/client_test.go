package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
)

func fixed() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// serve answers a client of a real HTTP server.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &Client{
		Endpoint: server.URL + "/", Region: "eu-west-1", HTTP: server.Client(), Now: fixed,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	}
}

func TestCallSendsWhatTheAPITakes(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.EscapedPath() != "/lambent/x/a%2Fb%20c" || r.URL.Query().Encode() != "limit=5&text=a+b" {
			t.Errorf("asked for %s %s?%s", r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
		}
		if want := `{"ids":["1"],"payloadPatch":{"a":"<&>"},"dryRun":true}`; string(body) != want {
			t.Errorf("sent %s, want %s", body, want)
		}
		auth := r.Header.Get("Authorization")
		if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/lambent/aws4_request") || !strings.Contains(auth, "x-amz-content-sha256") {
			t.Errorf("signed %s", auth)
		}
		_, _ = io.WriteString(w, "{ \"id\":\"j\", \"state\":\"running\" }\n")
	})
	var job Job
	request := Redrive{Selection: Selection{IDs: []string{"1"}}, PayloadPatch: json.RawMessage(`{"a":"<&>"}`), DryRun: true}
	query := Page(Filter{Text: "a b"}.Query(), 5, "")
	raw, err := c.Call(t.Context(), "POST", Path("x", "a/b c"), query, request, &job)
	if err != nil || job.ID != "j" || string(raw) != "{ \"id\":\"j\", \"state\":\"running\" }\n" {
		t.Errorf("got %q, %+v, %v", raw, job, err)
	}
}

func TestCallAnswersErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status             int
		header, body, want string
	}{
		"aws":       {404, "ResourceNotFoundException", `{"Type":"User","Message":"gone"}`, "404 ResourceNotFoundException gone"},
		"namespace": {400, "ValidationException:http://x/", `{"message":"bad"}`, "400 ValidationException bad"},
		"type":      {403, "", `{"__type":"com.x#AccessDenied","message":"no"}`, "403 AccessDenied no"},
		"foreign":   {404, "", "<html>\n not  here", `404  HTTP 404, "<html> not here"`},
		"json":      {404, "", `{"detail":"Not Found"}`, `404  HTTP 404, "{\"detail\":\"Not Found\"}"`},
		"redirect":  {302, "", ``, `302  HTTP 302, ""`},
		"not ours":  {200, "", `hello`, `200  HTTP 200, "hello"`},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.header != "" {
					w.Header().Set("X-Amzn-ErrorType", c.header)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			var out Jobs
			_, err := client.Call(t.Context(), "GET", Path("jobs"), nil, nil, &out)
			var e *Error
			var api smithy.APIError
			if !errors.As(err, &e) || !errors.As(err, &api) {
				t.Fatalf("got %v", err)
			}
			if got := fmt.Sprintf("%d %s %s", e.Status, e.Code, e.Message); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	body, err := c.Stream(ctx, Path("functions", "f", "logs"), url.Values{"follow": {"true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	line := make([]byte, 4)
	if _, err := io.ReadFull(body, line); err != nil || string(line) != "one\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	cancel()
	if _, err := body.Read(line); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNoCredentials(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("expired")
	})
	if _, err := c.Call(t.Context(), "GET", Path("jobs"), nil, nil, nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}

func TestJobEnded(t *testing.T) {
	for state, want := range map[string]bool{"running": false, "paused": false, "completed": true, "cancelled": true, "failed": true} {
		if got := (Job{State: state}).Ended(); got != want {
			t.Errorf("%s: %v", state, got)
		}
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add(404, "ResourceNotFoundException", []byte(`{"Message":"gone"}`))
	f.Add(500, "", []byte(`{"__type":"a#b:c"}`))
	f.Fuzz(func(t *testing.T, status int, header string, body []byte) {
		e := decodeError(&http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Errortype": {header}}}, body)
		if e.Status != status {
			t.Errorf("status %d became %d", status, e.Status)
		}
		_, _, _ = e.ErrorCode(), e.ErrorMessage(), e.ErrorFault()
	})
}
