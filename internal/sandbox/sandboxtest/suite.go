package sandboxtest

import (
	"os"
	"testing"

	"lambent.dev/lambent/internal/sandbox"
)

// Capabilities says what a driver does beyond the least. The zero value is a driver that starts
// processes and isolates nothing.
type Capabilities struct {
	Scripted     bool // environments run a Go function: no files, no processes; see Fake.Run
	ReadOnlyCode bool // code can't be written from inside, not even by root
	LimitsMemory bool // more than Shape.MemoryMB ends the environment's process as OOM
	LimitsTemp   bool // /tmp is of EphemeralMB's size and does not count as memory
	EndsStrays   bool // processes that left their process group and session end too
	NoSocket     bool // there is no unix socket

	// Reopen answers a driver with dir as its data folder, as a later process makes one. With it
	// the suite kills a process full of environments and lets another recover. The test must be
	// a function of its own, which the test binary can be asked to run by its name.
	Reopen func(t *testing.T, dir string) sandbox.Driver
}

// Run holds a driver to the contract. open answers a new driver with a data folder of its own,
// and closes it with the test.
func Run(t *testing.T, open func(*testing.T) sandbox.Driver, c Capabilities) {
	if c.Reopen != nil && os.Getenv(crashFolder) != "" {
		crowd(t, c.Reopen(t, os.Getenv(crashFolder)))
		return
	}
	s := &suite{open: open, can: c}
	if !c.Scripted {
		s.program = buildInside(t)
	}
	checks := []struct {
		name  string
		check func(*testing.T)
		skip  string
	}{
		{name: "life", check: s.life},
		{name: "exit code", check: s.exitCode},
		{name: "signal", check: s.signal},
		{name: "environment", check: s.environment},
		{name: "working directory", check: s.workingDirectory},
		{name: "output", check: s.output},
		{name: "listeners", check: s.listeners},
		{name: "restart", check: s.restart},
		{name: "restart after an exit", check: s.restartAfterExit},
		{name: "freeze and thaw", check: s.freeze},
		{name: "destroy frozen", check: s.destroyFrozen},
		{name: "assign twice", check: s.assignTwice},
		{name: "assign cancelled", check: s.assignCancelled},
		{name: "destroy before assign", check: s.destroyUnassigned},
		{name: "destroy during assign", check: s.destroyDuringAssign},
		{name: "boot cancelled", check: s.bootCancelled},
		{name: "many at once", check: s.many},
		{name: "recover nothing", check: s.recoverNothing},
		{name: "bad command", check: s.badCommand, skip: without(!c.Scripted, "files")},
		{name: "temporary files", check: s.temporaryFiles, skip: without(!c.Scripted, "files")},
		{name: "separate", check: s.separate, skip: without(!c.Scripted, "files")},
		{name: "open files", check: s.openFiles, skip: without(!c.Scripted && linux, "/proc")},
		{name: "no process left", check: s.noProcessLeft, skip: without(!c.Scripted && linux, "processes in /proc")},
		{name: "statistics", check: s.statistics, skip: without(!c.Scripted && linux, "readings")},
		{name: "code is read-only", check: s.readOnlyCode, skip: without(c.ReadOnlyCode, "read-only code")},
		{name: "memory limit", check: s.memoryLimit, skip: without(c.LimitsMemory, "a memory limit")},
		{name: "size of /tmp", check: s.tempLimit, skip: without(c.LimitsTemp, "a limit on /tmp")},
		{name: "recover", check: s.recoverCrowd, skip: without(c.Reopen != nil, "a way to open its folder again")},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if c.skip != "" {
				t.Skip(c.skip)
			}
			c.check(t)
		})
	}
}

func without(can bool, what string) string {
	if can {
		return ""
	}
	return "this driver has not got: " + what
}

type suite struct {
	open    func(*testing.T) sandbox.Driver
	can     Capabilities
	program string // the directory that holds the program, world-readable; "": scripted
}
