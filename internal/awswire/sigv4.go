package awswire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	isoBasic   = "20060102T150405Z"
	maxPresign = 7 * 24 * time.Hour

	defaultPresign = "900" // seconds; some of AWS's clients presign for STS without saying how long
)

// signature is a request's claim to be from the holder of a key, before it is believed.
type signature struct {
	accessKey, date, region, service string // of the credential's scope
	signedHeaders                    []string
	hex                              string
	at                               time.Time     // X-Amz-Date
	stamp                            string        // at, as it was written
	presigned                        bool          // it is in the query
	expires                          time.Duration // presigned: how long it is good for
	query                            url.Values
}

// incomplete is the error about an authorization that lacks a part or has it twice.
func incomplete(format string, args ...any) error {
	return lambda.Errorf(lambda.IncompleteSignature, format, args...)
}

func invalid(format string, args ...any) error {
	return lambda.Errorf(lambda.InvalidSignature, format, args...)
}

// errMismatch is AWS's sentence for a signature that is not the one we calculate.
func errMismatch() error {
	return invalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

// parseSignature reads the claim from the header or the query. ok is false when the request
// makes none.
func parseSignature(r *http.Request) (sig signature, ok bool, err error) {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return sig, true, err
	}
	headers, inQuery := r.Header["Authorization"], hasAuthQuery(query)
	switch {
	case len(headers) == 0 && !inQuery:
		return sig, false, nil
	case len(headers) > 1:
		return sig, true, incomplete("The request has more than one Authorization header.")
	case len(headers) == 1 && inQuery:
		return sig, true, incomplete("Only one form of authentication is allowed; the request has an Authorization header and X-Amz- query parameters.")
	}
	if err := refuseDoubled(r.Header, query); err != nil {
		return sig, true, err
	}
	sig.query = query
	if inQuery {
		err = sig.fromQuery(query)
	} else {
		err = sig.fromHeader(headers[0], r.Header)
	}
	return sig, true, err
}

func hasAuthQuery(query url.Values) bool {
	for _, name := range []string{"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Algorithm", "X-Amz-SignedHeaders"} {
		if query.Has(name) {
			return true
		}
	}
	return false
}

// parseQuery is url.ParseQuery with our error. Most requests have no query.
func parseQuery(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, lambda.Errorf(lambda.SerializationFailed, "The query string is not valid")
	}
	return query, nil
}

// refuseDoubled refuses authentication headers and parameters with two values: one of them
// would be believed and the other used.
func refuseDoubled(h http.Header, query url.Values) error {
	for name, values := range h {
		if len(values) > 1 && (strings.HasPrefix(name, "X-Amz-") || name == "Date") {
			return incomplete("The header '%s' is there more than once.", name)
		}
	}
	for name, values := range query {
		if len(values) > 1 && len(name) > 6 && strings.EqualFold(name[:6], "X-Amz-") {
			return incomplete("The query parameter '%s' is there more than once.", name)
		}
	}
	return nil
}

// fromHeader reads "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
func (s *signature) fromHeader(auth string, h http.Header) error {
	name, rest, _ := strings.Cut(auth, " ")
	if name != algorithm {
		return incomplete("Unsupported AWS 'algorithm': '%s'.", name)
	}
	var credential, signed string
	seen := 0
	for part := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(strings.Trim(part, " "), "=")
		to := map[string]*string{"Credential": &credential, "SignedHeaders": &signed, "Signature": &s.hex}[key]
		if !ok || to == nil || value == "" || *to != "" {
			return incomplete("Authorization header requires exactly 'Credential', 'SignedHeaders' and 'Signature' parameters.")
		}
		*to = value
		seen++
	}
	if seen != 3 {
		return incomplete("Authorization header requires exactly 'Credential', 'SignedHeaders' and 'Signature' parameters.")
	}
	s.stamp = h.Get("X-Amz-Date")
	if s.stamp == "" {
		return incomplete("Authorization header requires existence of a 'X-Amz-Date' header.")
	}
	return s.fill(credential, signed)
}

