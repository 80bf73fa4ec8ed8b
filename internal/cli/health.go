package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/client"
)

// maxHealthBytes bounds what is read of a health answer.
const maxHealthBytes = 64 << 10

// healthLook is the time between two looks at a server that is not there yet.
const healthLook = 100 * time.Millisecond

// health is what GET /healthz answers.
type health struct {
	Status     string `json:"status"` // ok, failing
	Reason     string `json:"reason"`
	Version    string `json:"version"`
	Sandbox    string `json:"sandbox"`
	QueueDepth int    `json:"queueDepth"`
}

func (s *session) healthCommand() *cobra.Command {
	var wait, drained time.Duration
	cmd := &cobra.Command{
		Use: "health", Short: "Say whether the server is well, and how much is queued", Args: none,
		Example: `  lambent health --wait 20s
  lambent health --drained 1m`,
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "give it so much time to be well")
	cmd.Flags().DurationVar(&drained, "drained", 0, "give it so much time to have nothing queued")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if wait < 0 || drained < 0 {
			return usagef("--wait and --drained take a duration such as 20s")
		}
		h, raw, err := s.awaitHealth(cmd.Context(), max(wait, drained), drained > 0)
		switch {
		case raw != nil && *output == formatJSON:
			return errors.Join(s.json(raw), err)
		case err != nil:
			return err
		}
		return s.facts(
			[2]string{"Status", h.Status}, [2]string{"Version", h.Version}, [2]string{"Sandbox", h.Sandbox},
			[2]string{"Queued", fmt.Sprint(h.QueueDepth)},
		)
	}
	return cmd
}

// awaitHealth looks until the server is well, and drained if asked for, or the patience ends.
func (s *session) awaitHealth(ctx context.Context, patience time.Duration, drained bool) (health, []byte, error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(healthLook)
	defer tick.Stop()
	for {
		h, raw, err := s.look(ctx)
		if err == nil && drained && h.QueueDepth > 0 {
			err = fmt.Errorf("%s still queued: give it more time, or see \"lambent deadletter list\" and \"lambent logs\"", count(h.QueueDepth, "event is", "events are"))
		}
		var wrong *usageError
		if err == nil || patience == 0 || errors.As(err, &wrong) {
			return h, raw, err
		}
		select {
		case <-ctx.Done():
			return h, raw, ctx.Err()
		case <-deadline.C:
			return h, raw, err
		case <-tick.C:
		}
	}
}

// look asks once. The error says that the server is not well.
func (s *session) look(ctx context.Context) (health, []byte, error) {
	var h health
	endpoint, err := s.flags.address(s.Env)
	if err != nil {
		return h, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/healthz", nil)
	if err != nil {
		return h, nil, err
	}
	res, err := httpClient().Do(req)
	if err != nil {
		return h, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxHealthBytes))
	if err != nil {
		return h, nil, err
	}
	if json.Unmarshal(raw, &h) != nil || h.Status == "" {
		return h, nil, &client.Error{Status: res.StatusCode}
	}
	if res.StatusCode != http.StatusOK || h.Status != "ok" {
		return h, raw, fmt.Errorf("the server is %s: %s", h.Status, orElse(oneLine(h.Reason), "its log says why"))
	}
	return h, raw, nil
}
