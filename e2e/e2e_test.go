package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPython(t *testing.T) {
	python, binary := os.Getenv("LAMBENT_TEST_PYTHON"), os.Getenv("LAMBENT_TEST_BINARY")
	if python == "" || binary == "" {
		t.Skip("LAMBENT_TEST_PYTHON and LAMBENT_TEST_BINARY are not set: run `make test`")
	}
	files, err := filepath.Glob("test_*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, file := range files {
		module := strings.TrimSuffix(file, ".py")
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), python, "-B", "-m", "unittest", "-v", module)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if testing.Verbose() || strings.Contains(string(out), "skipped") {
				t.Logf("%s", out)
			}
		})
	}
}
