package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
)

// IsBootstrap answers whether this program was started as a function's bootstrap: by that name,
// with nothing else said, and with a Runtime API to talk to.
func IsBootstrap(args []string, env func(string) string) bool {
	return len(args) == 1 && path.Base(args[0]) == "bootstrap" && env("AWS_LAMBDA_RUNTIME_API") != ""
}

// Serve is the probe as a function: it answers every invocation with a report, until ctx ends or
// the Runtime API does.
func (p *Probe) Serve(ctx context.Context, api string) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport} // no timeout: the next invocation may be far away
	base := "http://" + api + "/2018-06-01/runtime/invocation/"
	for {
		response, err := ask(ctx, client, http.MethodGet, base+"next", nil)
		if err != nil {
			return err
		}
		report, err := json.Marshal(p.Run())
		if err != nil {
			return err
		}
		id := response.Get("Lambda-Runtime-Aws-Request-Id")
		if _, err := ask(ctx, client, http.MethodPost, base+id+"/response", report); err != nil {
			return err
		}
	}
}

func ask(ctx context.Context, client *http.Client, method, url string, body []byte) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("runtime API: %s %s answered %s", method, url, response.Status)
	}
	return response.Header, nil
}
