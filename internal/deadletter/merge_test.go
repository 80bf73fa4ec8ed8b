package deadletter

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"lambent.dev/lambent/internal/lambda"
)

// The cases of RFC 7396, appendix A, whose patch is an object, and our own.
func TestMerge(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`null`, `{"a":1}`, `{"a":1}`},
		{` {"html" : "<b>\u003c&", "n": 10000000000000000001, "x": { "y" : [ 1 ] }} `, `{"n2":1e400}`,
			`{"html":"<b>\u003c&","n":10000000000000000001,"x":{ "y" : [ 1 ] },"n2":1e400}`},
		{`{"a":1,"a":2,"<k>":3}`, `{"b":1}`, `{"a":2,"<k>":3,"b":1}`},
	} {
		if got, err := merge([]byte(c[0]), []byte(c[1])); err != nil || string(got) != c[2] {
			t.Errorf("merge(%s, %s) = %s, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
	_, err := merge([]byte(`{}`), []byte(strings.Repeat(`{"[\"":`, 65)+"1"+strings.Repeat("}", 65)))
	wantKind(t, err, lambda.InvalidParameterValue, "deep")
	_, err = merge([]byte(`{`), []byte(`{}`))
	wantKind(t, err, lambda.InvalidRequestContent, "not valid JSON")
}

// FuzzMerge compares with the RFC's algorithm on decoded values.
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1}}`, `{"a":{"b":null,"c":[{}]}}`)
	f.Fuzz(func(t *testing.T, payload, patch string) {
		got, err := merge([]byte(payload), []byte(patch))
		if err != nil {
			return
		}
		var target, change, out any
		if json.Unmarshal([]byte(payload), &target) != nil || json.Unmarshal([]byte(patch), &change) != nil {
			return // numbers out of range of a float
		}
		if err := json.Unmarshal(got, &out); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if want := mergeDecoded(target, change); !reflect.DeepEqual(out, want) {
			t.Errorf("merge(%s, %s) = %s, want %v", payload, patch, got, want)
		}
	})
}

func mergeDecoded(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for k, v := range changes {
		if v == nil {
			delete(object, k)
		} else {
			object[k] = mergeDecoded(object[k], v)
		}
	}
	return object
}
