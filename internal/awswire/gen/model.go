package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// model is a service-2.json, as far as we read it.
type model struct {
	Metadata struct {
		APIVersion    string `json:"apiVersion"`
		Protocol      string `json:"protocol"`
		ServiceID     string `json:"serviceId"`
		Endpoint      string `json:"endpointPrefix"`
		SigningName   string `json:"signingName"`
		XMLNamespace  string `json:"xmlNamespace"`
		TargetPrefix  string `json:"targetPrefix"`
		JSONVersion   string `json:"jsonVersion"`
		SignatureKind string `json:"signatureVersion"`
	} `json:"metadata"`
	Operations ordered[operation] `json:"operations"`
	Shapes     map[string]*shape  `json:"shapes"`
}

type operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input      *ref `json:"input"`
	Output     *ref `json:"output"`
	Deprecated bool `json:"deprecated"`
}

// ref is a use of a shape: as a member, a list's element, a map's key or value.
type ref struct {
	Shape           string `json:"shape"`
	Location        string `json:"location"` // uri, querystring, header, headers, statusCode, or ""
	LocationName    string `json:"locationName"`
	TimestampFormat string `json:"timestampFormat"`
	ResultWrapper   string `json:"resultWrapper"`
	Flattened       bool   `json:"flattened"`
	JSONValue       bool   `json:"jsonvalue"`
}

type shape struct {
	Type            string       `json:"type"`
	Members         ordered[ref] `json:"members"`
	Required        []string     `json:"required"`
	Payload         string       `json:"payload"`
	Member          *ref         `json:"member"`
	Key             *ref         `json:"key"`
	Value           *ref         `json:"value"`
	Min             *float64     `json:"min"`
	Max             *float64     `json:"max"`
	Pattern         string       `json:"pattern"`
	Enum            []string     `json:"enum"`
	Sensitive       bool         `json:"sensitive"`
	Exception       bool         `json:"exception"`
	EventStream     bool         `json:"eventstream"`
	Flattened       bool         `json:"flattened"`
	TimestampFormat string       `json:"timestampFormat"`
}

func (s *shape) requires(member string) bool {
	for _, name := range s.Required {
		if name == member {
			return true
		}
	}
	return false
}

// ordered is a JSON object that keeps its order: constraint errors come in the order of members.
type ordered[T any] []named[T]

type named[T any] struct {
	Name  string
	Value T
}

// UnmarshalJSON reads the object's members in order.
func (o *ordered[T]) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		n := named[T]{Name: name.(string)}
		if err := d.Decode(&n.Value); err != nil {
			return err
		}
		*o = append(*o, n)
	}
	return nil
}

func parseModel(raw []byte) (*model, error) {
	var m model
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// models reads a botocore package, packed or not.
type models struct {
	root fs.FS // its top holds data/
	io.Closer
}

func openModels(source string) (*models, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		root := os.DirFS(source)
		if _, err := fs.Stat(root, "data"); errors.Is(err, fs.ErrNotExist) {
			if root, err = fs.Sub(root, "botocore"); err != nil {
				return nil, err
			}
		}
		return &models{root: root, Closer: io.NopCloser(nil)}, nil
	}
	z, err := zip.OpenReader(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	root, err := fs.Sub(z, "botocore")
	if err != nil {
		return nil, errors.Join(err, z.Close())
	}
	return &models{root: root, Closer: z}, nil
}

// read answers a model's JSON, which newer packages keep compressed.
func (m *models) read(service, version string) ([]byte, error) {
	name := path.Join("data", service, version, "service-2.json")
	raw, err := fs.ReadFile(m.root, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return raw, err
	}
	packed, err := fs.ReadFile(m.root, name+".gz")
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(z)
}
