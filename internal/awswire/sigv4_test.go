package awswire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"lambent.dev/lambent/internal/lambda"
)

// vectorRequest makes the request of a vector, unsigned.
func vectorRequest(method, target, body string, headers []string) *http.Request {
	path, query, _ := strings.Cut(target, "?")
	r := &http.Request{
		Method: method, Host: "example.amazonaws.com", Header: http.Header{},
		URL:           &url.URL{Path: path, RawPath: path, RawQuery: query},
		ContentLength: int64(len(body)),
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestSigV4Vectors(t *testing.T) {
	const credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
	for _, v := range sigVectors {
		hash := sha256.Sum256([]byte(v.body))
		bodyHash := hex.EncodeToString(hash[:])
		t.Run(v.name, func(t *testing.T) {
			r := vectorRequest(v.method, v.target, v.body, v.headers)
			r.Header.Set("X-Amz-Date", "20150830T123600Z")
			if strings.Contains(v.signed, "x-amz-content-sha256") {
				r.Header.Set("X-Amz-Content-Sha256", bodyHash)
			}
			r.Header.Set("Authorization", algorithm+" Credential="+credential+", SignedHeaders="+v.signed+", Signature="+v.signature)
			matchVector(t, r, bodyHash)
		})
		t.Run(v.name+"/presigned", func(t *testing.T) {
			r := vectorRequest(v.method, v.target, v.body, nil)
			query := url.Values{
				"X-Amz-Algorithm": {algorithm}, "X-Amz-Credential": {credential}, "X-Amz-Date": {"20150830T123600Z"},
				"X-Amz-Expires": {"3600"}, "X-Amz-SignedHeaders": {v.querySigned}, "X-Amz-Signature": {v.querySignature},
			}
			for i := 0; i+1 < len(v.headers); i += 2 {
				if v.headers[i] == "X-Amz-Security-Token" {
					query.Set(v.headers[i], v.headers[i+1])
				} else {
					r.Header.Add(v.headers[i], v.headers[i+1])
				}
			}
			r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+query.Encode(), "&")
			matchVector(t, r, bodyHash)
		})
	}
}

func matchVector(t *testing.T, r *http.Request, bodyHash string) {
	t.Helper()
	sig, ok, err := parseSignature(r)
	if err != nil || !ok {
		t.Fatalf("not parsed: %v, %v", ok, err)
	}
	if !sig.matches(r, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", bodyHash, &keyCache{}) {
		t.Errorf("does not match; canonical request:\n%s", appendCanonical(nil, r, &sig, bodyHash))
	}
}

// testKeys are the credentials of the tests.
type testKeys map[string]struct {
	secret, account string
	root            bool
}

func (k testKeys) Lookup(accessKey string) (string, string, bool, error) {
	c, ok := k[accessKey]
	if !ok {
		return "", "", false, lambda.Errorf(lambda.UnrecognizedClient, "no such key")
	}
	return c.secret, c.account, c.root, nil
}

var (
	keys = testKeys{
		"AKIDONE":  {"secret-one/+", "111111111111", false},
		"AKIDTWO":  {"secret-two", "222222222222", false},
		"AKIDROOT": {"secret-root", "000000000000", true},
	}
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func testAuthenticator() *Authenticator {
	return NewAuthenticator(AuthOptions{Credentials: keys, Clock: func() time.Time { return noon }})
}

// signing says how a test request is signed; the zero value is a good Invoke.
type signing struct {
	key, secret, service, region string
	at                           time.Time
}

func (s signing) withDefaults() signing {
	if s.key == "" {
		s.key = "AKIDONE"
	}
	if s.secret == "" {
		s.secret = keys[s.key].secret
	}
	if s.service == "" {
		s.service = "lambda"
	}
	if s.region == "" {
		s.region = "eu-west-1"
	}
	if s.at.IsZero() {
		s.at = noon
	}
	return s
}

// signedRequest makes a request as a server gets it, signed by AWS's own signer.
func signedRequest(t testing.TB, s signing, method, target, body string, headers ...string) *http.Request {
	t.Helper()
	s = s.withDefaults()
	r, err := http.NewRequest(method, "http://lambent.test:4566"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret},
		r, hex.EncodeToString(sum[:]), s.service, s.region, s.at)
	if err != nil {
		t.Fatal(err)
	}
	return arrive(t, r, body)
}

// presignedRequest is signedRequest for a presigned URL.
func presignedRequest(t testing.TB, s signing, expires time.Duration, method, target, body string) *http.Request {
	t.Helper()
	s = s.withDefaults()
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	r, err := http.NewRequest(method, "http://lambent.test:4566"+target+separator+"X-Amz-Expires="+strconv.Itoa(int(expires.Seconds())), nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret},
		r, hex.EncodeToString(sum[:]), s.service, s.region, s.at)
	if err != nil {
		t.Fatal(err)
	}
	if r.URL, err = url.Parse(signed); err != nil {
		t.Fatal(err)
	}
	return arrive(t, r, body)
}

