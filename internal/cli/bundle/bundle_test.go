package bundle

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree writes files: a name that ends with "*" is executable, and "a -> b" is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name, script := strings.CutSuffix(name, "*")
		link, target, isLink := strings.Cut(name, " -> ")
		path := filepath.Join(dir, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if script {
			mode = 0o755
		}
		var err error
		if isLink {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packed answers the names in an archive, with "*" and links as tree writes them.
func packed(t *testing.T, a Archive) []string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(a.Zip), int64(len(a.Zip)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.File {
		name := f.Name
		switch {
		case f.Mode()&fs.ModeSymlink != 0:
			in, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			target, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			name += " -> " + string(target)
		case f.Mode().Perm() == 0o755:
			name += "*"
		case f.Mode().Perm() != 0o644:
			t.Errorf("%s has mode %v", f.Name, f.Mode())
		}
		names = append(names, name)
	}
	return names
}

func TestPackIsDeterministic(t *testing.T) {
	files := map[string]string{"app.py": "x", "lib/b.py": "b", "lib/a.py": "a", "run.sh*": "#!/bin/sh\n", "link -> lib/a.py": ""}
	first, err := Pack(tree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	again := tree(t, files)
	old := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(again, "app.py"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(again, "lib/a.py"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := Pack(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Zip, second.Zip) || first.SHA256 != second.SHA256 {
		t.Error("the same files gave different bytes")
	}
	want := []string{"app.py", "lib/a.py", "lib/b.py", "link -> lib/a.py", "run.sh*"}
	if got := packed(t, first); !slices.Equal(got, want) {
		t.Errorf("packed %q, want %q", got, want)
	}
	if first.Files != 5 || first.Unpacked != 1+1+1+10+8 {
		t.Errorf("counted %d files and %d bytes", first.Files, first.Unpacked)
	}
}

func TestPackLeavesOut(t *testing.T) {
	a, err := Pack(tree(t, map[string]string{
		"index.js": "", ".git/config": "", "__pycache__/a.pyc": "", "deep/er/__pycache__/b.pyc": "", ".venv/x": "",
		"node_modules/.cache/x": "", "node_modules/left-pad/index.js": "", ".DS_Store": "", ".env": "",
		"test/a.js": "", "test/keep.js": "", "big.bin": "", "notes.swp": "", ".npmrc": "",
		".lambentignore": "# ours\n/test/*\n!/test/keep.js\n*.bin\n!notes.swp\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".env", ".npmrc", "index.js", "node_modules/left-pad/index.js", "notes.swp", "test/keep.js"}
	if got := packed(t, a); !slices.Equal(got, want) {
		t.Errorf("packed %q, want %q", got, want)
	}
}

func TestPackRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"link out":        {map[string]string{"app.py": "", "passwd -> ../../etc/passwd": ""}, "passwd links out of the folder"},
		"absolute link":   {map[string]string{"app.py": "", "passwd -> /etc/passwd": ""}, "passwd links out of the folder"},
		"sneaky link":     {map[string]string{"app.py": "", "lib/up -> ../lib/../../x": ""}, "lib/up links out of the folder"},
		"nothing":         {map[string]string{".git/config": ""}, "holds no file to pack"},
		"bad ignore file": {map[string]string{"app.py": "", ".lambentignore": "ok\n[a-\n"}, `line 2: "[a-" is not a pattern`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Pack(tree(t, c.files))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestPackRefusesTooLarge(t *testing.T) {
	files := map[string]string{"a.txt": strings.Repeat("a", 5000), "b.txt": strings.Repeat("b", 5000)}
	for name, c := range map[string]struct {
		most limits
		ok   bool
	}{
		"just":              {limits{1000, 10000}, true},
		"unpacked":          {limits{1000, 9999}, false},
		"packed":            {limits{100, 10000}, false},
		"by the last table": {limits{250, 10000}, false},
	} {
		_, err := pack(tree(t, files), c.most)
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "is too large: Lambda takes 50 MB packed and 250 MB unpacked") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPackRefusesDevice(t *testing.T) {
	dir := tree(t, map[string]string{"app.py": ""})
	if out, err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).CombinedOutput(); err != nil {
		t.Skipf("mkfifo: %s", out)
	}
	if _, err := Pack(dir); err == nil || !strings.Contains(err.Error(), "pipe is not a file that can be packed") {
		t.Errorf("got %v", err)
	}
}

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		files            []string
		runtime, handler string
		want             string // "runtime handler entry [others]", or an error's words
	}{
		"lambda_function": {[]string{"lambda_function.py"}, "", "", "python3.13 lambda_function.lambda_handler lambda_function.py []"},
		"app":             {[]string{"app.py", "x.py"}, "", "", "python3.13 app.handler app.py []"},
		"both":            {[]string{"app.py", "lambda_function.py"}, "", "", "python3.13 lambda_function.lambda_handler lambda_function.py [app.py]"},
		"js":              {[]string{"index.js"}, "", "", "nodejs22.x index.handler index.js []"},
		"mjs":             {[]string{"index.mjs"}, "", "", "nodejs22.x index.handler index.mjs []"},
		"bootstrap":       {[]string{"bootstrap*"}, "", "", "provided.al2023 bootstrap bootstrap []"},
		"bootstrap of py": {[]string{"bootstrap*", "app.py"}, "", "", "provided.al2023 app.handler bootstrap [app.py]"},
		"go":              {[]string{"go.mod", "main.go", "bootstrap*"}, "", "", "provided.al2023 bootstrap go.mod []"},
		"py by runtime":   {[]string{"go.mod", "app.py"}, "python3.12", "", "python3.12 app.handler app.py []"},
		"named handler":   {[]string{"app.py", "other.py"}, "", "other.run", "python3.13 other.run app.py []"},
		"only handler":    {[]string{"src/main.mjs"}, "", "src/main.go", "nodejs22.x src/main.go  []"},
		"dotted handler":  {[]string{"src/main.py"}, "", "src.main.go", "python3.13 src.main.go  []"},
		"all named":       {[]string{"x.rb"}, "ruby3.3", "x.run", "ruby3.3 x.run  []"},
		"nothing":         {[]string{"README"}, "", "", "holds none of lambda_function.py"},
		"not executable":  {[]string{"bootstrap"}, "", "", "is not executable: chmod +x it"},
		"no handler":      {[]string{"x.rb"}, "ruby3.3", "", "holds no entry file of ruby3.3"},
		"folder as entry": {[]string{"app.py/x"}, "", "", "holds none of"},
		"handler outside": {[]string{"x"}, "", "../../x.y", "holds none of"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for _, f := range c.files {
				files[f] = ""
			}
			p, err := Detect(tree(t, files), c.runtime, c.handler)
			got := p.Runtime + " " + p.Handler + " " + p.Entry + " [" + strings.Join(p.Others, " ") + "]"
			if err != nil {
				got = err.Error()
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if p.GoModule != (p.Entry == "go.mod") {
				t.Errorf("GoModule is %v", p.GoModule)
			}
		})
	}
	file := filepath.Join(tree(t, map[string]string{"f": ""}), "f")
	if _, err := Detect(file, "", ""); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("a file: %v", err)
	}
	if _, err := Detect(file+"/none", "", ""); err == nil {
		t.Error("no folder: no error")
	}
}

func TestHandlerFits(t *testing.T) {
	dir := tree(t, map[string]string{"app.py": "", "web/index.mjs": ""})
	for _, c := range []struct {
		runtime, handler string
		want             bool
	}{
		{"python3.12", "app.run", true}, {"python3.12", "gone.run", false}, {"nodejs20.x", "web/index.handler", true},
		{"nodejs20.x", "app.run", false}, {"provided.al2023", "bootstrap", true}, {"python3.12", "", false},
	} {
		if got := HandlerFits(dir, c.runtime, c.handler); got != c.want {
			t.Errorf("%s %q: %v", c.runtime, c.handler, got)
		}
	}
}

func TestBuild(t *testing.T) {
	files := map[string]string{
		"go.mod":  "module example.com/hello\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
	}
	dir := tree(t, files)
	var log bytes.Buffer
	first, err := Build(t.Context(), dir, runtime.GOARCH, &log)
	if err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	if got := packed(t, first); !slices.Equal(got, []string{"bootstrap*"}) {
		t.Errorf("packed %q", got)
	}
	second, err := Build(t.Context(), tree(t, files), runtime.GOARCH, &log)
	if err != nil {
		t.Fatal(err)
	}
	if first.SHA256 != second.SHA256 {
		t.Error("the same module gave different bytes")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("the folder has %v", left)
	}
}

func TestBuildRefuses(t *testing.T) {
	var log bytes.Buffer
	_, err := Build(t.Context(), tree(t, map[string]string{"go.mod": "module x.test/x\n", "lib.go": "package lib\n"}), runtime.GOARCH, &log)
	if err == nil || !strings.Contains(err.Error(), "has package lib at its top, not main") {
		t.Errorf("a library: %v", err)
	}
	_, err = Build(t.Context(), tree(t, map[string]string{"go.mod": "module x.test/x\n", "main.go": "package main\nfunc main() { x }\n"}), runtime.GOARCH, &log)
	if err == nil || !strings.Contains(err.Error(), "go build failed") || !strings.Contains(log.String(), "undefined: x") {
		t.Errorf("a wrong program: %v\n%s", err, log.String())
	}
}

func TestArchitecture(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		want := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
		if got := Architecture(self); got != want {
			t.Errorf("%s: %q, want %q", self, got, want)
		}
	}
	if got := Architecture(filepath.Join(tree(t, map[string]string{"bootstrap*": "#!/bin/sh\n"}), "bootstrap")); got != "" {
		t.Errorf("a script is for %q", got)
	}
}
