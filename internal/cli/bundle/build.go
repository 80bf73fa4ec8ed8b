package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Build builds the Go module in dir to a bootstrap for goarch and packs it. The compiler's
// complaints go to log; the folder is left as it is.
func Build(ctx context.Context, dir, goarch string, log io.Writer) (Archive, error) {
	name, err := goTool(ctx, dir, goarch, log, "list", "-f", "{{.Name}}", ".")
	if err != nil {
		return Archive{}, err
	}
	if name = strings.TrimSpace(name); name != "main" {
		return Archive{}, fmt.Errorf("the Go module in %s has package %s at its top, not main: name the folder of the main package", dir, name)
	}
	tmp, err := os.MkdirTemp("", "lambent-build-")
	if err != nil {
		return Archive{}, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "bootstrap")
	// buildvcs=false: a commit alone must not change the bytes.
	if _, err := goTool(ctx, dir, goarch, log, "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-o", out, "."); err != nil {
		return Archive{}, err
	}
	return PackFile("bootstrap", out)
}

// goTool runs the go command and answers what it printed.
func goTool(ctx context.Context, dir, goarch string, log io.Writer, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch)
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets it stop its compilers
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("a Go module needs the go command to be built: install Go, or deploy a folder with a built bootstrap")
	case err != nil:
		return "", fmt.Errorf("go %s failed in %s: %w", args[0], dir, err)
	}
	return stdout.String(), nil
}
