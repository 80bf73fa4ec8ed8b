package interpreter_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/interpreter"
)

func newFinder(o interpreter.Options) *interpreter.Finder {
	return interpreter.New(o, slog.New(slog.DiscardHandler))
}

func host(t *testing.T) interpreter.Options {
	return interpreter.Options{DataDir: t.TempDir(), Path: os.Getenv("PATH"), Home: os.Getenv("HOME")}
}

func TestHost(t *testing.T) {
	o := host(t)
	start := time.Now()
	found, err := newFinder(o).List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	first := time.Since(start)
	if len(found) == 0 {
		t.Skip("no interpreter on this host")
	}
	for _, i := range found {
		t.Logf("%+v", i)
		if strings.Contains(i.Executable, "/shims/") || !filepath.IsAbs(i.Executable) {
			t.Errorf("%s is not the program itself", i.Executable)
		}
		for _, folder := range i.Folders {
			if folder == o.Home || folder == "/" || folder == "/home" {
				t.Errorf("%s shows %s", i.Executable, folder)
			}
		}
	}
	start = time.Now()
	again, err := newFinder(o).List(context.Background())
	if err != nil || len(again) != len(found) {
		t.Errorf("from the cache: %v %v", again, err)
	}
	t.Logf("asked in %s, remembered in %s", first, time.Since(start))
}

// The clients are written before a call needs them, when the disk may be full.
func TestClientsAreThereEarly(t *testing.T) {
	o := host(t)
	if _, err := newFinder(o).List(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"python/bootstrap.py", "node/bootstrap.mjs"} {
		if found, err := filepath.Glob(filepath.Join(o.DataDir, "clients", "*", name)); err != nil || len(found) != 1 {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
}

// A folder that takes no files hinders the looking for interpreters no more than a full disk.
func TestNoRoomForTheCache(t *testing.T) {
	o := host(t)
	o.DataDir = filepath.Join(os.DevNull, "below")
	if found, err := newFinder(o).List(context.Background()); err != nil {
		t.Errorf("%v: %v", found, err)
	}
}

func TestResolve(t *testing.T) {
	f := newFinder(host(t))
	for _, runtime := range []string{"python3.12", "nodejs22.x"} {
		r, err := f.Resolve(context.Background(), runtime)
		if err != nil {
			t.Errorf("%s: %v", runtime, err)
			continue
		}
		for _, name := range []string{"python/bootstrap.py", "node/bootstrap.mjs"} {
			info, err := os.Stat(filepath.Join(filepath.Dir(r.Runtime.Client), name))
			if err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("client %s: %v %v", name, info, err)
			}
		}
		if !strings.HasPrefix(r.Command[len(r.Command)-1], "/var/runtime/bootstrap.") {
			t.Errorf("command %q", r.Command)
		}
	}
	r, err := f.Resolve(context.Background(), "provided.al2023")
	if err != nil || r.Command != nil || r.Runtime.Client != "" || r.Family != "provided" {
		t.Errorf("provided: %+v %v", r, err)
	}
}

// A shim is a script that leads elsewhere; a broken one, one that prints nonsense and one that is
// of another kind are passed over.
func TestShimsAndBrokenOnes(t *testing.T) {
	real, err := exec.Command("/bin/sh", "-c", `exec python3 -c 'import os, sys; print(os.path.realpath(sys.executable))'`).Output()
	if err != nil {
		t.Skip("no python3 on PATH")
	}
	target := strings.TrimSpace(string(real))
	dir := t.TempDir()
	for name, text := range map[string]string{
		"python3":    "#!/bin/sh\nexec " + target + " \"$@\"\n",
		"python3.91": "#!/bin/sh\nexit 1\n",
		"python3.92": "#!/bin/sh\necho nonsense\n",
		"python3.93": "not a program\n",
		"python3.94": "#!/bin/sh\necho '{\"family\":\"\",\"version\":\"3.1.0\",\"executable\":\"/x\"}'\n",
		"node":       "#!/nothing/here\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := newFinder(interpreter.Options{DataDir: t.TempDir(), Extra: []string{dir, "/nothing/here"}, Path: "relative:" + dir})
	found, err := f.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	matches := 0
	for _, i := range found {
		if i.Executable == target {
			matches++
		}
		if strings.HasPrefix(i.Executable, dir) {
			t.Errorf("%s was taken", i.Executable)
		}
	}
	if matches != 1 {
		t.Errorf("the shim's target is in the list %d times: %v", matches, found)
	}
}

func TestInterruptedLookIsTakenUpAgain(t *testing.T) {
	f := newFinder(host(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.List(ctx); err == nil {
		t.Error("no error")
	}
	if _, err := f.List(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestClientIsRepaired(t *testing.T) {
	o := host(t)
	r, err := newFinder(o).Resolve(context.Background(), "python3.12")
	if err != nil {
		t.Skip(err)
	}
	file := filepath.Join(r.Runtime.Client, "bootstrap.py")
	if err := os.WriteFile(file, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.DataDir, "interpreters.json"), []byte("{half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := newFinder(o).Resolve(context.Background(), "python3.12"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || len(text) < 1000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
