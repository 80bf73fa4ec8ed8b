package deadletter

import (
	"bytes"
	"encoding/json"

	"lambent.dev/lambent/internal/lambda"
)

// maxPatchDepth bounds the work of a patch: each of its levels reads the document's once more.
const maxPatchDepth = 64

// merge applies a JSON merge patch (RFC 7396) to a payload. What the patch does not touch keeps its
// bytes and its order: numbers of any size, escapes and all.
func merge(payload, patch []byte) ([]byte, error) {
	if err := checkPatch(patch); err != nil {
		return nil, err
	}
	if !json.Valid(payload) {
		return nil, lambda.Errorf(lambda.InvalidRequestContent, "The payload is not valid JSON, so that it cannot be patched.")
	}
	out, err := mergeValue(payload, patch)
	if err != nil {
		return nil, &lambda.Error{Kind: lambda.InvalidParameterValue, Message: "The patch cannot be applied to the payload.", Err: err}
	}
	if len(out) > lambda.MaxAsyncPayloadBytes {
		return nil, tooLarge(len(out))
	}
	return out, nil
}

func checkPatch(patch []byte) error {
	if !json.Valid(patch) {
		return lambda.Errorf(lambda.InvalidParameterValue, "The patch is not valid JSON.")
	}
	if !isObject(patch) {
		return lambda.Errorf(lambda.InvalidParameterValue, "The patch is no JSON object: it would replace the whole payload.")
	}
	depth, inText := 0, false
	for i := 0; i < len(patch); i++ {
		switch c := patch[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth > maxPatchDepth {
			return lambda.Errorf(lambda.InvalidParameterValue, "The patch is nested more than %d deep.", maxPatchDepth)
		}
	}
	return nil
}

// mergeValue is the algorithm of RFC 7396 on valid JSON texts.
func mergeValue(target, patch []byte) ([]byte, error) {
	if !isObject(patch) {
		return patch, nil
	}
	var members []member
	if isObject(target) {
		var err error
		if members, err = parseObject(target); err != nil {
			return nil, err
		}
	}
	changes, err := parseObject(patch)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(members))
	for i, m := range members {
		at[m.name] = i
	}
	for _, c := range changes {
		i, exists := at[c.name]
		if !exists {
			i = len(members)
			members = append(members, member{name: c.name})
			at[c.name] = i
		}
		if string(c.value) == "null" {
			members[i].value = nil
			continue
		}
		if members[i].value, err = mergeValue(members[i].value, c.value); err != nil {
			return nil, err
		}
	}
	return writeObject(members)
}

// member is one name and value of an object; a nil value is left out.
type member struct {
	name  string
	value json.RawMessage
}

// parseObject reads an object's members in order; of equal names the last value counts.
func parseObject(text []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var members []member
	at := map[string]int{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // valid JSON: a name is a string
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		if i, twice := at[m.name]; twice {
			members[i].value = m.value
			continue
		}
		at[m.name] = len(members)
		members = append(members, m)
	}
	return members, nil
}

func writeObject(members []member) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for _, m := range members {
		if m.value == nil {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.name); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the encoder's line feed
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func isObject(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{'
}
