package awswire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// everything is a shape with all that the query protocol knows.
type everything struct {
	Name   *string            `wire:"Name"`
	Count  *int               `wire:"Count"`
	Long   *int64             `wire:"Long"`
	On     *bool              `wire:"On"`
	Ratio  *float64           `wire:"Ratio"`
	When   *Timestamp         `wire:"When"`
	Data   Blob               `wire:"Data"`
	List   []string           `wire:"List,item=member"`
	Flat   []string           `wire:"Flat,flat,item=member"`
	Tags   []pair             `wire:"Tags,item=Tag"`
	Map    map[string]string  `wire:"Map,key=key,value=value"`
	Attrs  map[string]float64 `wire:"Attr,flat,key=Name,value=Value"`
	Inner  *everything        `wire:"Inner"`
	Hidden *string            `wire:"-"`
}

type pair struct {
	Key   *string `wire:"Key"`
	Value *string `wire:"Value"`
}

func decodeForm(form string) (everything, error) {
	var v everything
	values, err := url.ParseQuery(form)
	if err != nil {
		return v, err
	}
	d := newFormDecoder(values)
	d.structure("", reflect.ValueOf(&v).Elem(), 0)
	return v, d.err
}

func TestQueryDecode(t *testing.T) {
	got, err := decodeForm("Name=n&Count=2&Long=3&On=true&Ratio=0.5&When=2026-11-24T12:00:00Z&Data=UEs%3D&List.member.1=a&List.member.2=b&Flat.1=c" +
		"&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v&Map.entry.1.key=x&Map.entry.1.value=y&Attr.1.Name=a&Attr.1.Value=2&Inner.Inner.Name=deep&Hidden=h&New=z")
	if err != nil {
		t.Fatal(err)
	}
	want := everything{
		Name: new("n"), Count: new(2), Long: new(int64(3)), On: new(true), Ratio: new(0.5), When: At(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)),
		Data: Blob("PK"), List: []string{"a", "b"}, Flat: []string{"c"}, Tags: []pair{{new("k"), new("v")}},
		Map: map[string]string{"x": "y"}, Attrs: map[string]float64{"a": 2}, Inner: &everything{Inner: &everything{Name: new("deep")}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"Count=a", "Count=", "On=maybe", "Ratio=x", "When=yesterday", "Data=%25", "Attr.1.Name=a&Attr.1.Value=b", "Long=9223372036854775808"} {
		if _, err := decodeForm(bad); lambda.KindOf(err) != lambda.SerializationFailed {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if empty, err := decodeForm("List=&Other=1"); err != nil || empty.List == nil || len(empty.List) != 0 {
		t.Errorf("an empty list: %+v, %v", empty, err)
	}
}

func TestQueryEncode(t *testing.T) {
	v := everything{
		Name: new("<n>"), Count: new(0), When: At(time.UnixMilli(1_700_000_000_123)), Data: Blob("PK"), List: []string{"a"}, Flat: []string{"b", "c"},
		Tags: []pair{{Key: new("k")}}, Map: map[string]string{"x": "y"}, Inner: &everything{On: new(false)},
	}
	var b bytes.Buffer
	writeXML(&b, reflect.ValueOf(&v).Elem())
	want := "<Name>&lt;n&gt;</Name><Count>0</Count><When>2023-11-14T22:13:20.123Z</When><Data>UEs=</Data><List><member>a</member></List><Flat>b</Flat><Flat>c</Flat>" +
		"<Tags><Tag><Key>k</Key></Tag></Tags><Map><entry><key>x</key><value>y</value></entry></Map><Inner><On>false</On></Inner>"
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
}

func FuzzQueryDecode(f *testing.F) {
	f.Add("Name=n&List.member.1=a&Tags.Tag.1.Key=k&Map.entry.1.key=x&Inner.Inner.Inner.Count=1")
	f.Add("Inner" + strings.Repeat(".Inner", 100) + ".Name=x")
	f.Add("List.member.99999999=a&Flat.0=b&Flat.1=&=&.=.&Attr.1=&Data=\x00")
	f.Fuzz(func(t *testing.T, form string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: form}, Header: http.Header{}}
		if _, err := queryForm(r, nil); err != nil && lambda.KindOf(err) != lambda.SerializationFailed {
			t.Errorf("form: %v", err)
		}
		v, err := decodeForm(form)
		if err != nil {
			return
		}
		var b bytes.Buffer
		writeXML(&b, reflect.ValueOf(&v).Elem())
	})
}

func TestTimestamps(t *testing.T) {
	for raw, want := range map[string]string{
		`1736508765.123`:         `1736508765.123`,
		`1736508765`:             `1736508765`,
		`-1.5`:                   `-1.5`,
		`"2026-11-24T12:00:00Z"`: `1795521600`,
	} {
		var ts Timestamp
		if err := json.Unmarshal([]byte(raw), &ts); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if got, _ := json.Marshal(ts); string(got) != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
	for _, bad := range []string{`1e300`, `"soon"`, `true`, `{}`} {
		if err := json.Unmarshal([]byte(bad), new(Timestamp)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewRequestID()
		if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
	}
}

func TestJavaStrings(t *testing.T) {
	for v, want := range map[float64]string{2: "2.0", -1: "-1.0", 0.5: "0.5", 0: "0.0", 1e7: "1.0E7", 0.0001: "1.0E-4", 12345678: "1.2345678E7"} {
		if got := formatFloat(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	got := javaString(reflect.ValueOf([]pair{{Key: new("k")}}))
	if got != "[pair(key=k, value=null)]" {
		t.Errorf("got %s", got)
	}
}
