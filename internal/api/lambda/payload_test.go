package lambda

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	core "lambent.dev/lambent/internal/lambda"
)

func FuzzCheckPayload(f *testing.F) {
	for _, s := range []string{"{}", "null", "1e5", `"\u00e9"`, "[1,2", "{'", "\xff", "tru", "nulls", "[\n\n1 2]", "\"\x01\"", "[1,]", `{"a":}`, "-", `"\x"`, `{"a":1,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		err := checkPayload(payload)
		if good := json.Valid(payload) && utf8.Valid(payload); good != (err == nil) {
			t.Fatalf("%q: %v", payload, err)
		}
		if err != nil && (core.KindOf(err) != core.InvalidRequestContent || !strings.Contains(err.Error(), "line: ") || strings.Contains(err.Error(), "column: 0")) {
			t.Fatalf("%q: %v", payload, err)
		}
	})
}