// arrive turns a client's request into the server's view of it.
func arrive(t testing.TB, r *http.Request, body string) *http.Request {
	t.Helper()
	out := httptest.NewRequest(r.Method, r.URL.RequestURI(), strings.NewReader(body))
	out.Host = r.URL.Host
	out.Header = r.Header.Clone()
	return out
}

func bodyOf(t testing.TB, r *http.Request) []byte {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

const invokePath = "/2015-03-31/functions/f/invocations"

func TestAuthenticate(t *testing.T) {
	arn := "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111111111111%3Afunction%3Af/invocations"
	tests := map[string]*http.Request{
		"header":          signedRequest(t, signing{}, "POST", invokePath, `{"a":1}`),
		"escaped ARN":     signedRequest(t, signing{}, "POST", arn, `{}`),
		"query":           signedRequest(t, signing{}, "GET", "/2015-03-31/functions?Marker=a%20b%2Bc%2F%3D&MaxItems=2", ""),
		"query twice":     signedRequest(t, signing{}, "DELETE", "/2017-03-31/tags/x?tagKeys=b&tagKeys=a", ""),
		"headers":         signedRequest(t, signing{}, "POST", invokePath, "", "X-Amz-Invocation-Type", "Event", "X-Odd", "  a   b "),
		"four minutes":    signedRequest(t, signing{at: noon.Add(-4 * time.Minute)}, "POST", invokePath, ""),
		"presigned":       presignedRequest(t, signing{}, time.Hour, "POST", invokePath, `{"a":1}`),
		"presigned query": presignedRequest(t, signing{at: noon.Add(-time.Hour)}, 2*time.Hour, "GET", "/2015-03-31/functions?MaxItems=3", ""),
	}
	a := testAuthenticator()
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := a.Authenticate(r, bodyOf(t, r), "lambda")
			if want := (Principal{Account: "111111111111", AccessKey: "AKIDONE", Region: "eu-west-1"}); err != nil || p != want {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
	t.Run("content hash in the header", func(t *testing.T) {
		sum := sha256.Sum256([]byte("{}"))
		r := signedRequest(t, signing{key: "AKIDROOT"}, "POST", invokePath, "{}", "X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		p, err := a.Authenticate(r, []byte("{}"), "lambent", "lambda")
		if err != nil || !p.Root {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}

// mutations change a good request so that nobody may believe it.
var mutations = map[string]struct {
	change func(r *http.Request)
	kind   lambda.Kind
	says   string
}{
	"method":               {func(r *http.Request) { r.Method = "PUT" }, lambda.InvalidSignature, "The request signature we calculated"},
	"path":                 {func(r *http.Request) { r.URL.Path = "/2015-03-31/functions/g/invocations" }, lambda.InvalidSignature, "we calculated"},
	"path escape":          {func(r *http.Request) { r.URL.RawPath = "/2015-03-31/functions/%66/invocations" }, lambda.InvalidSignature, "we calculated"},
	"trailing slash":       {func(r *http.Request) { r.URL.Path += "/" }, lambda.InvalidSignature, "we calculated"},
	"dot segment":          {func(r *http.Request) { r.URL.Path = "/2015-03-31/./functions/f/invocations" }, lambda.InvalidSignature, "dot segments"},
	"parent segment":       {func(r *http.Request) { r.URL.Path = "/x/../2015-03-31/functions/f/invocations" }, lambda.InvalidSignature, "dot segments"},
	"empty segment":        {func(r *http.Request) { r.URL.Path = "//2015-03-31/functions/f/invocations" }, lambda.InvalidSignature, "dot segments"},
	"query added":          {func(r *http.Request) { r.URL.RawQuery = "Qualifier=1&X=2" }, lambda.InvalidSignature, "we calculated"},
	"query dropped":        {func(r *http.Request) { r.URL.RawQuery = "" }, lambda.InvalidSignature, "we calculated"},
	"query value":          {func(r *http.Request) { r.URL.RawQuery = "Qualifier=2" }, lambda.InvalidSignature, "we calculated"},
	"query not valid":      {func(r *http.Request) { r.URL.RawQuery = "Qualifier=%zz" }, lambda.SerializationFailed, "query string"},
	"body":                 {func(r *http.Request) { setBody(r, `{"a":2}`) }, lambda.InvalidSignature, "we calculated"},
	"body dropped":         {func(r *http.Request) { setBody(r, "") }, lambda.InvalidSignature, "we calculated"},
	"host":                 {func(r *http.Request) { r.Host = "other.test" }, lambda.InvalidSignature, "we calculated"},
	"signed header":        {func(r *http.Request) { r.Header.Set("X-Amz-Invocation-Type", "DryRun") }, lambda.InvalidSignature, "we calculated"},
	"signed header gone":   {func(r *http.Request) { r.Header.Del("X-Amz-Invocation-Type") }, lambda.InvalidSignature, "we calculated"},
	"signed header twice":  {func(r *http.Request) { r.Header.Add("X-Amz-Invocation-Type", "Event") }, lambda.IncompleteSignature, "more than once"},
	"date header twice":    {func(r *http.Request) { r.Header.Add("X-Amz-Date", "20261124T120000Z") }, lambda.IncompleteSignature, "more than once"},
	"unsigned amz header":  {func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }, lambda.InvalidSignature, "'x-amz-log-type' must be a 'SignedHeader'"},
	"no authorization":     {func(r *http.Request) { r.Header.Del("Authorization") }, lambda.MissingAuthentication, "Missing Authentication Token"},
	"two authorizations":   {func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, lambda.IncompleteSignature, "more than one Authorization"},
	"header and query":     {func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=00" }, lambda.IncompleteSignature, "Only one form"},
	"header and algorithm": {func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Algorithm=x" }, lambda.IncompleteSignature, "Only one form"},
	"basic":                {func(r *http.Request) { r.Header.Set("Authorization", "Basic dTpw") }, lambda.IncompleteSignature, "Unsupported AWS 'algorithm': 'Basic'"},
	"algorithm":            {replaceAuth("SHA256 ", "SHA1 "), lambda.IncompleteSignature, "Unsupported AWS 'algorithm'"},
	"v4a":                  {replaceAuth("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), lambda.IncompleteSignature, "Unsupported AWS 'algorithm'"},
	"no signature":         {replaceAuth(", Signature=", ", Sig="), lambda.IncompleteSignature, "'Signature'"},
	"signature twice":      {func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")+", Signature=00") }, lambda.IncompleteSignature, "exactly"},
	"signature bit":        {flipSignature, lambda.InvalidSignature, "we calculated"},
	"signature upper case": {upperSignature, lambda.InvalidSignature, "we calculated"},
	"signature cut":        {cutSignature, lambda.InvalidSignature, "we calculated"},
	"unknown key":          {replaceAuth("AKIDONE", "AKIDNONE"), lambda.UnrecognizedClient, "The security token included in the request is invalid."},
	"other key":            {replaceAuth("AKIDONE", "AKIDTWO"), lambda.InvalidSignature, "we calculated"},
	"scope region":         {replaceAuth("/eu-west-1/", "/us-east-1/"), lambda.InvalidSignature, "we calculated"},
	"scope region invalid": {replaceAuth("/eu-west-1/", "/EU:west/"), lambda.InvalidSignature, "valid region"},
	"scope region empty":   {replaceAuth("/eu-west-1/", "//"), lambda.InvalidSignature, "valid region"},
	"scope service":        {replaceAuth("/lambda/", "/sqs/"), lambda.InvalidSignature, "Credential should be scoped to correct service: 'lambda'."},
	"scope terminator":     {replaceAuth("aws4_request", "aws5_request"), lambda.InvalidSignature, "valid terminator"},
	"scope short":          {replaceAuth("/lambda/", "/"), lambda.IncompleteSignature, "exactly 5 slash-delimited"},
	"scope date":           {replaceAuth("/20261124/", "/20261123/"), lambda.InvalidSignature, "does not match YYYYMMDD"},
	"date":                 {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261124T120100Z") }, lambda.InvalidSignature, "we calculated"},
	"date gone":            {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, lambda.IncompleteSignature, "'X-Amz-Date'"},
	"date form":            {func(r *http.Request) { r.Header.Set("X-Amz-Date", "2026-11-24T12:00:00Z") }, lambda.IncompleteSignature, "basic format"},
	"host unsigned":        {replaceAuth("host;", ""), lambda.InvalidSignature, "'Host' or ':authority' must be"},
	"signed headers order": {replaceAuth("host;x-amz-date", "x-amz-date;host"), lambda.IncompleteSignature, "alphabetical"},
	"signed header double": {replaceAuth("host;", "host;host;"), lambda.IncompleteSignature, "alphabetical"},
	"signed headers case":  {replaceAuth("host;", "Host;"), lambda.IncompleteSignature, "lower-case"},
	"unsigned payload":     {func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, lambda.InvalidSignature, "must be a 'SignedHeader'"},
	"session token":        {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, lambda.InvalidSignature, "must be a 'SignedHeader'"},
}

func setBody(r *http.Request, body string) {
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
}

func replaceAuth(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
	}
}

func changeSignature(r *http.Request, change func(string) string) {
	head, sig, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	r.Header.Set("Authorization", head+"Signature="+change(sig))
}

func flipSignature(r *http.Request) {
	changeSignature(r, func(sig string) string {
		if sig[0] == '0' {
			return "1" + sig[1:]
		}
		return "0" + sig[1:]
	})
}

func upperSignature(r *http.Request) { changeSignature(r, strings.ToUpper) }
func cutSignature(r *http.Request)   { changeSignature(r, func(s string) string { return s[:63] }) }

func TestMutationsAreRefused(t *testing.T) {
	a := testAuthenticator()
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			r := signedRequest(t, signing{}, "POST", invokePath+"?Qualifier=1", `{"a":1}`, "X-Amz-Invocation-Type", "Event")
			m.change(r)
			refused(t, a, r, m.kind, m.says)
		})
	}
}

func refused(t *testing.T, a *Authenticator, r *http.Request, kind lambda.Kind, says string) {
	t.Helper()
	p, err := a.Authenticate(r, bodyOf(t, r), "lambda")
	if err == nil || lambda.KindOf(err) != kind || !strings.Contains(err.Error(), says) || p != (Principal{}) {
		t.Errorf("got %+v, kind %d, %v; want kind %d, ...%s...", p, lambda.KindOf(err), err, kind, says)
	}
}

func TestUntimelyIsRefused(t *testing.T) {
	a := testAuthenticator()
	inv := lambda.InvalidSignature
	refused(t, a, signedRequest(t, signing{at: noon.Add(-6 * time.Minute)}, "POST", invokePath, ""), inv,
		"Signature expired: 20261124T115400Z is now earlier than 20261124T115500Z (20261124T120000Z - 5 min.)")
	refused(t, a, signedRequest(t, signing{at: noon.Add(6 * time.Minute)}, "POST", invokePath, ""), inv,
		"Signature not yet current: 20261124T120600Z is still later than 20261124T120500Z (20261124T120000Z + 5 min.)")
	refused(t, a, presignedRequest(t, signing{at: noon.Add(-2 * time.Hour)}, time.Hour, "GET", "/2015-03-31/functions", ""), inv, "Signature expired: ")
	refused(t, a, presignedRequest(t, signing{at: noon.Add(time.Hour)}, time.Hour, "GET", "/2015-03-31/functions", ""), inv, "not yet current")
	refused(t, a, presignedRequest(t, signing{}, 8*24*time.Hour, "GET", "/2015-03-31/functions", ""), lambda.IncompleteSignature, "a week")

	wide := NewAuthenticator(AuthOptions{Credentials: keys, Clock: func() time.Time { return noon }, Skew: 15 * time.Minute})
	r := signedRequest(t, signing{at: noon.Add(-10 * time.Minute)}, "POST", invokePath, "")
	if _, err := wide.Authenticate(r, nil, "lambda"); err != nil {
		t.Errorf("the skew is a setting: %v", err)
	}
}

func TestPresignedMutationsAreRefused(t *testing.T) {
	a := testAuthenticator()
	for name, m := range map[string]struct {
		change func(q url.Values)
		kind   lambda.Kind
	}{
		"longer":          {func(q url.Values) { q.Set("X-Amz-Expires", "7200") }, lambda.InvalidSignature},
		"negative":        {func(q url.Values) { q.Set("X-Amz-Expires", "-1") }, lambda.IncompleteSignature},
		"no number":       {func(q url.Values) { q.Set("X-Amz-Expires", "1h") }, lambda.IncompleteSignature},
		"no expiry":       {func(q url.Values) { q.Del("X-Amz-Expires") }, lambda.InvalidSignature},
		"empty expiry":    {func(q url.Values) { q.Set("X-Amz-Expires", "") }, lambda.IncompleteSignature},
		"no algorithm":    {func(q url.Values) { q.Del("X-Amz-Algorithm") }, lambda.IncompleteSignature},
		"other algorithm": {func(q url.Values) { q.Set("X-Amz-Algorithm", "none") }, lambda.IncompleteSignature},
		"date twice":      {func(q url.Values) { q.Add("X-Amz-Date", q.Get("X-Amz-Date")) }, lambda.IncompleteSignature},
		"signature twice": {func(q url.Values) { q.Add("X-Amz-Signature", "00") }, lambda.IncompleteSignature},
		"other key": {func(q url.Values) {
			q.Set("X-Amz-Credential", strings.Replace(q.Get("X-Amz-Credential"), "ONE", "TWO", 1))
		}, lambda.InvalidSignature},
		"parameter":        {func(q url.Values) { q.Set("MaxItems", "10") }, lambda.InvalidSignature},
		"session":          {func(q url.Values) { q.Set("X-Amz-Security-Token", "t") }, lambda.UnrecognizedClient},
		"no signedheaders": {func(q url.Values) { q.Del("X-Amz-SignedHeaders") }, lambda.IncompleteSignature},
	} {
		t.Run(name, func(t *testing.T) {
			r := presignedRequest(t, signing{}, time.Hour, "GET", "/2015-03-31/functions?MaxItems=2", "")
			q := r.URL.Query()
			m.change(q)
			r.URL.RawQuery = q.Encode()
			refused(t, a, r, m.kind, "")
		})
	}
}

func TestContentHashes(t *testing.T) {
	a := testAuthenticator()
	for _, hash := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", strings.Repeat("A", 64), "e3b0"} {
		r := signedRequest(t, signing{}, "POST", invokePath, "{}", "X-Amz-Content-Sha256", hash)
		refused(t, a, r, lambda.InvalidSignature, "x-amz-content-sha256")
	}
	// Signed as it is, but about another body.
	sum := sha256.Sum256([]byte("other"))
	hash := hex.EncodeToString(sum[:])
	r, _ := http.NewRequest("POST", "http://lambent.test:4566"+invokePath, strings.NewReader("{}"))
	r.Header.Set("X-Amz-Content-Sha256", hash)
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKIDONE", SecretAccessKey: keys["AKIDONE"].secret}, r, hash, "lambda", "eu-west-1", noon)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, a, arrive(t, r, "{}"), lambda.InvalidSignature, "does not match what was computed")
}

func TestDevelopmentBelieves(t *testing.T) {
	a := NewAuthenticator(AuthOptions{Development: true, DefaultRegion: "eu-north-1"})
	auth := func(v string) *http.Request {
		r := httptest.NewRequest("POST", invokePath, nil)
		if v != "" {
			r.Header.Set("Authorization", v)
		}
		return r
	}
	for _, test := range []struct {
		name string
		r    *http.Request
		want Principal
	}{
		{"nothing", auth(""), Principal{Account: "000000000000", Root: true, Region: "eu-north-1"}},
		{"account", auth("AWS4-HMAC-SHA256 Credential=123456789012/20261124/us-west-2/lambda/aws4_request, SignedHeaders=host, Signature=x"),
			Principal{Account: "123456789012", AccessKey: "123456789012", Region: "us-west-2"}},
		{"test", auth("AWS4-HMAC-SHA256 Credential=test/20261124/us-west-2/lambda/aws4_request, SignedHeaders=host, Signature=x"),
			Principal{Account: "000000000000", Root: true, AccessKey: "test", Region: "us-west-2"}},
		{"region of no form", auth("AWS4-HMAC-SHA256 Credential=test/20261124/US:1/lambda/aws4_request"),
			Principal{Account: "000000000000", Root: true, AccessKey: "test", Region: "eu-north-1"}},
		{"junk", auth("Bearer x"), Principal{Account: "000000000000", Root: true, Region: "eu-north-1"}},
		{"presigned", httptest.NewRequest("GET", "/?X-Amz-Credential=123456789012%2F20261124%2Fus-west-2%2Fsts%2Faws4_request", nil),
			Principal{Account: "123456789012", AccessKey: "123456789012", Region: "us-west-2"}},
	} {
		p, err := a.Authenticate(test.r, nil, "lambda")
		if err != nil || p != test.want {
			t.Errorf("%s: got %+v, %v", test.name, p, err)
		}
	}
}

// FuzzSigV4 feeds arbitrary authentication to the parser, which must refuse it with a typed
// error: nothing here knows the secret.
func FuzzSigV4(f *testing.F) {
	good := signedRequest(f, signing{}, "POST", invokePath, "{}")
	f.Add(good.Header.Get("Authorization"), "20261124T120000Z", "", "/x")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb%2Fc%2Fd%2Faws4_request&X-Amz-Date=20261124T120000Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "/")
	f.Add("AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;;, Signature==,", "T", "%", "//../.")
	a := testAuthenticator()
	f.Fuzz(func(t *testing.T, auth, date, query, path string) {
		r := &http.Request{Method: "POST", Host: "h", Header: http.Header{}, URL: &url.URL{Path: path, RawQuery: query}}
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		if p, err := a.Authenticate(r, []byte("not what was signed"), "lambda"); err == nil || p != (Principal{}) {
			t.Errorf("believed: %+v", p)
		} else if k := lambda.KindOf(err); k == lambda.Internal {
			t.Errorf("no kind: %v", err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	body := strings.Repeat("x", 1024)
	r := signedRequest(b, signing{}, "POST", invokePath, body, "X-Amz-Invocation-Type", "Event", "Content-Type", "application/json")
	a := testAuthenticator()
	raw := []byte(body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(r, raw, "lambda"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestKeyCacheIsBounded holds the cache to its limit.
func TestKeyCacheIsBounded(t *testing.T) {
	var c keyCache
	for i := range maxKeys + 10 {
		c.get(signingScope{secret: strconv.Itoa(i)})
	}
	if len(c.keys) > maxKeys {
		t.Errorf("%d keys", len(c.keys))
	}
	s := signingScope{secret: "s", date: "20150830", region: "r", service: "x"}
	if first, second := c.get(s), c.get(s); !bytes.Equal(first[:], second[:]) {
		t.Error("a cached key differs")
	}
}
