package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// small is a model with one of everything that the generator treats by itself.
const small = `{
 "metadata": {"apiVersion":"2020-01-01","protocol":"rest-json","serviceId":"Small","endpointPrefix":"small"},
 "documentation": "SECRET PROSE",
 "operations": {
  "PutThing": {"name":"PutThing","http":{"method":"PUT","requestUri":"/things/{Name}?kind=new","responseCode":201},
   "input":{"shape":"PutThingRequest"},"output":{"shape":"Thing"},"documentation":"SECRET PROSE"},
  "GetThing": {"name":"GetThing","http":{"method":"GET","requestUri":"/things/{Name}"},"input":{"shape":"GetThingRequest"},"output":{"shape":"Thing"}},
  "Reset": {"name":"Reset","http":{"method":"POST","requestUri":"/reset"}},
  "Fetch": {"name":"Fetch","http":{"method":"POST","requestUri":"/fetch"},"input":{"shape":"FetchRequest"},"output":{"shape":"FetchResponse"}}
 },
 "shapes": {
  "PutThingRequest":{"type":"structure","required":["Name"],"members":{"Zeta":{"shape":"Colour"},"Name":{"shape":"Name","location":"uri","locationName":"Name"},"Parts":{"shape":"Parts"},"Alpha":{"shape":"Size"},"Weights":{"shape":"Weights"}}},
  "GetThingRequest":{"type":"structure","required":["Name"],"members":{"Name":{"shape":"Name","location":"uri"},"Tags":{"shape":"Names","location":"querystring","locationName":"tag"}}},
  "FetchRequest":{"type":"structure","payload":"Body","members":{"Body":{"shape":"Data"},"Token":{"shape":"Name","location":"header","locationName":"X-Token"}}},
  "FetchResponse":{"type":"structure","payload":"Body","members":{"Body":{"shape":"Data"},"Code":{"shape":"Size","location":"statusCode"}}},
  "Thing":{"type":"structure","members":{"Name":{"shape":"Name"},"At":{"shape":"Time"},"Data":{"shape":"Data"},"Self":{"shape":"Thing"}}},
  "Unused":{"type":"structure","members":{}},
  "Parts":{"type":"list","member":{"shape":"Part"},"max":2},
  "Part":{"type":"structure","required":["Id"],"members":{"Id":{"shape":"Name"}}},
  "Name":{"type":"string","min":1,"max":8,"pattern":"(?!^[0-9]+$)([a-zA-Z0-9-_]+)","documentation":"SECRET PROSE"},
  "Names":{"type":"list","member":{"shape":"Name"}},
  "Weights":{"type":"map","key":{"shape":"Name"},"value":{"shape":"Weight"}},
  "Weight":{"type":"double","max":1},
  "Size":{"type":"integer"},"Time":{"type":"timestamp"},"Data":{"type":"blob"},
  "Colour":{"type":"string","enum":["red","DARK_BLUE"]}
 }}`

var smallTarget = target{service: "small", version: "2020-01-01", pkg: "smallwire"}

