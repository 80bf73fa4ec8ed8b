package awswire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// AuthOptions say how requests are authenticated.
type AuthOptions struct {
	Credentials   Credentials      // not needed in development mode
	Clock         func() time.Time // not needed in development mode
	Skew          time.Duration    // how far a clock may be off; 0: 5 minutes
	DefaultRegion string           // of a request that names none; "": us-east-1
	Development   bool             // any credentials pass, or none
}

// Authenticator says who sent a request. It is safe for concurrent use.
type Authenticator struct {
	AuthOptions
	keys keyCache
}

// developmentAccount is who a request is from in development mode when its key is no account.
const developmentAccount = "000000000000"

// NewAuthenticator makes an authenticator.
func NewAuthenticator(o AuthOptions) *Authenticator {
	if o.Skew == 0 {
		o.Skew = 5 * time.Minute
	}
	if o.DefaultRegion == "" {
		o.DefaultRegion = "us-east-1"
	}
	return &Authenticator{AuthOptions: o}
}

// Authenticate answers who sent a request with this body, which the caller has read. The
// signature has to be for one of the services.
//
// Outcomes: MissingAuthentication, IncompleteSignature, InvalidSignature (not the right one, too
// old, for another service), UnrecognizedClient (the key is not known), SerializationFailed (the
// query string is none).
func (a *Authenticator) Authenticate(r *http.Request, body []byte, services ...string) (Principal, error) {
	c, err := a.begin(r, services...)
	if err != nil {
		return Principal{}, err
	}
	if err := c.finish(sha256.Sum256(body)); err != nil {
		return Principal{}, err
	}
	return c.principal, nil
}

// claim is a request that may be from its principal: all is checked but the body.
type claim struct {
	principal Principal
	claimed   string                     // x-amz-content-sha256, which the signature held for
	verify    func(bodyHash string) bool // nil in development mode
}

// begin does everything that needs no body, the signature included when the request says what
// its body's hash is: strangers get no more of our memory than a header's worth.
func (a *Authenticator) begin(r *http.Request, services ...string) (*claim, error) {
	if a.Development {
		return &claim{principal: a.development(r)}, nil
	}
	sig, ok, err := parseSignature(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, lambda.Errorf(lambda.MissingAuthentication, "Missing Authentication Token")
	}
	if err := a.acceptable(r, &sig, services); err != nil {
		return nil, err
	}
	secret, account, root, err := a.Credentials.Lookup(sig.accessKey)
	if err != nil {
		if lambda.KindOf(err) == lambda.UnrecognizedClient {
			return nil, errUnknownKey()
		}
		return nil, err
	}
	c := &claim{principal: Principal{Account: account, AccessKey: sig.accessKey, Region: sig.region, Root: root}}
	c.verify = func(bodyHash string) bool { return sig.matches(r, secret, bodyHash, &a.keys) }
	if c.claimed = r.Header.Get("X-Amz-Content-Sha256"); c.claimed != "" {
		if !c.verify(c.claimed) {
			return nil, errMismatch()
		}
	}
	return c, nil
}

// acceptable checks all of a signature that needs no secret.
func (a *Authenticator) acceptable(r *http.Request, sig *signature, services []string) error {
	if !slices.Contains(services, sig.service) {
		return invalid("Credential should be scoped to correct service: '%s'. ", services[0])
	}
	if !validRegion(sig.region) {
		return invalid("Credential should be scoped to a valid region. ")
	}
	if err := sig.timely(a.Clock().UTC(), a.Skew); err != nil {
		return err
	}
	if err := sig.covers(r); err != nil {
		return err
	}
	if hash := r.Header.Get("X-Amz-Content-Sha256"); hash != "" && !isHash(hash) {
		return invalid("The value '%s' of x-amz-content-sha256 is not supported; it must be the SHA-256 of the body in hexadecimal.", hash)
	}
	if r.Header.Get("X-Amz-Security-Token") != "" || sig.query.Has("X-Amz-Security-Token") {
		return errUnknownKey() // no key of ours comes with a session
	}
	return nil
}

func errUnknownKey() error {
	return lambda.Errorf(lambda.UnrecognizedClient, "The security token included in the request is invalid.")
}

// finish checks the body's hash.
func (c *claim) finish(sum [sha256.Size]byte) error {
	if c.verify == nil {
		return nil
	}
	hash := hex.EncodeToString(sum[:])
	if c.claimed != "" {
		if hash != c.claimed {
			return invalid("The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
		return nil
	}
	if !c.verify(hash) {
		return errMismatch()
	}
	return nil
}

// development believes what a request says, as users of emulators expect.
func (a *Authenticator) development(r *http.Request) Principal {
	p := Principal{Account: developmentAccount, Region: a.DefaultRegion}
	credential := claimedCredential(r)
	key, scope, _ := strings.Cut(credential, "/")
	if isAccount(key) {
		p.Account = key
	}
	p.AccessKey, p.Root = key, p.Account == developmentAccount
	if parts := strings.Split(scope, "/"); len(parts) >= 2 && validRegion(parts[1]) {
		p.Region = parts[1]
	}
	return p
}

// claimedCredential answers the credential of a request, "" when it shows none. It proves nothing.
func claimedCredential(r *http.Request) string {
	if auth := r.Header.Get("Authorization"); auth != "" {
		if _, rest, ok := strings.Cut(auth, "Credential="); ok {
			credential, _, _ := strings.Cut(rest, ",")
			return strings.TrimSpace(credential)
		}
		return ""
	}
	if !strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		return ""
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ""
	}
	return query.Get("X-Amz-Credential")
}

// scopeService answers the service that a request's signature is for, "" when it does not say.
func scopeService(r *http.Request) string {
	if parts := strings.Split(claimedCredential(r), "/"); len(parts) >= 4 {
		return parts[3]
	}
	return ""
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// validRegion says whether a region has the form of one: it becomes part of ARNs and keys.
func validRegion(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func isHash(s string) bool {
	if len(s) != 2*sha256.Size || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

var errNoCredentials = errors.New("an authenticator needs credentials and a clock, or development mode")

// Validate says what is missing.
func (o AuthOptions) Validate() error {
	if !o.Development && (o.Credentials == nil || o.Clock == nil) {
		return errNoCredentials
	}
	return nil
}
