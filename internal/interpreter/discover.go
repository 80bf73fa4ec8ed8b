package interpreter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// probeTimeout bounds one question; a shim of a version manager may take a second on a busy host.
const probeTimeout = 10 * time.Second

// programName says which files may be interpreters: python3, python3.11, node.
var programName = regexp.MustCompile(`^(python3(\.\d+)?|node)$`)

// installFolders are where version managers and packagers put interpreters. A leading ~ is the
// home folder.
var installFolders = []string{
	"~/.pyenv/versions/*/bin", "~/.asdf/installs/python/*/bin", "~/.local/share/mise/installs/python/*/bin",
	"~/.local/share/uv/python/*/bin", "/opt/python*/bin", "/opt/python/*/bin", "/opt/pyenv/versions/*/bin",
	"~/.nvm/versions/node/*/bin", "~/.asdf/installs/nodejs/*/bin", "~/.local/share/mise/installs/node/*/bin",
	"~/.volta/tools/image/node/*/bin", "~/.local/share/fnm/node-versions/*/installation/bin",
	"/usr/local/n/versions/node/*/bin", "/opt/node*/bin",
	"/opt/homebrew/bin", "/usr/local/bin", "/usr/bin",
}

// discover finds and asks all candidates.
func (f *Finder) discover(ctx context.Context) ([]Interpreter, error) {
	known := loadCache(f.options.DataDir)
	candidates := f.candidates()
	answers := make([]cached, len(candidates))
	limit := make(chan struct{}, runtime.NumCPU()+1)
	var wait sync.WaitGroup
	for i, path := range candidates {
		wait.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			answers[i] = f.look(ctx, path, known[path])
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []Interpreter
	cache := map[string]cached{}
	for i, a := range answers {
		if a.Size > 0 {
			cache[candidates[i]] = a
		}
		if a.Error == "" {
			found = append(found, a.Interpreter)
		}
	}
	if err := saveCache(f.options.DataDir, known, cache); err != nil {
		f.logger.Warn("the list of interpreters can't be kept; it is made anew at the next start", "error", err)
	}
	return tidy(found), nil
}

// candidates answers the files that may be interpreters. Those that are the same file by way of
// links are named once, by their own name.
func (f *Finder) candidates() []string {
	var all []string
	add := func(path string) {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			return
		}
		if !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	for _, extra := range f.options.Extra {
		if info, err := os.Stat(extra); err == nil && info.IsDir() {
			for _, dir := range []string{extra, filepath.Join(extra, "bin")} {
				programs(dir, add)
			}
			continue
		}
		add(extra)
	}
	for _, pattern := range installFolders {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok {
			if f.options.Home == "" {
				continue
			}
			pattern = f.options.Home + rest
		}
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			programs(dir, add)
		}
	}
	for _, dir := range filepath.SplitList(f.options.Path) {
		if filepath.IsAbs(dir) {
			programs(dir, add)
		}
	}
	return all
}

// programs adds a folder's files that are named like interpreters.
func programs(dir string, add func(string)) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // no such folder: nothing there
	}
	for _, e := range entries {
		if programName.MatchString(e.Name()) {
			add(filepath.Join(dir, e.Name()))
		}
	}
}

// look answers what is known of a candidate, or asks it.
func (f *Finder) look(ctx context.Context, path string, known cached) cached {
	info, err := os.Stat(path)
	if err != nil {
		return cached{Error: err.Error()}
	}
	if known.Size == info.Size() && known.Modified.Equal(info.ModTime()) && known.stands() {
		return known
	}
	i, err := f.ask(ctx, path)
	a := cached{Interpreter: i, Modified: info.ModTime(), Size: info.Size()}
	if err != nil {
		a.Error = err.Error()
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			a.Size = 0 // not an answer to keep
		}
		f.logger.Debug("not an interpreter for functions", "path", path, "error", err)
		return a
	}
	if i.Executable != path {
		// A shim: what it leads to may change while its file does not.
		target, err := os.Stat(i.Executable)
		if err != nil {
			return cached{Error: err.Error()}
		}
		a.TargetModified = target.ModTime()
	}
	return a
}

