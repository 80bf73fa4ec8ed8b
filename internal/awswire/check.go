package awswire

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
)

// Rule is the constraints of one shape. The zero value has none.
type Rule struct {
	Min, Max  *float64 // of a number's value, a string's characters, a blob's bytes, a list's or map's members
	Pattern   *Pattern
	Enum      []string
	Sensitive bool  // the value is not shown
	Nullable  bool  // a list whose elements may be null
	Key, Elem *Rule // of a map's keys; of a list's elements or a map's values
}

// Limit answers a limit for a Rule.
func Limit(v float64) *float64 { return &v }

// checked is an input that has constraints.
type checked interface{ Check(*Checker) }

// check answers the error that AWS gives for an input that does not meet its constraints.
func check(in checked) error {
	var c Checker
	in.Check(&c)
	return c.err()
}

// Checker collects the constraints that an input does not meet, in AWS's words and order.
type Checker struct {
	path   []string
	faults []string
	late   string // the service's own check, made only when the model's are met
}

func (c *Checker) err() error {
	switch len(c.faults) {
	case 0:
		if c.late != "" {
			return lambda.Errorf(lambda.InvalidParameterValue, "1 validation error detected: %s", c.late)
		}
		return nil
	case 1:
		return lambda.Errorf(lambda.Validation, "1 validation error detected: %s", c.faults[0])
	}
	return lambda.Errorf(lambda.Validation, "%d validation errors detected: %s", len(c.faults), strings.Join(c.faults, "; "))
}

// Enter goes into a structure; Leave comes out of it.
func (c *Checker) Enter(name string) { c.path = append(c.path, name) }

// EnterItem goes into the i-th structure of a list.
func (c *Checker) EnterItem(name string, i int) {
	c.path = append(c.path, name+"."+strconv.Itoa(i+1)+".member")
}

// Leave comes out of a structure.
func (c *Checker) Leave() { c.path = c.path[:len(c.path)-1] }

