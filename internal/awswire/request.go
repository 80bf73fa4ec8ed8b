package awswire

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
)

// Request is an authenticated request on its way into an input shape. Its methods put a value
// where they are told when the request has it, and remember the first fault.
type Request struct {
	http  *http.Request
	body  []byte
	match match
	query url.Values // parsed when first needed
	err   error
}

// binder is an input with members outside the body.
type binder interface{ BindRequest(*Request) }

func (r *Request) fail(format string, args ...any) {
	if r.err == nil {
		r.err = lambda.Errorf(lambda.SerializationFailed, format, args...)
	}
}

// text checks a value from outside the body; JSON's decoder does this for the body.
func (r *Request) text(where, name, value string) (string, bool) {
	if strings.IndexByte(value, 0) >= 0 || !utf8.ValidString(value) {
		r.fail("The %s '%s' is not valid text", where, name)
		return "", false
	}
	return value, true
}

// PathString takes a label of the path.
func (r *Request) PathString(name string, to **string) {
	for i := range r.match.labels {
		if l := &r.match.labels[i]; l.name == name {
			if v, ok := r.text("path parameter", name, l.value); ok {
				*to = &v
			}
			return
		}
	}
}

// PathInt takes an integer label of the path.
func (r *Request) PathInt(name string, to **int) {
	var s *string
	if r.PathString(name, &s); s != nil {
		number(r, name, *s, to)
	}
}

// PathLong takes a long integer label of the path.
func (r *Request) PathLong(name string, to **int64) {
	var s *string
	if r.PathString(name, &s); s != nil {
		number(r, name, *s, to)
	}
}

// QueryList takes a parameter that may be there more than once.
func (r *Request) QueryList(name string, to *[]string) {
	for _, value := range r.values()[name] {
		if v, ok := r.text("query parameter", name, value); ok {
			*to = append(*to, v)
		}
	}
}

func (r *Request) values() url.Values {
	if r.query == nil {
		var err error
		if r.query, err = url.ParseQuery(r.http.URL.RawQuery); err != nil {
			r.fail("The query string is not valid")
			r.query = url.Values{}
		}
	}
	return r.query
}

// QueryString takes a parameter.
func (r *Request) QueryString(name string, to **string) {
	if r.query == nil && r.http.URL.RawQuery == "" {
		return
	}
	values := r.values()[name]
	switch len(values) {
	case 0:
	case 1:
		if v, ok := r.text("query parameter", name, values[0]); ok {
			*to = &v
		}
	default:
		r.fail("Multiple values found for the query parameter '%s'", name)
	}
}

// QueryInt takes an integer parameter.
func (r *Request) QueryInt(name string, to **int) {
	var s *string
	if r.QueryString(name, &s); s != nil {
		number(r, name, *s, to)
	}
}

// QueryLong takes a long integer parameter.
func (r *Request) QueryLong(name string, to **int64) {
	var s *string
	if r.QueryString(name, &s); s != nil {
		number(r, name, *s, to)
	}
}

// QueryBool takes a boolean parameter.
func (r *Request) QueryBool(name string, to **bool) {
	var s *string
	if r.QueryString(name, &s); s == nil {
		return
	}
	switch *s {
	case "true", "false":
		v := *s == "true"
		*to = &v
	default:
		r.fail("STRING_VALUE can not be converted to a Boolean")
	}
}

// QueryTime takes a time parameter.
func (r *Request) QueryTime(name string, to **Timestamp) {
	var s *string
	if r.QueryString(name, &s); s == nil {
		return
	}
	var t Timestamp
	if err := t.parse(*s); err != nil {
		r.fail("STRING_VALUE can not be converted to a Timestamp")
		return
	}
	*to = &t
}

// HeaderString takes a header.
func (r *Request) HeaderString(name string, to **string) {
	values := r.http.Header[http.CanonicalHeaderKey(name)]
	switch len(values) {
	case 0:
	case 1:
		if v, ok := r.text("header", name, values[0]); ok {
			*to = &v
		}
	default:
		r.fail("Multiple values found for the header '%s'", name)
	}
}

func number[T int | int64](r *Request, name, s string, to **T) {
	bits := 64
	if _, short := any(T(0)).(int); short {
		bits = 32 // the model's integer
	}
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		r.fail("STRING_VALUE can not be converted to an Integer")
		return
	}
	v := T(n)
	*to = &v
}

// PayloadBytes takes the body as it is.
func (r *Request) PayloadBytes(to *[]byte) { *to = r.body }

// BodyJSON takes members from a JSON body; an empty one has none.
func (r *Request) BodyJSON(to any) {
	if len(r.body) == 0 || r.err != nil {
		return
	}
	if err := decodeJSON(r.body, to); err != nil {
		r.err = err
	}
}

// PayloadJSON takes the whole JSON body as one structure.
func PayloadJSON[T any](r *Request, to **T) {
	if len(r.body) == 0 {
		return
	}
	v := new(T)
	r.BodyJSON(v)
	*to = v
}