func generated(t *testing.T, model string) map[string][]byte {
	t.Helper()
	files, err := generate(smallTarget, []byte(model))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestGenerate(t *testing.T) {
	files := generated(t, small)
	all := string(bytes.Join(slices.Collect(maps.Values(files)), nil))
	for _, want := range []string{
		"DO NOT EDIT.",
		"Zeta    *string            `json:\"Zeta,omitzero\"`",
		"Name    *string            `json:\"-\"`",
		"type GetThingOutput = Thing",
		"type ResetInput struct{}",
		"Self *Thing",
		"At   *awswire.Timestamp",
		"Data awswire.Blob",
		"Body []byte",
		`r.QueryList("tag", &in.Tags)`,
		"r.PayloadBytes(&in.Body)",
		"r.SetStatus(out.Code)",
		`ColourDarkBlue = "DARK_BLUE"`,
		"c.Required(\"name\", in.Name != nil)",
		"in.Parts[i].Check(c)",
		"PutThing(ctx context.Context, p awswire.Principal, in *PutThingInput) (*PutThingOutput, error)",
		`{Name: "PutThing", Method: "PUT", Path: "/things/{Name}?kind=new", Status: 201, MaxBody: 1048576}`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, not := range []string{"SECRET PROSE", "Unused"} {
		if strings.Contains(all, not) {
			t.Errorf("%s was copied", not)
		}
	}
	// Constraints are checked in the model's order.
	checks := string(files["zz_generated_constraints.go"])
	_, checks, _ = strings.Cut(checks, "(in *PutThingInput) Check")
	if zeta, name := strings.Index(checks, `"zeta"`), strings.Index(checks, `"name"`); zeta < 0 || name < zeta {
		t.Errorf("order: %d %d", zeta, name)
	}
	if again := generated(t, small); !maps.EqualFunc(files, again, bytes.Equal) {
		t.Error("two runs differ")
	}
}

func TestGenerateRefuses(t *testing.T) {
	for name, change := range map[string][2]string{
		"protocol":       {`"rest-json"`, `"rest-xml"`},
		"pattern":        {`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, `(?<=x)y`},
		"greedy label":   {`/things/{Name}"`, `/things/{Name+}"`},
		"header of list": {`"location":"querystring"`, `"location":"header"`},
		"names collide":  {`"Thing":{"type"`, `"ResetHandler":{"type":"structure","members":{}},"Thing":{"type"`},
		"not JSON":       {`"metadata"`, `metadata`},
	} {
		model := strings.ReplaceAll(small, change[0], change[1])
		if name == "names collide" {
			model = strings.Replace(model, `"Self":{"shape":"Thing"}`, `"Self":{"shape":"ResetHandler"}`, 1)
		}
		if _, err := generate(smallTarget, []byte(model)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// packedModel writes the small model as a wheel holds it.
func packedModel(t *testing.T, path string) {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, small)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var wheel bytes.Buffer
	w := zip.NewWriter(&wheel)
	entry, err := w.Create("botocore/data/small/2020-01-01/service-2.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = entry.Write(packed.Bytes())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, wheel.String())
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestModelsFromWheelAndFolder reads the same model packed and unpacked.
func TestModelsFromWheelAndFolder(t *testing.T) {
	dir := t.TempDir()
	wheel, site := filepath.Join(dir, "botocore.whl"), filepath.Join(dir, "site-packages")
	packedModel(t, wheel)
	write(t, filepath.Join(site, "botocore", "data", "small", "2020-01-01", "service-2.json"), small)
	for _, source := range []string{wheel, site, filepath.Join(site, "botocore")} {
		m, err := openModels(source)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := m.read("small", "2020-01-01")
		if err != nil || string(raw) != small {
			t.Errorf("%s: %d bytes, %v", source, len(raw), err)
		}
		if _, err := m.read("small", "1999-01-01"); err == nil {
			t.Errorf("%s: a model that is not there", source)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := run([]string{"-out", dir}, io.Discard); err == nil {
		t.Error("ran without models")
	}
}

// TestReplace writes a package and removes what it no longer has.
func TestReplace(t *testing.T) {
	out := filepath.Join(t.TempDir(), "smallwire")
	if err := replace(out, generated(t, small)); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(out, "zz_generated_old.go")
	write(t, stale, "")
	if err := replace(out, generated(t, small)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("a stale file is left: %v", err)
	}
}

// TestRewrittenPatterns compares each rewritten pattern with what its look-around says.
func TestRewrittenPatterns(t *testing.T) {
	digits := regexp.MustCompile(`^[0-9]+$`)
	word := regexp.MustCompile(`^[0-9a-zA-Z-_]+$`)
	meaning := map[string]func(string) bool{
		`((?!^\d+$)^[0-9a-zA-Z-_]+$)`:  func(s string) bool { return word.MatchString(s) && !digits.MatchString(s) },
		`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`: func(s string) bool { return word.MatchString(s) && !digits.MatchString(s) },
		`[0-9A-Za-z\.\-_]*(?<!\.)`: func(s string) bool {
			return regexp.MustCompile(`^[0-9A-Za-z.\-_]*$`).MatchString(s) && !strings.HasSuffix(s, ".")
		},
		`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`: func(s string) bool {
			return regexp.MustCompile(`^[_a-zA-Z0-9][^$]*$`).MatchString(s) && !strings.HasPrefix(s, "system.")
		},
	}
	inputs := []string{"", "1", "12", "1a", "a1", "a-_", "-", "a.b", "a.", ".", "..", "a b", "$LATEST", "a$", "s", "sy", "sys", "syst", "syste", "system",
		"system.", "system.x", "systems", "systex", "s.", "sx", "system_", "system$", "_x", "é", "a\n", "s$", "sy$", "sys$"}
	for pattern, means := range meaning {
		engine := regexp.MustCompile(`\A(?:` + enginePattern(pattern) + `)\z`)
		for _, s := range inputs {
			if engine.MatchString(s) != means(s) {
				t.Errorf("%s and %q: %v", pattern, s, engine.MatchString(s))
			}
		}
	}
	for pattern := range rewritten {
		if _, err := regexp.Compile(enginePattern(pattern)); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	named := regexp.MustCompile(`\A(?:` + enginePattern(`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`) + `)\z`)
	for s, want := range map[string]bool{"f": true, "f:a": true, "f:1": false, "f:1a": true, "123456789012:function:f": true, "function:123": true, "123": true, "f:": false} {
		if named.MatchString(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestNames(t *testing.T) {
	for value, want := range map[string]string{
		"python3.12": "Python3_12", "nodejs": "Nodejs", "DARK_BLUE": "DarkBlue", "x86_64": "X86_64", "$LATEST": "Latest",
		"FunctionError.InitTimeout": "FunctionErrorInitTimeout", "provided.al2023": "ProvidedAl2023", "java8.al2": "Java8Al2",
	} {
		if got := words(value); got != want {
			t.Errorf("%s: %s", value, got)
		}
	}
	if camel("KMSKeyArn") != "kMSKeyArn" {
		t.Error(camel("KMSKeyArn"))
	}
}
