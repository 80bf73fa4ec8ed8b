package awswire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// Blob is bytes inside a JSON body, in base64.
type Blob []byte

// UnmarshalJSON reads base64.
func (b *Blob) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if len(raw) < 2 || raw[0] != '"' {
		return errNotBlob
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // some writers escape the slash
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		text = []byte(s)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	if err != nil {
		return errNotBlob
	}
	*b = out[:n]
	return nil
}

var errNotBlob = errors.New("Blob must be a base64 encoded string")

// String answers the bytes in base64.
func (b Blob) String() string { return base64.StdEncoding.EncodeToString(b) }
