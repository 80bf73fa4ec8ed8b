package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// emitConstraints writes the tables of constraints and, for each input, the calls that check
// its members against them, in the model's order.
func emitConstraints(p *plan) (string, error) {
	c := &constraintWriter{plan: p, rules: map[string]string{}, patterns: map[string]int{}}
	var checks strings.Builder
	for _, s := range p.structs {
		if s.checked {
			if err := c.check(&checks, s); err != nil {
				return "", fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	if checks.Len() == 0 {
		return "", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport \"lambent.dev/lambent/internal/awswire\"\n\n", p.pkg)
	b.WriteString("// The patterns, as AWS writes them and, where it differs, as Go's engine takes them.\nvar (\n")
	byNumber := make([]string, len(c.patterns))
	for pattern, n := range c.patterns {
		byNumber[n] = pattern
	}
	for n, pattern := range byNumber {
		fmt.Fprintf(&b, "\tpattern%d = awswire.NewPattern(%s, %s)\n", n, quote(pattern), quote(enginePattern(pattern)))
	}
	b.WriteString(")\n\n// The constraints of the shapes.\nvar (\n")
	names := make([]string, 0, len(c.rules))
	for name := range c.rules {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&b, "\t%s = awswire.Rule{%s}\n", name, c.rules[name])
	}
	b.WriteString(")\n")
	return b.String() + checks.String(), nil
}

func quote(s string) string {
	if strings.Contains(s, "`") {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

type constraintWriter struct {
	*plan
	rules    map[string]string // by variable
	patterns map[string]int
}

// check writes the Check method of one structure.
func (c *constraintWriter) check(b *strings.Builder, s *structPlan) error {
	fmt.Fprintf(b, "\n// Check checks the constraints of the model.\nfunc (in *%s) Check(c *awswire.Checker) {\n", s.goName)
	for _, m := range s.shape.Members {
		lines, err := c.member(s, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		b.WriteString(lines)
	}
	b.WriteString("}\n")
	return nil
}

func (c *constraintWriter) member(s *structPlan, m named[ref]) (string, error) {
	shape, path, field := c.m.Shapes[m.Value.Shape], camel(m.Name), "in."+exported(m.Name)
	var b strings.Builder
	required := s.shape.requires(m.Name)
	if required {
		fmt.Fprintf(&b, "\tc.Required(%q, %s != nil)\n", path, field)
	}
	if shape.Type == "structure" {
		if c.constrained(m.Value.Shape) {
			fmt.Fprintf(&b, "\tif %s != nil {\n\t\tc.Enter(%q)\n\t\t%s.Check(c)\n\t\tc.Leave()\n\t}\n", field, path, field)
		}
		return b.String(), nil
	}
	rule := c.rule(m.Value.Shape, uncheckedMembers[c.key(s.owner, m.Name)])
	if rule != "" {
		call, err := checkCall(shape, c.m)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\tc.%s(%q, %s, &%s)\n", call, path, field, rule)
	}
	if shape.Type == "list" && c.m.Shapes[shape.Member.Shape].Type == "structure" && c.constrained(shape.Member.Shape) {
		fmt.Fprintf(&b, "\tfor i := range %s {\n\t\tc.EnterItem(%q, i)\n\t\t%[1]s[i].Check(c)\n\t\tc.Leave()\n\t}\n", field, path)
	}
	if limit := bareNameLimits[c.key(s.owner, m.Name)]; limit > 0 {
		fmt.Fprintf(&b, "\tc.BareName(%q, %s, %d)\n", path, field, limit)
	}
	return b.String(), nil
}

// checkCall answers the Checker's method for a shape.
func checkCall(s *shape, m *model) (string, error) {
	switch s.Type {
	case "string":
		return "String", nil
	case "integer":
		return "Int", nil
	case "long":
		return "Long", nil
	case "double", "float":
		return "Float", nil
	case "blob":
		return "Blob", nil
	case "list":
		switch m.Shapes[s.Member.Shape].Type {
		case "string":
			return "Strings", nil
		case "structure":
			return "Size", nil
		}
	case "map":
		switch m.Shapes[s.Value.Shape].Type {
		case "string":
			return "StringMap", nil
		case "double":
			return "FloatMap", nil
		case "list":
			if m.Shapes[m.Shapes[s.Value.Shape].Member.Shape].Type == "string" {
				return "ListMap", nil
			}
		}
	}
	return "", fmt.Errorf("constraints of a %s of this kind are not known", s.Type)
}

// rule answers the variable that holds a shape's constraints, or "" when it has none.
func (c *constraintWriter) rule(name string, skip unchecked) string {
	s := c.m.Shapes[name]
	if all := uncheckedShapes[c.key(name)]; all.enum || all.max {
		skip = all
	}
	var parts []string
	if s.Max != nil && !skip.max {
		parts = append(parts, "Max: awswire.Limit("+number(*s.Max, s.Type)+")")
	}
	if s.Min != nil {
		parts = append(parts, "Min: awswire.Limit("+number(*s.Min, s.Type)+")")
	}
	if s.Pattern != "" {
		n, ok := c.patterns[s.Pattern]
		if !ok {
			n = len(c.patterns)
			c.patterns[s.Pattern] = n
		}
		parts = append(parts, fmt.Sprintf("Pattern: pattern%d", n))
	}
	if s.Enum != nil && !skip.enum {
		parts = append(parts, fmt.Sprintf("Enum: %#v", s.Enum))
	}
	if s.Type == "map" {
		if key := c.rule(s.Key.Shape, unchecked{}); key != "" {
			parts = append(parts, "Key: &"+key)
		}
		if value := c.rule(s.Value.Shape, unchecked{}); value != "" {
			parts = append(parts, "Elem: &"+value)
		}
	}
	if s.Type == "list" && c.m.Shapes[s.Member.Shape].Type != "structure" {
		if elem := c.rule(s.Member.Shape, unchecked{}); elem != "" {
			parts = append(parts, "Elem: &"+elem)
		}
		if nullableElements[c.key(name)] {
			parts = append(parts, "Nullable: true")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	if s.Sensitive {
		parts = append(parts, "Sensitive: true")
	}
	variable := "rule" + exported(name)
	if skip.enum {
		variable += "Unchecked"
	}
	c.rules[variable] = strings.Join(parts, ", ")
	return variable
}

func number(v float64, kind string) string {
	return strconv.FormatFloat(v, 'f', -1, 64)
}
