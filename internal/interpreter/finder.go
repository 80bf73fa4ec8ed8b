package interpreter

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// Options of a Finder.
type Options struct {
	DataDir string   // where clients and the cache are kept
	Path    string   // the value of PATH
	Home    string   // the operator's home folder, for version managers; "": none
	Extra   []string // more interpreters, as paths of the programs or of their install folders
	Strict  bool     // refuse a version that is not on the host instead of taking the nearest
}

// Interpreter is one installed interpreter.
type Interpreter struct {
	Family     string   `json:"family"`     // "python" or "nodejs"
	Version    string   `json:"version"`    // "3.11.7"
	Executable string   `json:"executable"` // the program itself, never a shim
	Folders    []string `json:"folders"`    // what must be visible to run it, beyond the system's own folders
}

// Finder finds interpreters and resolves Lambda's runtimes to them. It is safe for concurrent use.
type Finder struct {
	options Options
	logger  *slog.Logger

	mu      sync.Mutex
	found   []Interpreter // sorted; nil: not looked yet
	clients string        // folder of the runtime clients; "": not written yet
}

// New makes a Finder. It does not look yet.
func New(o Options, logger *slog.Logger) *Finder {
	return &Finder{options: o, logger: logger}
}

// List answers all interpreters, by family and version, newest first. The first call looks for
// them; an interrupted one is taken up by the next.
func (f *Finder) List(ctx context.Context) ([]Interpreter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found == nil {
		found, err := f.discover(ctx)
		if err != nil {
			return nil, err
		}
		f.found = found
		// Written while there is room: a call that comes when the disk is full finds them. One
		// that does not says what is wrong.
		if _, err := f.clientFolder(); err != nil {
			f.logger.Warn("the runtime clients can't be written yet", "error", err)
		}
	}
	return slices.Clone(f.found), nil
}

// Resolve answers what serves a Lambda runtime id. Errors are *lambda.Error of kind
// InvalidRuntime, and say what to do.
func (f *Finder) Resolve(ctx context.Context, runtime string) (compute.Resolved, error) {
	family, want, ok := parseRuntime(runtime)
	if !ok {
		return compute.Resolved{}, lambda.Errorf(lambda.InvalidRuntime,
			"Lambent does not serve the runtime %s. It serves python3.x, nodejs and provided.", runtime)
	}
	found, err := f.List(ctx)
	if err != nil {
		return compute.Resolved{}, lambda.Errorf(lambda.Internal, "The interpreters of this host can't be listed: %w", err)
	}
	if family == "provided" {
		return provided(runtime, found), nil
	}
	chosen, note, err := choose(runtime, family, want, found, f.options.Strict)
	if err != nil {
		return compute.Resolved{}, err
	}
	f.mu.Lock()
	clients, err := f.clientFolder()
	f.mu.Unlock()
	if err != nil {
		return compute.Resolved{}, lambda.Errorf(lambda.Internal, "The runtime client can't be written: %w", err)
	}
	return managed(chosen, note, clients), nil
}

// managed describes a runtime that runs with our client.
func managed(i Interpreter, note, clients string) compute.Resolved {
	r := compute.Resolved{
		Runtime: sandbox.Runtime{Name: i.Family + i.Version, Interpreters: i.Folders},
		Family:  i.Family, Version: i.Version, Note: note, Path: []string{filepath.Dir(i.Executable)},
	}
	switch i.Family {
	case "python":
		// -u: what a function prints leaves at once; -s: no packages of the operator's; -B: a
		// package's folder is never written.
		r.Runtime.Client = filepath.Join(clients, "python")
		r.Command = []string{i.Executable, "-u", "-s", "-B", sandbox.RuntimeRoot + "/bootstrap.py"}
	case "nodejs":
		r.Runtime.Client = filepath.Join(clients, "node")
		r.Command = []string{i.Executable, sandbox.RuntimeRoot + "/bootstrap.mjs"}
	}
	return r
}

// provided describes a custom runtime: it sees every interpreter and has them on its PATH.
func provided(runtime string, found []Interpreter) compute.Resolved {
	r := compute.Resolved{Runtime: sandbox.Runtime{Name: runtime}, Family: "provided"}
	for _, i := range found {
		for _, folder := range i.Folders {
			if !own(folder) && !slices.Contains(r.Runtime.Interpreters, folder) {
				r.Runtime.Interpreters = append(r.Runtime.Interpreters, folder)
			}
		}
		if dir := filepath.Dir(i.Executable); !system(dir) && !slices.Contains(r.Path, dir) {
			r.Path = append(r.Path, dir)
		}
	}
	return r
}

// ownFolders are an environment's own: nothing of the host can be shown there.
var ownFolders = []string{"/proc", "/sys", "/dev", "/run", "/etc", sandbox.TempRoot, sandbox.TaskRoot, sandbox.RuntimeRoot}

func own(path string) bool {
	return slices.ContainsFunc(ownFolders, func(folder string) bool { return within(path, folder) })
}

// systemFolders are visible in every environment.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

func system(path string) bool {
	return slices.ContainsFunc(systemFolders, func(folder string) bool { return within(path, folder) })
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}
