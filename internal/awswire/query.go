package awswire

import (
	"bytes"
	"encoding/xml"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
)

// queryProtocol is the protocol query: the operation is the form's Action, members are the
// form's other fields, answers are XML. Shapes say their names in the struct tag "wire":
// the name, then flat, item=, key= and value=.
type queryProtocol struct{ service *Service }

func (p *queryProtocol) find(r *http.Request, body []byte) (match, error) {
	if r.URL.Path != "/" || (r.Method != http.MethodPost && r.Method != http.MethodGet) {
		return match{}, errUnknownOperation
	}
	if body == nil && r.Method == http.MethodPost && r.ContentLength != 0 {
		return match{}, errNeedBody
	}
	form, err := queryForm(r, body)
	if err != nil {
		return match{}, err
	}
	action, version := form.Get("Action"), form.Get("Version")
	op := p.service.byName[action]
	if op == nil || (version != "" && version != p.service.Version) {
		return match{}, lambda.Errorf(lambda.UnknownOperation, "Could not find operation %s for version %s", action, version)
	}
	return match{op: op}, nil
}

// queryForm answers the fields of a request: those of the body, or of the URL when there is none.
func queryForm(r *http.Request, body []byte) (url.Values, error) {
	raw := r.URL.RawQuery
	if len(body) > 0 {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
			return nil, lambda.Errorf(lambda.SerializationFailed, "The body must be of the type application/x-www-form-urlencoded")
		}
		raw = string(body)
	}
	form, err := url.ParseQuery(raw)
	if err != nil {
		return nil, lambda.Errorf(lambda.SerializationFailed, "The form is not valid")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, lambda.Errorf(lambda.SerializationFailed, "Multiple values found for '%s'", name)
		}
		if !validText(name) || !validText(values[0]) {
			return nil, lambda.Errorf(lambda.SerializationFailed, "The form is not valid text")
		}
	}
	return form, nil
}

func validText(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

func (p *queryProtocol) decode(rq *Request, in any) error {
	form, err := queryForm(rq.http, rq.body)
	if err != nil {
		return err
	}
	d := newFormDecoder(form)
	d.structure("", reflect.ValueOf(in).Elem(), 0)
	return d.err
}

// formDecoder fills a shape from the flat names of a form: Tags.member.1.Key=...
type formDecoder struct {
	form  url.Values
	above map[string]bool // what the form has names below
	err   error
}

func newFormDecoder(form url.Values) *formDecoder {
	d := &formDecoder{form: form, above: map[string]bool{}}
	for name := range form {
		depth := 0
		for i := range len(name) {
			if name[i] == '.' && depth < 4*maxShapeDepth {
				d.above[name[:i]] = true
				depth++
			}
		}
	}
	return d
}

// maxMembers bounds lists and maps, whose numbers a form may choose.
const maxMembers = 10_000

// maxShapeDepth bounds shapes that hold themselves.
const maxShapeDepth = 32

// wireTag is a member's name in the query protocol.
type wireTag struct {
	name             string
	flat             bool
	item, key, value string
}

func parseWireTag(f reflect.StructField) wireTag {
	parts := strings.Split(f.Tag.Get("wire"), ",")
	t := wireTag{name: parts[0], item: "member", key: "key", value: "value"}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "flat":
			t.flat = true
		case "item":
			t.item = value
		case "key":
			t.key = value
		case "value":
			t.value = value
		}
	}
	return t
}

func (d *formDecoder) structure(prefix string, v reflect.Value, depth int) {
	for i := range v.NumField() {
		tag := parseWireTag(v.Type().Field(i))
		if tag.name != "" && tag.name != "-" {
			d.member(prefix+tag.name, tag, v.Field(i), depth)
		}
	}
}

func (d *formDecoder) member(name string, tag wireTag, v reflect.Value, depth int) {
	if depth > maxShapeDepth || !d.has(name) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(name, v.Elem(), depth)
	case reflect.Slice:
		if v.Type() == blobType {
			d.value(name, v, depth)
			return
		}
		d.list(name, tag, v, depth)
	case reflect.Map:
		d.mapping(name, tag, v, depth)
	}
}

// has says whether the form has the name or something below it.
func (d *formDecoder) has(name string) bool { return d.above[name] || d.form.Has(name) }

