package lambent

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// object is a JSON object of the document.
type object = map[string]any

// document makes the OpenAPI 3.1 document of the routes.
func document(routes []route, version string) ([]byte, error) {
	g := generator{schemas: object{}}
	paths := object{}
	for i := range routes {
		rt := &routes[i]
		item, _ := paths[rt.path].(object)
		if item == nil {
			item = object{}
			paths[rt.path] = item
		}
		item[strings.ToLower(rt.method)] = g.operation(rt)
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "Lambent", "version": version,
			"description": "Dead letters, their jobs, accounts and logs. Requests are signed with AWS Signature Version 4 for the service lambent or lambda."},
		"paths":    paths,
		"security": []any{object{"sigv4": []string{}}},
		"components": object{
			"schemas":         g.schemas,
			"securitySchemes": object{"sigv4": object{"type": "apiKey", "in": "header", "name": "Authorization", "description": "AWS Signature Version 4"}},
		},
	}, "", " ")
}

// generator makes schemas of Go types, each named type once.
type generator struct{ schemas object }

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

func (g *generator) operation(rt *route) object {
	params := []any{}
	for _, m := range pathParam.FindAllStringSubmatch(rt.path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range rt.query {
		params = append(params, object{"name": p.name, "in": "query", "description": p.doc, "schema": object{"type": "string"}})
	}
	op := object{"summary": rt.summary, "parameters": params, "responses": g.responses(rt)}
	if rt.unsigned {
		op["security"] = []any{}
	}
	if rt.root {
		op["description"] = "Needs the root key."
	}
	if rt.request != nil {
		op["requestBody"] = object{"required": true, "content": g.content("application/json", rt.request)}
	}
	return op
}

func (g *generator) responses(rt *route) object {
	kind := "application/json"
	if rt.lines {
		kind = "application/x-ndjson"
	}
	status := max(rt.status, http.StatusOK)
	good := object{"description": http.StatusText(status)}
	if rt.response != nil {
		good["content"] = g.content(kind, rt.response)
	}
	return object{
		strconv.Itoa(status): good,
		"default":            object{"description": "An error; its code is in x-amzn-ErrorType too.", "content": g.content("application/json", errorBody{})},
	}
}

func (g *generator) content(kind string, v any) object {
	return object{kind: object{"schema": g.schema(reflect.TypeOf(v))}}
}

var (
	stampType = reflect.TypeFor[stamp]()
	rawType   = reflect.TypeFor[json.RawMessage]()
)

func (g *generator) schema(t reflect.Type) object {
	switch {
	case t == stampType:
		return object{"type": "string", "format": "date-time"}
	case t == rawType:
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": g.schema(t.Elem())}
	case reflect.Struct:
		name := strings.TrimSuffix(strings.TrimSuffix(t.Name(), "View"), "Body")
		if _, known := g.schemas[name]; !known {
			s := object{"type": "object", "additionalProperties": false}
			g.schemas[name] = s
			properties, required := object{}, []string{}
			g.fields(t, properties, &required)
			s["properties"], s["required"] = properties, required
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	return object{"type": "object"}
}

// fields adds a struct's members, those of embedded structs as its own.
func (g *generator) fields(t reflect.Type, properties object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			g.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := g.schema(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			s["description"] = doc
		}
		properties[name] = s
		if !strings.Contains(options, "omitempty") {
			*required = append(*required, name)
		}
	}
}