// fromQuery reads the parameters of a presigned URL.
func (s *signature) fromQuery(query url.Values) error {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if query.Get(name) == "" {
			return incomplete("AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", name)
		}
	}
	if name := query.Get("X-Amz-Algorithm"); name != algorithm {
		return incomplete("Unsupported AWS 'algorithm': '%s'.", name)
	}
	expires := defaultPresign
	if query.Has("X-Amz-Expires") {
		expires = query.Get("X-Amz-Expires")
	}
	seconds, err := strconv.ParseInt(expires, 10, 32)
	if err != nil || seconds < 0 {
		return incomplete("X-Amz-Expires should be a number of seconds.")
	}
	if s.expires = time.Duration(seconds) * time.Second; s.expires > maxPresign {
		return incomplete("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	s.presigned, s.stamp, s.hex = true, query.Get("X-Amz-Date"), query.Get("X-Amz-Signature")
	return s.fill(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"))
}

// fill reads the parts that both forms have.
func (s *signature) fill(credential, signed string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'.", credential)
	}
	s.accessKey, s.date, s.region, s.service = parts[0], parts[1], parts[2], parts[3]
	if parts[4] != terminator {
		return invalid("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, parts[4])
	}
	at, err := time.Parse(isoBasic, s.stamp)
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", s.stamp)
	}
	s.at = at
	if s.date != s.stamp[:8] {
		return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", s.date, s.stamp[:8], s.stamp)
	}
	s.signedHeaders = strings.Split(signed, ";")
	for i, name := range s.signedHeaders {
		if name == "" || strings.ToLower(name) != name || (i > 0 && s.signedHeaders[i-1] >= name) {
			return incomplete("'SignedHeaders' must be lower-case names in alphabetical order, each once.")
		}
	}
	if len(s.hex) != 2*sha256.Size {
		return errMismatch()
	}
	return nil
}

// timely checks the date of a signature.
func (s *signature) timely(now time.Time, skew time.Duration) error {
	minutes := strconv.FormatFloat(skew.Minutes(), 'f', -1, 64)
	if s.at.After(now.Add(skew)) {
		return invalid("Signature not yet current: %s is still later than %s (%s + %s min.)",
			s.stamp, now.Add(skew).Format(isoBasic), now.Format(isoBasic), minutes)
	}
	if s.presigned {
		if end := s.at.Add(s.expires); end.Before(now) {
			return invalid("Signature expired: %s is now earlier than %s", end.Format(isoBasic), now.Format(isoBasic))
		}
		return nil
	}
	if s.at.Before(now.Add(-skew)) {
		return invalid("Signature expired: %s is now earlier than %s (%s - %s min.)",
			s.stamp, now.Add(-skew).Format(isoBasic), now.Format(isoBasic), minutes)
	}
	return nil
}

// covers checks that everything that must be signed is.
func (s *signature) covers(r *http.Request) error {
	if !s.signs("host") {
		return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !s.signs(lower) {
			return invalid("'%s' must be a 'SignedHeader' in the AWS Authorization.", lower)
		}
	}
	if path := rawPath(r); path != "" && normalPath(path) != path {
		return invalid("The path of the request must not have empty or dot segments.")
	}
	return nil
}

func (s *signature) signs(name string) bool {
	for _, signed := range s.signedHeaders {
		if signed == name {
			return true
		}
	}
	return false
}

// matches says whether the secret makes the same signature, given the hash of the body in hex.
func (s *signature) matches(r *http.Request, secret, bodyHash string, keys *keyCache) bool {
	canonical := appendCanonical(make([]byte, 0, 1024), r, s, bodyHash)
	sum := sha256.Sum256(canonical)
	text := make([]byte, 0, 256)
	text = append(text, algorithm+"\n"...)
	text = append(text, s.stamp...)
	text = append(text, '\n')
	text = append(text, s.date+"/"+s.region+"/"+s.service+"/"+terminator+"\n"...)
	text = hex.AppendEncode(text, sum[:])
	key := keys.get(signingScope{secret, s.date, s.region, s.service})
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], hmacSHA256(key[:], text))
	return subtle.ConstantTimeCompare(want[:], []byte(s.hex)) == 1
}

func hmacSHA256(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// signingScope is what a signing key is made from.
type signingScope struct{ secret, date, region, service string }

func (s signingScope) key() [sha256.Size]byte {
	k := hmacSHA256([]byte("AWS4"+s.secret), []byte(s.date))
	k = hmacSHA256(k, []byte(s.region))
	k = hmacSHA256(k, []byte(s.service))
	return [sha256.Size]byte(hmacSHA256(k, []byte(terminator)))
}

// keyCache holds signing keys: each is good for a day, and costs four hashes.
type keyCache struct {
	mu   sync.RWMutex
	keys map[signingScope][sha256.Size]byte
}

// maxKeys bounds the cache; a scope is a key of a known account, a day, a region and a service.
const maxKeys = 4096

func (c *keyCache) get(s signingScope) [sha256.Size]byte {
	c.mu.RLock()
	key, ok := c.keys[s]
	c.mu.RUnlock()
	if ok {
		return key
	}
	key = s.key()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxKeys {
		c.keys = make(map[signingScope][sha256.Size]byte)
	}
	c.keys[s] = key
	return key
}
