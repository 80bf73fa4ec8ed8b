package main

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// plan is what one package will hold: which shapes, under which Go names.
type plan struct {
	target
	m       *model
	ops     []*opPlan
	structs []*structPlan // by Go name
	byShape map[string]*structPlan
}

type opPlan struct {
	*operation
	name   string
	input  *structPlan // nil: the operation takes nothing
	output *structPlan // nil: it answers nothing
	alias  bool        // the output is a shape of its own name, used elsewhere too
}

type structPlan struct {
	shape   *shape
	name    string // in the model
	goName  string
	owner   string // the operation whose input this is, or ""
	reached bool   // what it holds is in the plan
	input   bool   // reachable from an operation's input
	checked bool   // it or what it holds has constraints
}

// newPlan decides which shapes are written and how they are called.
func newPlan(t target, m *model) (*plan, error) {
	p := &plan{target: t, m: m, byShape: map[string]*structPlan{}}
	for i := range m.Operations {
		op := &m.Operations[i]
		p.ops = append(p.ops, &opPlan{operation: &op.Value, name: op.Name})
	}
	sort.Slice(p.ops, func(i, j int) bool { return p.ops[i].name < p.ops[j].name })
	uses := p.countUses()
	for _, op := range p.ops {
		if op.Input != nil {
			op.input = p.add(op.Input.Shape)
			op.input.goName, op.input.owner = op.name+"Input", op.name
			p.reach(op.Input.Shape, true)
		}
		if op.Output != nil {
			op.output = p.add(op.Output.Shape)
			if op.alias = uses[op.Output.Shape] > 1; !op.alias {
				op.output.goName = op.name + "Output"
			}
			p.reach(op.Output.Shape, false)
		}
	}
	p.markChecked()
	return p, p.finish()
}

// countUses counts the uses of each shape by operations and members.
func (p *plan) countUses() map[string]int {
	uses := map[string]int{}
	for _, op := range p.ops {
		for _, r := range []*ref{op.Input, op.Output} {
			if r != nil {
				uses[r.Shape]++
			}
		}
	}
	for _, s := range p.m.Shapes {
		for _, m := range s.Members {
			uses[m.Value.Shape]++
		}
		for _, r := range []*ref{s.Member, s.Key, s.Value} {
			if r != nil {
				uses[r.Shape]++
			}
		}
	}
	return uses
}

func (p *plan) add(name string) *structPlan {
	if s, ok := p.byShape[name]; ok {
		return s
	}
	s := &structPlan{shape: p.m.Shapes[name], name: name, goName: exported(name)}
	p.byShape[name] = s
	p.structs = append(p.structs, s)
	return s
}

// reach adds every structure that a shape holds, and says of each whether an input holds it.
func (p *plan) reach(name string, input bool) {
	s := p.m.Shapes[name]
	if s.Type == "structure" {
		known := p.add(name)
		if known.reached && (known.input || !input) {
			return
		}
		known.reached, known.input = true, known.input || input
		for _, m := range s.Members {
			if !p.m.Shapes[m.Value.Shape].EventStream {
				p.reach(m.Value.Shape, input)
			}
		}
	}
	for _, r := range []*ref{s.Member, s.Value} {
		if r != nil {
			p.reach(r.Shape, input)
		}
	}
}

// markChecked finds the input structures that have something to check, holders included.
func (p *plan) markChecked() {
	for changed := true; changed; {
		changed = false
		for _, s := range p.structs {
			if !s.checked && s.input && p.hasChecks(s) {
				s.checked, changed = true, true
			}
		}
	}
}

func (p *plan) hasChecks(s *structPlan) bool {
	if len(s.shape.Required) > 0 {
		return true
	}
	return slices.ContainsFunc(s.shape.Members, func(m named[ref]) bool { return p.constrained(m.Value.Shape) })
}

// constrained says whether a shape has constraints of its own or holds some.
func (p *plan) constrained(name string) bool {
	s := p.m.Shapes[name]
	if s.Type == "structure" {
		known := p.byShape[name]
		return known != nil && known.checked
	}
	if s.Min != nil || s.Max != nil || s.Pattern != "" || s.Enum != nil || s.Type == "list" || s.Type == "map" {
		return true
	}
	return false
}

// finish orders the structures, and refuses what the emitters do not know.
func (p *plan) finish() error {
	sort.Slice(p.structs, func(i, j int) bool { return p.structs[i].goName < p.structs[j].goName })
	taken := map[string]string{"Service": "the function Service"}
	claim := func(name, by string) error {
		if other, ok := taken[name]; ok {
			return fmt.Errorf("the Go name %s is wanted by %s and %s", name, other, by)
		}
		taken[name] = by
		return nil
	}
	for _, s := range p.structs {
		if err := claim(s.goName, "shape "+s.name); err != nil {
			return err
		}
	}
	for _, op := range p.ops {
		if err := claim(op.name+"Handler", "operation "+op.name); err != nil {
			return err
		}
		if strings.Contains(op.HTTP.RequestURI, "+}") {
			return fmt.Errorf("operation %s: a label over several segments is not known", op.name)
		}
	}
	for name, s := range p.m.Shapes {
		if s.Pattern == "" {
			continue
		}
		if _, err := regexp.Compile(enginePattern(s.Pattern)); err != nil {
			return fmt.Errorf("shape %s: Go's engine does not take the pattern, and exceptions.go does not rewrite it: %w", name, err)
		}
	}
	return nil
}

// enginePattern answers a pattern in the form that Go's engine takes.
func enginePattern(pattern string) string {
	if other, ok := rewritten[pattern]; ok {
		return other
	}
	return javaUnicode.ReplaceAllString(pattern, `\x{$1}`)
}

// javaUnicode is Java's way to write a character by its number.
var javaUnicode = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// goType answers the Go type of a member; scalars and structures are pointers, so that an
// absent member differs from a zero one.
func (p *plan) goType(r ref) string {
	elem := p.elemType(r)
	switch p.m.Shapes[r.Shape].Type {
	case "list", "map", "blob":
		return elem
	}
	return "*" + elem
}

// elemType is goType without the pointer, for elements of lists and maps.
func (p *plan) elemType(r ref) string {
	s := p.m.Shapes[r.Shape]
	switch s.Type {
	case "string", "character":
		return "string"
	case "integer":
		return "int"
	case "long":
		return "int64"
	case "boolean":
		return "bool"
	case "double", "float":
		return "float64"
	case "timestamp":
		return "awswire.Timestamp"
	case "blob":
		return "awswire.Blob"
	case "list":
		return "[]" + p.elemType(*s.Member)
	case "map":
		return "map[string]" + p.elemType(*s.Value)
	case "structure":
		return p.byShape[r.Shape].goName
	}
	return "any"
}

// key names something of this service in the tables of exceptions.go.
func (p *plan) key(parts ...string) string {
	return p.service + "." + strings.Join(parts, ".")
}
