package awswire_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/awswire/stswire"
)

func quietHandler(impl any) http.Handler {
	auth := awswire.NewAuthenticator(awswire.AuthOptions{Development: true})
	return awswire.NewHandler(auth, slog.New(slog.NewTextHandler(io.Discard, nil)), lambdawire.Service(impl), stswire.Service(impl))
}

// answered checks that a request got a typed answer that is not our own fault.
func answered(t *testing.T, h http.Handler, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	ok := w.Code < 300 && w.Header().Get("x-amzn-ErrorType") == ""
	typed := (w.Code >= 400 && w.Code < 500 || w.Code == 501) && w.Header().Get("x-amzn-ErrorType") != ""
	if !ok && !typed {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// FuzzBody decodes and checks arbitrary JSON as the inputs with the most constraints.
func FuzzBody(f *testing.F) {
	f.Add(`{"FunctionName":"f",` + goodFunction + `}`)
	f.Add(`{"FunctionName":null,"Layers":[null],"Tags":{"a":null},"VpcConfig":{"SubnetIds":[""]},"Code":{"ZipFile":"="}}`)
	f.Add(`{"Name":"a","RoutingConfig":{"AdditionalVersionWeights":{"1":1e309}}}`)
	f.Add(strings.Repeat(`{"Code":`, 100))
	h := quietHandler(&service{})
	f.Fuzz(func(t *testing.T, body string) {
		for _, target := range []string{"/2015-03-31/functions", "/2015-03-31/functions/f/aliases"} {
			answered(t, h, httptest.NewRequest("POST", target, strings.NewReader(body)))
		}
	})
}

// FuzzRoute sends arbitrary methods, paths and queries.
func FuzzRoute(f *testing.F) {
	f.Add("GET", "/2018-10-31/layers", "find=LayerVersion&find=x")
	f.Add("POST", "/2015-03-31/functions/arn%3Aaws%2Fx/invocations/", "Qualifier=%zz;")
	f.Add("DELETE", "/2017-03-31/tags/%00%ff", "tagKeys=a&tagKeys=b")
	f.Add("GET", "/"+strings.Repeat("a/", 1000), "")
	h := quietHandler(nil)
	f.Fuzz(func(t *testing.T, method, path, query string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || method == "" {
			return
		}
		u.RawQuery = query
		answered(t, h, &http.Request{Method: method, URL: u, Host: "h", Header: http.Header{}, Body: http.NoBody})
	})
}

// BenchmarkInvoke is one request through the whole front end but the sockets and the signature.
func BenchmarkInvoke(b *testing.B) {
	h := quietHandler(&service{})
	body := strings.Repeat("x", 1024)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", invokePath, strings.NewReader(body))
		r.Header.Set("X-Amz-Invocation-Type", "Event")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 202 {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkCreateFunction is a 50 MB zip on its way in.
func BenchmarkCreateFunction(b *testing.B) {
	h := quietHandler(&service{})
	body := `{"FunctionName":"f","Role":"arn:aws:iam::111111111111:role/r","Code":{"ZipFile":"` + strings.Repeat("UEsD", 52_428_800/3) + `"}}`
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/2015-03-31/functions", strings.NewReader(body)))
		if w.Code != 201 {
			b.Fatal(w.Code, w.Body.String())
		}
	}
}
