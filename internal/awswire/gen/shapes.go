package main

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

func emitDoc(p *plan) (string, error) {
	return fmt.Sprintf(`// Package %s is AWS's %s service (%s) on the wire: its shapes, constraints, routes and
// operations, generated from AWS's model.
//
// Every scalar and structure member is a pointer, and lists, maps and blobs are nil when absent,
// so that a member that was not sent differs from an empty one. nil members are not answered.
// Service joins an implementation, which has the interfaces of the operations that it offers,
// to the routes; every other operation of the model answers NotOffered from one place.
package %[1]s
`, p.pkg, p.m.Metadata.ServiceID, p.version), nil
}

func emitShapes(p *plan) (string, error) {
	var b strings.Builder
	b.WriteString("package " + p.pkg + "\n\n")
	if p.usesRuntime() {
		b.WriteString("import \"lambent.dev/lambent/internal/awswire\"\n\n")
	}
	for _, s := range p.structs {
		p.emitStruct(&b, s)
	}
	for _, op := range p.ops {
		switch {
		case op.Input == nil:
			fmt.Fprintf(&b, "// %sInput is empty: the operation takes nothing.\ntype %[1]sInput struct{}\n\n", op.name)
		}
		switch {
		case op.Output == nil:
			fmt.Fprintf(&b, "// %sOutput is empty: the operation answers nothing.\ntype %[1]sOutput struct{}\n\n", op.name)
		case op.alias:
			fmt.Fprintf(&b, "// %sOutput is what the operation answers.\ntype %[1]sOutput = %s\n\n", op.name, op.output.goName)
		}
	}
	return b.String(), nil
}

func (p *plan) usesRuntime() bool {
	for _, s := range p.structs {
		for _, m := range s.shape.Members {
			if strings.Contains(p.fieldType(s, m), "awswire.") {
				return true
			}
		}
	}
	return false
}

// fieldType answers the type of a structure's field: a blob that is the whole body is just bytes.
func (p *plan) fieldType(s *structPlan, m named[ref]) string {
	switch {
	case p.m.Shapes[m.Value.Shape].EventStream:
		return ""
	case m.Name == s.shape.Payload && p.m.Shapes[m.Value.Shape].Type == "blob":
		return "[]byte"
	}
	return p.goType(m.Value)
}

func (p *plan) emitStruct(b *strings.Builder, s *structPlan) {
	fmt.Fprintf(b, "// %s is the model's %s.\ntype %[1]s struct {\n", s.goName, s.name)
	for _, m := range s.shape.Members {
		if p.m.Shapes[m.Value.Shape].EventStream {
			fmt.Fprintf(b, "\t// %s is an event stream, which is not part of the shape.\n", exported(m.Name))
			continue
		}
		fmt.Fprintf(b, "\t%s %s %s\n", exported(m.Name), p.fieldType(s, m), p.tag(s, m))
	}
	b.WriteString("}\n\n")
}

// tag answers a member's struct tag. Members outside the body have none of the body's.
func (p *plan) tag(s *structPlan, m named[ref]) string {
	if m.Value.Location != "" || s.shape.Payload == m.Name {
		return "`json:\"-\"`"
	}
	name := m.Name
	if m.Value.LocationName != "" {
		name = m.Value.LocationName
	}
	if p.m.Metadata.Protocol != "query" {
		return fmt.Sprintf("`json:\"%s,omitzero\"`", name)
	}
	member := p.m.Shapes[m.Value.Shape]
	parts := []string{name}
	if member.Flattened || m.Value.Flattened {
		parts = append(parts, "flat")
	}
	switch member.Type {
	case "list":
		parts = append(parts, "item="+wireName(member.Member, "member"))
	case "map":
		parts = append(parts, "key="+wireName(member.Key, "key"), "value="+wireName(member.Value, "value"))
	}
	return fmt.Sprintf("`wire:\"%s\"`", strings.Join(parts, ","))
}

// wireName answers the name of a use of a shape on the wire.
func wireName(r *ref, standard string) string {
	if r.LocationName != "" {
		return r.LocationName
	}
	return standard
}

func emitEnums(p *plan) (string, error) {
	used := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		s := p.m.Shapes[name]
		if s.Enum != nil {
			used[name] = true
		}
		for _, r := range []*ref{s.Member, s.Key, s.Value} {
			if r != nil {
				visit(r.Shape)
			}
		}
	}
	for _, s := range p.structs {
		for _, m := range s.shape.Members {
			if p.m.Shapes[m.Value.Shape].Type != "structure" {
				visit(m.Value.Shape)
			}
		}
	}
	names := make([]string, 0, len(used))
	for name := range used {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", nil
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString("package " + p.pkg + "\n")
	taken := map[string]bool{}
	for _, name := range names {
		fmt.Fprintf(&b, "\n// The values of %s.\nconst (\n", name)
		for _, value := range p.m.Shapes[name].Enum {
			constant := exported(name) + words(value)
			if taken[constant] {
				return "", fmt.Errorf("enum %s: two values are called %s", name, constant)
			}
			taken[constant] = true
			fmt.Fprintf(&b, "\t%s = %q\n", constant, value)
		}
		b.WriteString(")\n")
	}
	return b.String(), nil
}

// words answers an enum value in the form of a Go name: "python3.12" is Python3_12,
// "NOT_READY" is NotReady.
func words(value string) string {
	var b strings.Builder
	allUpper := strings.ToUpper(value) == value
	start := true
	for i, c := range value {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			start = true
			if b.Len() > 0 && i+1 < len(value) && unicode.IsDigit(rune(value[i+1])) && unicode.IsDigit(rune(value[i-1])) {
				b.WriteByte('_')
			}
			continue
		case start:
			b.WriteRune(unicode.ToUpper(c))
		case allUpper:
			b.WriteRune(unicode.ToLower(c))
		default:
			b.WriteRune(c)
		}
		start = false
	}
	return b.String()
}
