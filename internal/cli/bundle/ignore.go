package bundle

import (
	"fmt"
	"path"
	"strings"
)

// IgnoreFile is the file at a folder's top that says what is not packed.
const IgnoreFile = ".lambentignore"

// defaultIgnore is what no function needs: version control, caches, a developer's own tools.
// A folder's IgnoreFile comes after it and can take any of it back with "!".
const defaultIgnore = `
.git/
.hg/
.svn/
.DS_Store
Thumbs.db
.idea/
.vscode/
*.swp
__pycache__/
*.pyc
.venv/
venv/
.mypy_cache/
.pytest_cache/
.ruff_cache/
.tox/
node_modules/.cache/
/.lambentignore
`

// Ignore says which files of a folder are left out. Its rules are gitignore's, without POSIX
// character classes; the zero value leaves out nothing.
type Ignore struct{ rules []rule }

// rule is one line. A path is matched segment by segment.
type rule struct {
	segments []string // "**" stands for any number of segments
	include  bool     // the line began with "!"
	dirOnly  bool     // the line ended with "/"
}

// ParseIgnore reads the lines of an ignore file. An error names the line and the pattern.
func ParseIgnore(text string) (Ignore, error) {
	var ignore Ignore
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		r, ok, err := parseRule(strings.TrimSuffix(line, "\r"))
		if err != nil {
			return Ignore{}, fmt.Errorf("line %d: %q is not a pattern", i+1, line)
		}
		if ok {
			ignore.rules = append(ignore.rules, r)
		}
	}
	return ignore, nil
}

// parseRule reads one line; ok is false for a comment or an empty one.
func parseRule(line string) (r rule, ok bool, err error) {
	if strings.HasPrefix(line, "#") {
		return rule{}, false, nil
	}
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	if rest, found := strings.CutPrefix(line, "!"); found {
		r.include, line = true, rest
	}
	if rest, found := strings.CutSuffix(line, "/"); found {
		r.dirOnly, line = true, rest
	}
	if line == "" {
		return rule{}, false, nil
	}
	anchored := strings.Contains(line, "/")
	r.segments = strings.Split(strings.TrimPrefix(line, "/"), "/")
	if !anchored {
		r.segments = append([]string{"**"}, r.segments...)
	}
	for i, segment := range r.segments {
		// path.Match knows [^a] only, and would misread [[:alpha:]].
		segment = strings.ReplaceAll(segment, "[!", "[^")
		if _, err := path.Match(segment, ""); err != nil || strings.Contains(segment, "[[:") {
			return rule{}, false, path.ErrBadPattern
		}
		r.segments[i] = segment
	}
	return r, true, nil
}

// Excluded says whether a file or folder is left out: the last rule that matches decides. name
// is relative to the top, with slashes. What lies in an excluded folder can't be taken back, as
// in git: the caller does not descend into one.
func (g Ignore) Excluded(name string, dir bool) bool {
	segments := strings.Split(name, "/")
	for i := len(g.rules) - 1; i >= 0; i-- {
		r := g.rules[i]
		if (dir || !r.dirOnly) && matchSegments(r.segments, segments) {
			return !r.include
		}
	}
	return false
}

// matchSegments matches a whole path. "**" takes any number of segments, but at least one at
// the pattern's end ("a/**" is what lies in a, not a itself).
func matchSegments(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			rest := pattern[1:]
			if len(rest) == 0 {
				return len(name) > 0
			}
			if rest[0] == "**" { // keeps a row of them from branching at each
				pattern = rest
				continue
			}
			for i := range name {
				if matchSegments(rest, name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}
