package app

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apilambda "lambent.dev/lambent/internal/api/lambda"
	apists "lambent.dev/lambent/internal/api/sts"
	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/awswire/stswire"
	"lambent.dev/lambent/internal/lambda"
)

//go:generate go test . -run TestReference -update

var update = flag.Bool("update", false, "write the reference pages")

func services() []*awswire.Service {
	return []*awswire.Service{lambdawire.Service(&apilambda.Handler{}), stswire.Service(apists.Handler{})}
}

// TestReference holds the pages of docs/reference that the code knows to the code.
func TestReference(t *testing.T) {
	for name, text := range map[string]string{"operations.md": operationsPage(), "configuration.md": configurationPage(), "errors.md": errorsPage()} {
		path := filepath.Join("..", "..", "docs", "reference", name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(text)) {
			t.Errorf("%s is not what the code says: run `go generate ./internal/app`", name)
		}
	}
}

func operationsPage() string {
	var b strings.Builder
	b.WriteString("# Operations\n\nGenerated from the code. An operation that is not offered answers `501 NotOfferedException` and its name.\n")
	for _, s := range services() {
		offered := 0
		for _, op := range s.Operations() {
			if op.Offered() {
				offered++
			}
		}
		fmt.Fprintf(&b, "\n## %s (%s)\n%d of %d operations.\n\n| operation | request | |\n|---|---|---|\n", s.Name, s.Version, offered, len(s.Operations()))
		for _, op := range s.Operations() {
			mark := "not offered"
			if op.Offered() {
				mark = "**offered**"
			}
			fmt.Fprintf(&b, "| %s | `%s %s` | %s |\n", op.Name, op.Method, op.Path, mark)
		}
	}
	return b.String()
}

func configurationPage() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from the code. A setting comes from a YAML file with these names (`--config`, else `" + DefaultConfigFile +
		"` where it exists), from the environment, or from a flag of `lambent serve`; later ones win. All faults are reported at once.\n\n" +
		"| setting | environment | preset | |\n|---|---|---|---|\n")
	for _, s := range settings("`/var/lib/lambent` for root, else `~/.local/share/lambent`") {
		preset := s.preset
		if s.name != "data" && preset != "" {
			preset = "`" + preset + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `LAMBENT_%s` | %s | %s |\n", s.name, strings.ToUpper(strings.ReplaceAll(s.name, "-", "_")), preset, strings.ReplaceAll(s.usage, "|", "\\|"))
	}
	return b.String()
}

func errorsPage() string {
	var b strings.Builder
	b.WriteString("# Errors\n\nGenerated from the code: the one table from kinds of errors to what a client of the AWS API sees.\n\n| status | exception |\n|---|---|\n")
	for k := lambda.Kind(0); k < lambda.KindCount; k++ {
		status, name := awswire.WireName(k)
		fmt.Fprintf(&b, "| %d | `%s` |\n", status, name)
	}
	return b.String()
}

// TestOffered names what the first form of the API has to offer: a method with a wrong signature
// would silently not be offered.
func TestOffered(t *testing.T) {
	want := strings.Fields(`CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction
		ListFunctions PublishVersion ListVersionsByFunction CreateAlias GetAlias ListAliases UpdateAlias DeleteAlias Invoke
		PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig GetFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig
		ListFunctionEventInvokeConfigs PutFunctionConcurrency GetFunctionConcurrency DeleteFunctionConcurrency GetAccountSettings
		TagResource UntagResource ListTags GetCallerIdentity`)
	offered := map[string]bool{}
	for _, s := range services() {
		for _, op := range s.Operations() {
			offered[op.Name] = op.Offered()
		}
	}
	for _, name := range want {
		if !offered[name] {
			t.Errorf("%s is not offered", name)
		}
	}
}
