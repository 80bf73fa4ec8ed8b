package awswire

import (
	"net/url"
	"strings"
)

// router finds operations by method and escaped path. A path's segments are compared as they
// were sent, so that an ARN with escaped slashes stays one label.
type router struct{ root node }

type node struct {
	literal map[string]*node
	label   *node
	leaves  []leaf
}

type leaf struct {
	op     *Operation
	labels []string   // the names of the path's labels, in order
	query  url.Values // what the query must say for this operation
}

// add puts an operation into the tree. Paths are the model's.
func (t *router) add(op *Operation) {
	path, query, _ := strings.Cut(op.Path, "?")
	l := leaf{op: op}
	if query != "" {
		l.query, _ = url.ParseQuery(query)
	}
	at := &t.root
	for segment := range strings.SplitSeq(trimPath(path), "/") {
		if strings.HasPrefix(segment, "{") {
			l.labels = append(l.labels, strings.Trim(segment, "{}"))
			if at.label == nil {
				at.label = &node{}
			}
			at = at.label
			continue
		}
		if at.literal[segment] == nil {
			if at.literal == nil {
				at.literal = map[string]*node{}
			}
			at.literal[segment] = &node{}
		}
		at = at.literal[segment]
	}
	at.leaves = append(at.leaves, l)
}

// trimPath drops the slash at each end; older clients send one at the end.
func trimPath(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
}

// find answers the operation of a request, literal segments before labels.
func (t *router) find(method, escaped, rawQuery string) (match, bool) {
	var values [8]string
	return t.root.find(method, trimPath(escaped), rawQuery, values[:0])
}

func (n *node) find(method, rest, rawQuery string, values []string) (match, bool) {
	segment, rest, more := strings.Cut(rest, "/")
	if segment == "" {
		return match{}, false
	}
	if next := n.literal[segment]; next != nil {
		if m, ok := next.step(method, rest, more, rawQuery, values); ok {
			return m, true
		}
	}
	if n.label == nil {
		return match{}, false
	}
	value, err := url.PathUnescape(segment)
	if err != nil {
		return match{}, false
	}
	return n.label.step(method, rest, more, rawQuery, append(values, value))
}

func (n *node) step(method, rest string, more bool, rawQuery string, values []string) (match, bool) {
	if more {
		return n.find(method, rest, rawQuery, values)
	}
	return n.leaf(method, rawQuery, values)
}

// leaf picks among the operations of one path: the one whose query is there, else the one that
// asks for none.
func (n *node) leaf(method, rawQuery string, values []string) (match, bool) {
	var best *leaf
	var query url.Values
	for i := range n.leaves {
		l := &n.leaves[i]
		if l.op.Method != method || (best != nil && len(l.query) <= len(best.query)) {
			continue
		}
		if l.query != nil && query == nil {
			query, _ = url.ParseQuery(rawQuery) // a fault in it is the decoder's to tell
		}
		if l.asks(query) {
			best = l
		}
	}
	if best == nil {
		return match{}, false
	}
	m := match{op: best.op, labels: make([]label, len(values))}
	for i, name := range best.labels {
		m.labels[i] = label{name, values[i]}
	}
	return m, true
}

func (l *leaf) asks(query url.Values) bool {
	for key, want := range l.query {
		if query.Get(key) != want[0] {
			return false
		}
	}
	return true
}
