package app

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "lambent.dev/lambent/"

// layer is a row of the picture.
type layer struct {
	name     string
	packages map[string][]string // what each may import of the module, and does
}

// layers is the picture of the code, top to bottom: a package imports from its own layer and from
// those below it, and only what is listed. A package or an import that is not listed fails the
// test, and so does a listed one that is not there. The last row is beside the others.
var layers = []layer{
	{"L3: wiring", map[string][]string{
		"cmd/lambent": {"app", "cli", "clock", "probe", "sandbox/native"},
		"app":         {"*"},
	}},
	{"L2: edges", map[string][]string{
		"api/lambda":  {"awswire", "awswire/lambdawire", "clock", "function", "invoke", "lambda"},
		"api/lambent": {"awswire", "clock", "deadletter", "lambda"},
		"api/sts":     {"awswire", "awswire/stswire", "lambda"},
		"cli":         {"cli/bundle", "cli/client", "clock", "lambda"},
		"cli/bundle":  {"lambda"},
		"cli/client":  {"clock"},
	}},
	{"L2: adapters", map[string][]string{
		"store":           {"clock", "kv", "lambda"},
		"blob":            {"clock", "lambda"},
		"logs":            {"clock", "lambda"},
		"interpreter":     {"compute", "lambda", "sandbox"},
		"sandbox/native":  {"cgroup", "lambda", "sandbox"},
		"sandbox/process": {"lambda", "sandbox"},
		"cgroup":          {},
		"host":            {"cgroup"},
		"probe":           {},
	}},
	{"L1: the domain", map[string][]string{
		"account":     {"clock", "kv", "lambda"},
		"admission":   {"lambda"},
		"compute":     {"clock", "lambda", "runtimeapi", "sandbox"},
		"deadletter":  {"clock", "kv", "lambda"},
		"destination": {"lambda", "queue"},
		"function":    {"clock", "kv", "lambda"},
		"invoke":      {"admission", "compute", "lambda"},
		"queue":       {"clock", "kv", "lambda"},
		"runtimeapi":  {"lambda"},
		"sandbox":     {},
	}},
	{"L0: vocabulary", map[string][]string{
		"clock":              {},
		"kv":                 {"lambda"},
		"lambda":             {},
		"awswire":            {"lambda"},
		"awswire/lambdawire": {"awswire"},
		"awswire/stswire":    {"awswire"},
	}},
	{"beside them: generators, conformance suites, benchmarks", map[string][]string{
		"awswire/gen":               {},
		"bench":                     {"awswire", "clock", "lambda"},
		"e2e":                       {},
		"kv/kvtest":                 {"kv"},
		"sandbox/sandboxtest":       {"lambda", "sandbox", "sandbox/sandboxtest/agent"},
		"sandbox/sandboxtest/agent": {},
	}},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestLayers(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	rank, allowed := map[string]int{}, map[string][]string{}
	for i, l := range layers {
		for name, imports := range l.packages {
			rank[name], allowed[name] = i, imports
		}
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := short(p.ImportPath)
		seen[name] = true
		if _, listed := rank[name]; !listed {
			t.Errorf("package %s is in no layer", name)
			continue
		}
		var used []string
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module) {
				used = append(used, short(imp))
			}
		}
		for _, dep := range used {
			if !slices.Contains(allowed[name], dep) && !slices.Contains(allowed[name], "*") {
				t.Errorf("%s imports %s, which the table does not allow", name, dep)
			}
			if rank[dep] < rank[name] && rank[name] < len(layers)-1 {
				t.Errorf("%s (%s) imports %s from above (%s)", name, layers[rank[name]].name, dep, layers[rank[dep]].name)
			}
		}
		for _, dep := range allowed[name] {
			if dep != "*" && !slices.Contains(used, dep) {
				t.Errorf("%s no longer imports %s: take it out of the table", name, dep)
			}
		}
	}
	for name := range rank {
		if !seen[name] {
			t.Errorf("%s is in the table and not in the module", name)
		}
	}
}

func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "internal/")
}
