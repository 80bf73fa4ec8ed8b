package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"lambent.dev/lambent/internal/clock"
)

// service is the signature's service name.
const service = "lambent"

// maxErrorBytes bounds what is read of an answer that reports an error.
const maxErrorBytes = 1 << 20

// Client speaks to one server. All fields are needed.
type Client struct {
	Endpoint    string // "http://127.0.0.1:4566"
	Region      string // of the signature
	Credentials aws.CredentialsProvider
	HTTP        aws.HTTPClient
	Now         clock.Clock
}

// Error is an error that the server answered.
type Error struct {
	Status  int    // HTTP
	Code    string // "ResourceNotFoundException"; "" when the answer is not in Lambent's form
	Message string
}

// Error answers the message.
func (e *Error) Error() string { return e.Message }

// ErrorCode answers the exception's name; with the next two methods an Error reads like the
// AWS SDK's own errors.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage answers the message.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault says whose fault it is.
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// Path joins the escaped segments of a path below /lambent/.
func Path(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return "/lambent/" + strings.Join(escaped, "/")
}

// Call makes one request and answers its body, decoded into out too unless out is nil. body is
// sent as JSON, nil sends none. The error is an *Error where the server answered one.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, body, out any) ([]byte, error) {
	res, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return raw, nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, foreign(res, raw)
	}
	return raw, nil
}

// Stream makes a GET request whose body is read as it comes. The caller closes it.
func (c *Client) Stream(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	res, err := c.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// send signs and sends; an answer of 400 and more is an error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = encode(body); err != nil {
			return nil, err
		}
	}
	target := strings.TrimSuffix(c.Endpoint, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := c.sign(ctx, req, content); err != nil {
		return nil, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		raw, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes))
		if err != nil {
			return nil, err
		}
		return nil, decodeError(res, raw)
	}
	return res, nil
}

// encode makes JSON whose strings stay as they are: <, > and & are common in payloads.
func encode(body any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (c *Client) sign(ctx context.Context, req *http.Request, content []byte) error {
	credentials, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	return v4.NewSigner().SignHTTP(ctx, credentials, req, hash, service, c.Region, c.Now())
}

// decodeError reads an error answer, in AWS's rest-json form.
func decodeError(res *http.Response, raw []byte) *Error {
	var body struct {
		Lower string `json:"message"` // encoding/json takes "Message" for it too
		Type  string `json:"__type"`
	}
	code := res.Header.Get("X-Amzn-Errortype")
	if json.Unmarshal(raw, &body) != nil || code == "" && body.Type == "" {
		return foreign(res, raw)
	}
	if code == "" {
		code = body.Type
	}
	code, _, _ = strings.Cut(code, ":") // AWS may add a namespace's address
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return &Error{Status: res.StatusCode, Code: code, Message: body.Lower}
}

// foreign is the error for an answer that no Lambent server gives.
func foreign(res *http.Response, raw []byte) *Error {
	text := strings.Join(strings.Fields(string(raw)), " ")
	if len(text) > 80 {
		text = text[:80]
	}
	return &Error{Status: res.StatusCode, Message: fmt.Sprintf("HTTP %d, %q", res.StatusCode, text)}
}
