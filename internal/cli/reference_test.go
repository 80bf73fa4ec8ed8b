package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lambent.dev/lambent/internal/cli"
)

// TestReferenceIsCurrent compares docs/reference/cli.md with the commands; -update writes it.
func TestReferenceIsCurrent(t *testing.T) {
	var b strings.Builder
	if err := cli.Reference(&b, cli.Deps{Host: host()}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "reference", "cli.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("docs/reference/cli.md is not what the commands say: make generate")
	}
	for _, command := range []string{"deploy", "invoke", "function list", "logs", "account key create", "deadletter redrive", "version"} {
		if !strings.Contains(b.String(), "\n## lambent "+command+"\n") {
			t.Errorf("%s is not in the reference", command)
		}
	}
}
