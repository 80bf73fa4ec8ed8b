package bundle

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The runtimes that a folder gets when nobody names one. A server that lacks them takes the
// nearest of the family.
const (
	RuntimePython   = "python3.13"
	RuntimeNode     = "nodejs22.x"
	RuntimeProvided = "provided.al2023"
)

// Program is what a folder was found to hold, and how it is to be run.
type Program struct {
	Entry    string   // the file that told; "" when the caller said everything
	Runtime  string   // "python3.13"
	Handler  string   // "app.handler"
	GoModule bool     // to be built to a bootstrap
	Others   []string // further entry files, passed over
}

// entry is a file whose presence says how a folder runs.
type entry struct{ file, runtime, handler string }

// entries lists the entry files, the strongest first: a bootstrap often stands beside the
// program that it starts, and a Go module beside the bootstrap of an earlier build.
func entries() []entry {
	return []entry{
		{"go.mod", RuntimeProvided, "bootstrap"},
		{"bootstrap", RuntimeProvided, "bootstrap"},
		{"lambda_function.py", RuntimePython, "lambda_function.lambda_handler"},
		{"app.py", RuntimePython, "app.handler"},
		{"index.js", RuntimeNode, "index.handler"},
		{"index.mjs", RuntimeNode, "index.handler"},
	}
}

// Family answers a runtime id without its version: "python", "nodejs", "provided".
func Family(runtime string) string {
	if i := strings.IndexAny(runtime, "0123456789."); i > 0 {
		return runtime[:i]
	}
	return runtime
}

// Detect finds out how a folder runs. A runtime or handler that the caller names stands; "" asks
// for the folder's own. The error is a sentence for a person.
func Detect(dir, runtime, handler string) (Program, error) {
	if err := folder(dir); err != nil {
		return Program{}, err
	}
	if runtime == "" && handler != "" {
		runtime = runtimeOf(dir, handler)
	}
	var found []entry
	for _, e := range entries() {
		if runtime != "" && Family(e.runtime) != Family(runtime) {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.file))
		if err != nil || !info.Mode().IsRegular() || e.file == "bootstrap" && !executable(info) {
			continue
		}
		found = append(found, e)
	}
	if len(found) == 0 {
		return undetected(dir, runtime, handler)
	}
	p := Program{Entry: found[0].file, Runtime: found[0].runtime, Handler: found[0].handler}
	p.GoModule = p.Entry == "go.mod"
	for _, e := range found[1:] {
		p.Others = append(p.Others, e.file)
	}
	if p.Entry == "bootstrap" && len(found) > 1 {
		p.Handler = found[1].handler // the bootstrap hands it to the program beside it
	}
	if p.GoModule && slices.Contains(p.Others, "bootstrap") {
		p.Others = slices.DeleteFunc(p.Others, func(f string) bool { return f == "bootstrap" })
	}
	if runtime != "" {
		p.Runtime = runtime
	}
	if handler != "" {
		p.Handler = handler
	}
	return p, nil
}

// undetected is Detect's answer for a folder without an entry file.
func undetected(dir, runtime, handler string) (Program, error) {
	if runtime != "" && handler != "" {
		return Program{Runtime: runtime, Handler: handler}, nil
	}
	info, err := os.Stat(filepath.Join(dir, "bootstrap"))
	if err == nil && info.Mode().IsRegular() && (runtime == "" || Family(runtime) == "provided") {
		return Program{}, fmt.Errorf("%s is not executable: chmod +x it", filepath.Join(dir, "bootstrap"))
	}
	if runtime != "" {
		return Program{}, fmt.Errorf("%s holds no entry file of %s: name its handler with --handler FILE.FUNCTION", dir, runtime)
	}
	return Program{}, fmt.Errorf("%s holds none of lambda_function.py, app.py, index.js, index.mjs, an executable bootstrap or go.mod: say what it is with --runtime and --handler", dir)
}

// folder checks that dir is a folder.
func folder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("there is no folder %s", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is a file: name the folder that holds the function", dir)
	}
	return nil
}

// runtimeOf answers the runtime of the file that a handler names, or "".
func runtimeOf(dir, handler string) string {
	i := strings.LastIndexByte(handler, '.')
	if i < 1 {
		return ""
	}
	module := filepath.FromSlash(handler[:i])
	if !filepath.IsLocal(module) {
		return ""
	}
	dotted := filepath.FromSlash(strings.ReplaceAll(handler[:i], ".", "/"))
	for _, c := range []struct{ file, runtime string }{
		{module + ".py", RuntimePython}, {dotted + ".py", RuntimePython},
		{module + ".js", RuntimeNode}, {module + ".mjs", RuntimeNode}, {module + ".cjs", RuntimeNode},
	} {
		if info, err := os.Stat(filepath.Join(dir, c.file)); err == nil && info.Mode().IsRegular() {
			return c.runtime
		}
	}
	return ""
}

// HandlerFits says whether a handler names a file that the folder has. It is asked before a
// deployed handler is kept.
func HandlerFits(dir, runtime, handler string) bool {
	switch Family(runtime) {
	case "python", "nodejs":
		of := runtimeOf(dir, handler)
		return of != "" && Family(of) == Family(runtime)
	}
	return true
}

func executable(info fs.FileInfo) bool { return info.Mode().Perm()&0o111 != 0 }

// Architecture answers which machine a program file is for, in Lambda's words, or "" for a
// script or a machine that Lambda does not have.
func Architecture(file string) string {
	f, err := elf.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	switch f.Machine {
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_AARCH64:
		return "arm64"
	}
	return ""
}