func (d *formDecoder) list(name string, tag wireTag, v reflect.Value, depth int) {
	if !tag.flat {
		name += "." + tag.item
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i := 1; i <= maxMembers && d.has(name+"."+strconv.Itoa(i)); i++ {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(name+"."+strconv.Itoa(i), item, depth+1)
		v.Set(reflect.Append(v, item))
	}
}

func (d *formDecoder) mapping(name string, tag wireTag, v reflect.Value, depth int) {
	if !tag.flat {
		name += ".entry"
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 1; i <= maxMembers && d.has(name+"."+strconv.Itoa(i)); i++ {
		entry := name + "." + strconv.Itoa(i) + "."
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(entry+tag.key, key, depth+1)
		d.value(entry+tag.value, value, depth+1)
		v.SetMapIndex(key, value)
	}
}

var (
	blobType = reflect.TypeFor[Blob]()
	timeType = reflect.TypeFor[Timestamp]()
)

func (d *formDecoder) value(name string, v reflect.Value, depth int) {
	text := d.form.Get(name)
	var err error
	switch {
	case v.Type() == timeType:
		err = v.Addr().Interface().(*Timestamp).parse(text)
	case v.Type() == blobType:
		err = v.Addr().Interface().(*Blob).UnmarshalJSON([]byte(strconv.Quote(text)))
	case v.Kind() == reflect.Struct:
		d.structure(name+".", v, depth+1)
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		v.SetBool(b)
	case v.Kind() == reflect.Float64:
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		v.SetFloat(f)
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	}
	if err != nil && d.err == nil {
		d.err = &lambda.Error{Kind: lambda.SerializationFailed, Message: "The value of '" + name + "' is not valid", Err: err}
	}
}

func (p *queryProtocol) encode(op *Operation, out any, requestID string, rs *Response) error {
	var b bytes.Buffer
	b.WriteString(`<` + op.Name + `Response xmlns="` + p.service.XMLNamespace + "\">\n")
	if v := reflect.ValueOf(out).Elem(); v.NumField() > 0 {
		wrapper := op.ResultWrapper
		if wrapper == "" {
			wrapper = op.Name + "Result"
		}
		b.WriteString("  <" + wrapper + ">")
		writeXML(&b, v)
		b.WriteString("</" + wrapper + ">\n")
	}
	b.WriteString("  <ResponseMetadata><RequestId>" + requestID + "</RequestId></ResponseMetadata>\n</" + op.Name + "Response>\n")
	rs.Status, rs.Body = op.Status, b.Bytes()
	rs.Header.Set("Content-Type", "text/xml")
	return nil
}

func (p *queryProtocol) fail(_ *Operation, e *lambda.Error, requestID string, rs *Response) {
	w := wireErrors[e.Kind]
	kind := "Sender"
	if w.status >= 500 {
		kind = "Receiver"
	}
	var b bytes.Buffer
	b.WriteString(`<ErrorResponse xmlns="` + p.service.XMLNamespace + "\">\n  <Error><Type>" + kind + "</Type><Code>" + w.code() + "</Code><Message>")
	escapeXML(&b, e.Message)
	b.WriteString("</Message></Error>\n  <RequestId>" + requestID + "</RequestId>\n</ErrorResponse>\n")
	rs.Status, rs.Body = w.status, b.Bytes()
	rs.Header.Set("Content-Type", "text/xml")
	rs.Header.Set("X-Amzn-Errortype", w.name)
}

// writeXML writes the members of a shape.
func writeXML(b *bytes.Buffer, v reflect.Value) {
	for i := range v.NumField() {
		tag := parseWireTag(v.Type().Field(i))
		if tag.name == "" || tag.name == "-" || v.Field(i).IsZero() {
			continue
		}
		writeMember(b, tag, v.Field(i))
	}
}

func writeMember(b *bytes.Buffer, tag wireTag, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice && v.Type() != blobType:
		writeList(b, tag, v)
	case v.Kind() == reflect.Map:
		writeMap(b, tag, v)
	default:
		writeElement(b, tag.name, v)
	}
}

func writeList(b *bytes.Buffer, tag wireTag, v reflect.Value) {
	item := tag.item
	if tag.flat {
		item = tag.name
	} else {
		b.WriteString("<" + tag.name + ">")
		defer b.WriteString("</" + tag.name + ">")
	}
	for i := range v.Len() {
		writeElement(b, item, v.Index(i))
	}
}

func writeMap(b *bytes.Buffer, tag wireTag, v reflect.Value) {
	entry := "entry"
	if tag.flat {
		entry = tag.name
	} else {
		b.WriteString("<" + tag.name + ">")
		defer b.WriteString("</" + tag.name + ">")
	}
	for it := v.MapRange(); it.Next(); {
		b.WriteString("<" + entry + ">")
		writeElement(b, tag.key, it.Key())
		writeElement(b, tag.value, it.Value())
		b.WriteString("</" + entry + ">")
	}
}

func writeElement(b *bytes.Buffer, name string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	b.WriteString("<" + name + ">")
	switch t := v.Interface().(type) {
	case Timestamp:
		b.WriteString(t.iso())
	case Blob:
		b.WriteString(t.String())
	default:
		if v.Kind() == reflect.Struct {
			writeXML(b, v)
		} else {
			escapeXML(b, plain(v))
		}
	}
	b.WriteString("</" + name + ">")
}

func plain(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	}
	return strconv.FormatInt(v.Int(), 10)
}

func escapeXML(b *bytes.Buffer, s string) {
	_ = xml.EscapeText(b, []byte(s)) // a buffer takes everything
}
