package function

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// record is a function without its published versions, aliases and invoke configurations.
type record struct {
	Latest      lambda.Configuration `json:"latest"`
	Tags        map[string]string    `json:"tags,omitempty"`
	Reserved    *int                 `json:"reserved,omitempty"`
	NextVersion uint64               `json:"nextVersion"`

	// The last published version and what $LATEST was then: publishing the same again is no change.
	Published        string `json:"published,omitempty"`
	PublishedContent string `json:"publishedContent,omitempty"`
}

// Alias is a name for one version, or for two with a weight.
type Alias struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Weights     map[string]float64 `json:"weights,omitempty"` // by version, at most one; the rest goes to Version
	RevisionID  string             `json:"revisionId"`
}

// InvokeConfig is an event invoke configuration with the qualifier it stands for.
type InvokeConfig struct {
	Qualifier string
	lambda.AsyncConfig
}

func functionKey(fn lambda.FunctionID) []byte { return kv.FunctionKey(kv.Function, fn) }

func versionKey(fn lambda.FunctionID, number uint64) []byte {
	return kv.AppendUint64(kv.FunctionKey(kv.Version, fn), number)
}

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return data, nil
}

func decode[T any](data []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("decode %T: %w", *v, err)
	}
	return v, nil
}

// set adds a value to a batch.
func set(b *kv.Batch, key []byte, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	b.Set(key, data)
	return nil
}

// versionNumber reads a version's number; 0 stands for none.
func versionNumber(qualifier string) uint64 {
	if !lambda.IsVersion(qualifier) {
		return 0
	}
	n, err := strconv.ParseUint(qualifier, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// content answers a fingerprint of what a version would run: everything that a caller sets.
func content(c lambda.Configuration) (string, error) {
	c.Version, c.RevisionID, c.LastModified = "", "", time.Time{}
	c.State, c.StateReason, c.StateReasonCode = "", "", ""
	c.LastUpdate, c.LastUpdateReason, c.LastUpdateReasonCode = "", "", ""
	data, err := encode(c)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
