package bundle

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestIgnore(t *testing.T) {
	for _, c := range []struct{ rules, path, want string }{
		{"a", "a", "out"}, {"a", "b/a", "out"}, {"a", "ab", "in"}, {"/a", "b/a", "in"}, {"/a", "a", "out"},
		{"b/a", "b/a", "out"}, {"b/a", "c/b/a", "in"}, {"a/", "a", "in"}, {"a/", "a/", "out"}, {"*.o", "x/y.o", "out"},
		{"a/**", "a/", "in"}, {"a/**", "a/b/c", "out"}, {"**/x", "x", "out"}, {"**/x", "a/b/x", "out"},
		{"a/**/x", "a/x", "out"}, {"a/**/x", "a/b/x/c/x", "out"}, {"a/*", "a/b", "out"}, {"a/*", "a/b/c", "in"},
		{"*\n!keep", "keep", "in"}, {"!keep\n*", "keep", "out"}, {"#a", "#a", "in"}, {`\#a`, "#a", "out"}, {`\!a`, "!a", "out"},
		{"a   ", "a", "out"}, {`a\ `, "a ", "out"}, {"[!a]x", "bx", "out"}, {"[!a]x", "ax", "in"}, {"a\r", "a", "out"},
		{"/", "a", "in"}, {"\ufeffa", "a", "out"}, {"**/**/**/x", "a/x", "out"},
	} {
		ignore, err := ParseIgnore(c.rules)
		if err != nil {
			t.Errorf("%q: %v", c.rules, err)
			continue
		}
		name, dir := strings.CutSuffix(c.path, "/")
		if got := map[bool]string{true: "out", false: "in"}[ignore.Excluded(name, dir)]; got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.rules, c.path, got, c.want)
		}
	}
}

// TestIgnoreLikeGit asks git itself about random rules.
func TestIgnoreLikeGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not here to be asked")
	}
	repo := tree(t, nil)
	if out, err := exec.Command("git", "init", "-q", repo).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	segment := rapid.SampledFrom([]string{"a", "b", "ab", "*", "a*", "?", "[ab]", "[!a]", "**", `\a`})
	names := rapid.SampledFrom([]string{"a", "b", "ab", "c"})
	rapid.Check(t, func(t *rapid.T) {
		var rules []string
		for range rapid.IntRange(1, 4).Draw(t, "rules") {
			r := strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), "/")
			r = rapid.SampledFrom([]string{"", "!", "/", "!/"}).Draw(t, "start") + r + rapid.SampledFrom([]string{"", "/"}).Draw(t, "end")
			rules = append(rules, r)
		}
		path := strings.Join(rapid.SliceOfN(names, 1, 5).Draw(t, "path"), "/")
		ignore, err := ParseIgnore(strings.Join(rules, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := walked(ignore, path)
		if err := os.WriteFile(filepath.Join(repo, ".gitignore"), []byte(strings.Join(rules, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		err = exec.Command("git", "-C", repo, "check-ignore", "--no-index", "-q", path).Run()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Fatalf("git: %v", err)
		}
		if want := err == nil; got != want {
			t.Fatalf("rules %q, path %q: excluded %v, git says %v", rules, path, got, want)
		}
	})
}

// walked asks as Pack does, from the top down.
func walked(ignore Ignore, path string) bool {
	segments := strings.Split(path, "/")
	for i := range segments {
		if ignore.Excluded(strings.Join(segments[:i+1], "/"), i+1 < len(segments)) {
			return true
		}
	}
	return false
}

func FuzzParseIgnore(f *testing.F) {
	f.Add(defaultIgnore, "a/__pycache__/b")
	f.Add("**/a/**/b\n!c", "a/b")
	f.Add("[", "[")
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(text) > 1000 || len(path) > 200 {
			return
		}
		if strings.Count(text, "**") > 8 { // time is a power of these, and a rule file is its owner's own
			return
		}
		ignore, err := ParseIgnore(text)
		if err != nil {
			return
		}
		ignore.Excluded(path, false)
		ignore.Excluded(path, true)
	})
}
