package awswire

import (
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// AWS's constraint errors show values as Java prints them.

func formatInteger(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func formatFloat(v float64) string {
	if abs := math.Abs(v); abs != 0 && (abs < 1e-3 || abs >= 1e7) {
		s := strings.ToUpper(strconv.FormatFloat(v, 'e', -1, 64))
		mantissa, exponent, _ := strings.Cut(s, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent)
		return mantissa + "E" + strconv.Itoa(n)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// javaString answers a value as Java's toString prints it.
func javaString(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return javaString(v.Elem())
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return formatFloat(v.Float())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Slice:
		return javaList(v)
	case reflect.Map:
		return javaMap(v)
	case reflect.Struct:
		return javaStruct(v)
	}
	return v.Kind().String()
}

func javaList(v reflect.Value) string {
	if v.IsNil() {
		return "null"
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return "java.nio.HeapByteBuffer"
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = javaString(v.Index(i))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func javaMap(v reflect.Value) string {
	if v.IsNil() {
		return "null"
	}
	parts := make([]string, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		parts = append(parts, it.Key().String()+"="+javaString(it.Value()))
	}
	sort.Strings(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

func javaStruct(v reflect.Value) string {
	if t, ok := v.Interface().(Timestamp); ok {
		return t.iso()
	}
	parts := make([]string, v.NumField())
	for i := range parts {
		name := v.Type().Field(i).Name
		parts[i] = strings.ToLower(name[:1]) + name[1:] + "=" + javaString(v.Field(i))
	}
	return v.Type().Name() + "(" + strings.Join(parts, ", ") + ")"
}
