package awswire

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression of the model, as AWS shows it, and the engine that decides
// whether a whole string has it. It is compiled when it is first needed.
type Pattern struct {
	source  string
	compile func() *regexp.Regexp
}

// NewPattern makes a pattern. engine is the source in a form that Go's engine takes.
func NewPattern(source, engine string) *Pattern {
	return &Pattern{
		source:  source,
		compile: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?:` + engine + `)\z`) }),
	}
}

// Match says whether the whole of s has the pattern.
func (p *Pattern) Match(s string) bool { return p.compile().MatchString(s) }

// String answers the pattern as AWS writes it.
func (p *Pattern) String() string { return p.source }
