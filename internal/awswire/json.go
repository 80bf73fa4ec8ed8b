package awswire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
)

// decodeJSON reads a body into a shape. Members that the shape does not have are ignored.
func decodeJSON(body []byte, to any) error {
	if !utf8.Valid(body) {
		return lambda.Errorf(lambda.SerializationFailed, "The request body is not valid UTF-8")
	}
	err := json.Unmarshal(body, to)
	if err == nil {
		return nil
	}
	return &lambda.Error{Kind: lambda.SerializationFailed, Message: jsonFault(err, body), Err: err}
}

// jsonFault answers AWS's sentence for what is wrong with a body.
func jsonFault(err error, body []byte) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return "Could not parse request body into json: " + syntax.Error()
		}
		return err.Error()
	}
	kind, _, _ := strings.Cut(wrong.Value, " ")
	switch kind {
	case "object":
		return "Start of structure or map found where not expected."
	case "array":
		return "Start of list found where not expected"
	}
	token := map[string]string{"string": "STRING_VALUE", "number": "NUMBER_VALUE", "bool": "FALSE_VALUE"}[kind]
	if kind == "bool" && bytes.HasSuffix(body[:min(int(wrong.Offset), len(body))], []byte("true")) {
		token = "TRUE_VALUE"
	}
	switch wrong.Type.Kind().String() {
	case "string":
		return token + " can not be converted to a String"
	case "int":
		return token + " can not be converted to an Integer"
	case "int64":
		return token + " can not be converted to a Long"
	case "float64":
		return token + " can not be converted to a Double"
	case "bool":
		return token + " can not be converted to a Boolean"
	case "slice":
		return "Expected list or null"
	case "map":
		return "Expected map or null"
	}
	return "Expected structure or null"
}

// encodeJSON writes a value without the escapes that HTML would need.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