// Required checks that a member is there.
func (c *Checker) Required(name string, present bool) {
	if !present {
		c.faults = append(c.faults, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", c.at(name)))
	}
}

// String checks a string.
func (c *Checker) String(name string, v *string, r *Rule) {
	if v == nil {
		return
	}
	for clause := range r.brokenBy(*v) {
		c.fail(name, *v, r, clause)
	}
}

// Int checks an integer.
func (c *Checker) Int(name string, v *int, r *Rule) {
	if v == nil {
		return
	}
	for _, clause := range r.outOf(float64(*v), "value", formatInteger) {
		c.fail(name, strconv.Itoa(*v), r, clause)
	}
}

// Long checks a long integer.
func (c *Checker) Long(name string, v *int64, r *Rule) {
	if v == nil {
		return
	}
	for _, clause := range r.outOf(float64(*v), "value", formatInteger) {
		c.fail(name, strconv.FormatInt(*v, 10), r, clause)
	}
}

// Float checks a floating-point number.
func (c *Checker) Float(name string, v *float64, r *Rule) {
	if v == nil {
		return
	}
	for _, clause := range r.outOf(*v, "value", formatFloat) {
		c.fail(name, formatFloat(*v), r, clause)
	}
}

// Blob checks the size of a blob.
func (c *Checker) Blob(name string, v []byte, r *Rule) {
	if v == nil {
		return
	}
	for _, clause := range r.outOf(float64(len(v)), "length", formatInteger) {
		c.fail(name, "java.nio.HeapByteBuffer", r, clause)
	}
}

// Size checks the number of a list's structures.
func (c *Checker) Size(name string, list any, r *Rule) {
	v := reflect.ValueOf(list)
	if v.IsNil() {
		return
	}
	for _, clause := range r.outOf(float64(v.Len()), "length", formatInteger) {
		c.fail(name, javaString(v), r, clause)
	}
}

// Strings checks a list of strings, its size first.
func (c *Checker) Strings(name string, v []string, r *Rule) {
	if v == nil {
		return
	}
	for _, clause := range r.outOf(float64(len(v)), "length", formatInteger) {
		c.fail(name, javaString(reflect.ValueOf(v)), r, clause)
	}
	if r.Elem == nil || !slices.ContainsFunc(v, r.Elem.brokenByAny) {
		return
	}
	clauses := r.Elem.clauses("length", formatInteger)
	if !r.Nullable {
		clauses = append(clauses, notNull)
	}
	c.fail(name, javaString(reflect.ValueOf(v)), r, "Member must satisfy constraint: ["+strings.Join(clauses, ", ")+"]")
}

// StringMap checks a map of strings: its size, its keys, its values.
func (c *Checker) StringMap(name string, v map[string]string, r *Rule) {
	if v == nil {
		return
	}
	c.mapKeys(name, reflect.ValueOf(v), slices.Sorted(maps.Keys(v)), r)
	if r.Elem == nil {
		return
	}
	for _, value := range v {
		if r.Elem.brokenByAny(value) {
			c.mapValue(name, reflect.ValueOf(v), r, r.Elem.clauses("length", formatInteger))
			return
		}
	}
}

// FloatMap checks a map of floating-point numbers.
func (c *Checker) FloatMap(name string, v map[string]float64, r *Rule) {
	if v == nil {
		return
	}
	c.mapKeys(name, reflect.ValueOf(v), slices.Sorted(maps.Keys(v)), r)
	if r.Elem == nil {
		return
	}
	for _, value := range v {
		if len(r.Elem.outOf(value, "value", formatFloat)) > 0 {
			c.mapValue(name, reflect.ValueOf(v), r, r.Elem.clauses("value", formatFloat))
			return
		}
	}
}

// ListMap checks a map of lists of strings.
func (c *Checker) ListMap(name string, v map[string][]string, r *Rule) {
	if v == nil {
		return
	}
	c.mapKeys(name, reflect.ValueOf(v), slices.Sorted(maps.Keys(v)), r)
	if r.Elem == nil {
		return
	}
	c.Enter(name)
	for _, key := range slices.Sorted(maps.Keys(v)) {
		c.Strings(key, v[key], r.Elem)
	}
	c.Leave()
}

// BareName checks that a name which is no ARN is short enough. AWS's service does this itself,
// after the model's constraints and under another error name.
func (c *Checker) BareName(name string, v *string, limit int) {
	if v == nil || strings.Contains(*v, ":") || utf8.RuneCountInString(*v) <= limit {
		return
	}
	c.late = fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", *v, c.at(name), limit)
}

const notNull = "Member must not be null"

func (c *Checker) mapKeys(name string, v reflect.Value, keys []string, r *Rule) {
	for _, clause := range r.outOf(float64(len(keys)), "length", formatInteger) {
		c.fail(name, javaString(v), r, clause)
	}
	if r.Key != nil && slices.ContainsFunc(keys, r.Key.brokenByAny) {
		c.fail(name, javaString(v), r, "Map keys must satisfy constraint: ["+strings.Join(r.Key.clauses("length", formatInteger), ", ")+"]")
	}
}

func (c *Checker) mapValue(name string, v reflect.Value, r *Rule, clauses []string) {
	c.fail(name, javaString(v), r, "Map value must satisfy constraint: ["+strings.Join(append(clauses, notNull), ", ")+"]")
}

func (c *Checker) fail(name, value string, r *Rule, clause string) {
	shown := " '" + value + "'"
	if r.Sensitive || (r.Elem != nil && r.Elem.Sensitive) || (r.Key != nil && r.Key.Sensitive) {
		shown = ""
	}
	c.faults = append(c.faults, "Value"+shown+" at '"+c.at(name)+"' failed to satisfy constraint: "+clause)
}

func (c *Checker) at(name string) string {
	if len(c.path) == 0 {
		return name
	}
	return strings.Join(c.path, ".") + "." + name
}

// brokenBy yields the clauses that a string does not meet.
func (r *Rule) brokenBy(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if r.Max != nil || r.Min != nil {
			for _, clause := range r.outOf(float64(utf8.RuneCountInString(s)), "length", formatInteger) {
				if !yield(clause) {
					return
				}
			}
		}
		if r.Pattern != nil && !r.Pattern.Match(s) && !yield(r.patternClause()) {
			return
		}
		if r.Enum != nil && !slices.Contains(r.Enum, s) {
			yield(r.enumClause())
		}
	}
}

func (r *Rule) brokenByAny(s string) bool {
	for range r.brokenBy(s) {
		return true
	}
	return false
}

// outOf answers the limits that a number is out of.
func (r *Rule) outOf(v float64, what string, format func(float64) string) []string {
	var broken []string
	if r.Max != nil && v > *r.Max {
		broken = append(broken, maxClause(*r.Max, what, format))
	}
	if r.Min != nil && !(v >= *r.Min) {
		broken = append(broken, minClause(*r.Min, what, format))
	}
	return broken
}

// clauses answers all that a rule asks, for the errors about lists and maps.
func (r *Rule) clauses(what string, format func(float64) string) []string {
	var all []string
	if r.Max != nil {
		all = append(all, maxClause(*r.Max, what, format))
	}
	if r.Min != nil {
		all = append(all, minClause(*r.Min, what, format))
	}
	if r.Pattern != nil {
		all = append(all, r.patternClause())
	}
	if r.Enum != nil {
		all = append(all, r.enumClause())
	}
	return all
}

func maxClause(limit float64, what string, format func(float64) string) string {
	return "Member must have " + what + " less than or equal to " + format(limit)
}

func minClause(limit float64, what string, format func(float64) string) string {
	return "Member must have " + what + " greater than or equal to " + format(limit)
}

func (r *Rule) patternClause() string {
	return "Member must satisfy regular expression pattern: " + r.Pattern.String()
}

func (r *Rule) enumClause() string {
	return "Member must satisfy enum value set: [" + strings.Join(r.Enum, ", ") + "]"
}