// The questions: each prints what it is, where it lives and which files it has mapped.
const (
	pythonQuestion = `
import sys
for name in ("_ssl", "_sqlite3", "_ctypes", "_lzma", "_bz2", "zlib"):
    try: __import__(name)
    except Exception: pass
import os, json
try: maps = open("/proc/self/maps").read()
except Exception: maps = ""
files = sorted(set(l.split(None, 5)[5].strip() for l in maps.splitlines() if len(l.split(None, 5)) > 5))
print(json.dumps({"family": "python" if sys.version_info[0] == 3 and sys.implementation.name == "cpython" else "",
  "version": "%d.%d.%d" % sys.version_info[:3], "executable": os.path.realpath(sys.executable),
  "prefixes": [sys.base_prefix, sys.base_exec_prefix], "files": files}))
`
	nodeQuestion = `
const fs = require("fs");
let maps = "";
try { maps = fs.readFileSync("/proc/self/maps", "utf8"); } catch {}
const files = [...new Set(maps.split("\n").map((l) => l.trim().split(/\s+/)[5]).filter((f) => f))];
console.log(JSON.stringify({family: process.release.name === "node" ? "nodejs" : "", version: process.versions.node,
  executable: fs.realpathSync(process.execPath), prefixes: [], files}));
`
)

// answer is what a question prints.
type answer struct {
	Family     string   `json:"family"`
	Version    string   `json:"version"`
	Executable string   `json:"executable"`
	Prefixes   []string `json:"prefixes"`
	Files      []string `json:"files"`
}

// ask runs a candidate once.
func (f *Finder) ask(ctx context.Context, path string) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	args := []string{"-I", "-S", "-c", pythonQuestion}
	if strings.HasPrefix(filepath.Base(path), "node") {
		args = []string{"-e", nodeQuestion}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + f.options.Path, "HOME=" + f.options.Home, "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return Interpreter{}, ctx.Err()
	}
	if err != nil {
		return Interpreter{}, fmt.Errorf("asking %s: %w", path, err)
	}
	var a answer
	if err := json.Unmarshal(bytes.TrimSpace(out), &a); err != nil {
		return Interpreter{}, fmt.Errorf("asking %s: %w", path, err)
	}
	if a.Family == "" || !filepath.IsAbs(a.Executable) {
		return Interpreter{}, fmt.Errorf("%s is of another kind", path)
	}
	return Interpreter{a.Family, a.Version, a.Executable, foldersOf(a, f.options.Home)}, nil
}

// foldersOf answers what must be visible for an interpreter, beyond the system's folders: its
// install folder, or only its parts where that folder holds other things too, and the libraries
// that it has loaded from elsewhere.
func foldersOf(a answer, home string) []string {
	var folders []string
	covered := func(path string) bool {
		return system(path) || slices.ContainsFunc(folders, func(f string) bool { return within(path, f) })
	}
	add := func(path string) {
		if path = filepath.Clean(path); filepath.IsAbs(path) && !covered(path) {
			folders = append(folders, path)
		}
	}
	prefixes := a.Prefixes
	if a.Family == "nodejs" {
		prefixes = []string{filepath.Dir(filepath.Dir(a.Executable))}
	}
	for _, prefix := range prefixes {
		if installFolder(a, prefix, home) {
			add(prefix)
		} else if v, ok := parseVersion(a.Version); ok && a.Family == "python" {
			add(filepath.Join(prefix, "lib", "python"+releaseName(a.Family, v)))
		}
	}
	add(a.Executable)
	for _, file := range a.Files {
		if strings.HasPrefix(file, "/") && strings.Contains(filepath.Base(file), ".so") {
			add(file)
		}
	}
	return folders
}

// installFolder says whether a prefix holds the interpreter and nothing else.
func installFolder(a answer, prefix, home string) bool {
	if prefix == "/" || !filepath.IsAbs(prefix) || (home != "" && within(home, prefix)) || filepath.Base(prefix) == ".local" {
		return false
	}
	if a.Family == "nodejs" {
		_, err := os.Stat(filepath.Join(prefix, "include", "node"))
		return err == nil
	}
	return true
}
