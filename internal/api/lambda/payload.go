package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	core "lambent.dev/lambent/internal/lambda"
)

// checkPayload answers AWS's error for a payload that is not JSON. Nothing of it is changed: what
// is JSON goes to the function byte for byte.
func checkPayload(payload []byte) error {
	at := badUTF8(payload)
	if at < 0 && json.Valid(payload) {
		return nil
	}
	what, where := syntaxFault(payload)
	if what == "" || at >= 0 && at < where {
		what, where = fmt.Sprintf("Invalid UTF-8 start byte 0x%02x", payload[at]), at
	}
	before := payload[:where]
	line := bytes.Count(before, []byte("\n")) + 1
	column := where - bytes.LastIndexByte(before, '\n')
	return core.Errorf(core.InvalidRequestContent, "Could not parse request body into json: Could not parse payload into json: %s\n"+
		" at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]", what, line, column)
}

// badUTF8 answers the place of the first byte that is no UTF-8, or -1.
func badUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}

const anyValue = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

// syntaxFault says what is wrong and where, in the words of the parser that AWS uses; "" when the
// syntax is right.
func syntaxFault(payload []byte) (what string, at int) {
	err := json.Unmarshal(payload, new(json.RawMessage))
	var fault *json.SyntaxError
	if !errors.As(err, &fault) {
		return "", 0
	}
	text := fault.Error()
	if strings.Contains(text, "unexpected end") || fault.Offset < 1 || int(fault.Offset) > len(payload) {
		return "Unexpected end-of-input", len(payload)
	}
	at = int(fault.Offset) - 1
	c := payload[at]
	switch {
	case strings.Contains(text, "in literal"), strings.Contains(text, "looking for beginning of value") && isLetter(c):
		start := at
		for start > 0 && isLetter(payload[start-1]) {
			start--
		}
		end := at
		for end < len(payload) && isLetter(payload[end]) && end-start < 256 {
			end++
		}
		return fmt.Sprintf("Unrecognized token '%s': was expecting %s", payload[start:end], anyValue), start
	case strings.Contains(text, "looking for beginning of value"):
		return unexpected(c, "expected a valid value "+anyValue), at
	case strings.Contains(text, "beginning of object key string"):
		return unexpected(c, "was expecting double-quote to start field name"), at
	case strings.Contains(text, "after object key:value pair"):
		return unexpected(c, "was expecting comma to separate Object entries"), at
	case strings.Contains(text, "after object key"):
		return unexpected(c, "was expecting a colon to separate field name and value"), at
	case strings.Contains(text, "after array element"):
		return unexpected(c, "was expecting comma to separate Array entries"), at
	case strings.Contains(text, "in string literal"):
		return fmt.Sprintf("Illegal unquoted character (%s): has to be escaped using backslash to be included in string value", shown(c)), at
	}
	return unexpected(c, "expected a valid value "+anyValue), at
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func unexpected(c byte, expected string) string {
	return fmt.Sprintf("Unexpected character (%s): %s", shown(c), expected)
}

// shown writes a byte as the parser does.
func shown(c byte) string {
	if unicode.IsControl(rune(c)) {
		return fmt.Sprintf("(CTRL-CHAR, code %d)", c)
	}
	return fmt.Sprintf("'%c' (code %d)", rune(c), c)
}
