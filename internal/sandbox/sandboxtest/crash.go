package sandboxtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/sandboxtest/agent"
)

const (
	crashFolder  = "LAMBENT_SANDBOXTEST_FOLDER"  // set: this process fills the folder and is killed
	crashProgram = "LAMBENT_SANDBOXTEST_PROGRAM" // the program's directory
	crashReady   = "the environments run: "
	crowdSize    = 5
)

// crowd starts environments, says so and waits for its end. It is the process that is killed.
func crowd(t *testing.T, d sandbox.Driver) {
	s := &suite{program: os.Getenv(crashProgram)}
	var marks []string
	for i := range crowdSize {
		b := s.boot(t, d)
		marks = append(marks, b.mark)
		if i == 0 {
			continue // one that has no code yet
		}
		b.assign(t).must(t, agent.Request{Op: agent.Spawn, N: 2})
	}
	fmt.Println(crashReady + strings.Join(marks, " "))
	select {}
}

func (s *suite) recoverCrowd(t *testing.T) {
	dir := t.TempDir()
	name, _, _ := strings.Cut(t.Name(), "/")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), crashFolder+"="+dir, crashProgram+"="+s.program)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	marks := readMarks(bufio.NewScanner(out))
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	if len(marks) != crowdSize {
		t.Fatalf("%d environments were started, want %d", len(marks), crowdSize)
	}
	d := s.can.Reopen(t, dir)
	begin := time.Now()
	s.recovered(t, d, crowdSize)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Recover took %v", took)
	}
	if linux {
		for _, mark := range marks {
			eventually(t, "processes outlive the server", func() bool { return len(processes(t, mark)) == 0 })
		}
	}
	s.recovered(t, d, 0)
	s.boot(t, d).assign(t).must(t, agent.Request{Op: agent.Ping})
}

func readMarks(lines *bufio.Scanner) []string {
	for lines.Scan() {
		if _, marks, ok := strings.Cut(lines.Text(), crashReady); ok {
			return strings.Fields(marks)
		}
		fmt.Println(filepath.Base(os.Args[0]) + ": " + lines.Text())
	}
	return nil
}
