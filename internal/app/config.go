package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/spf13/pflag"
)

// DefaultConfigFile is read where it exists and --config names no other.
const DefaultConfigFile = "/etc/lambent/lambent.yaml"

// Config is the whole configuration of a server.
type Config struct {
	Listen           string          // host:port
	Data             string          // folder of all state
	Dev              bool            // any credentials pass; loopback only
	Region           string          // for requests that name none
	AsyncRetryDelays []time.Duration // before the second, third, ... attempt; the last repeats
	Sandbox          string          // "native" or "process"
	StrictRuntimes   bool            // refuse a runtime that only a neighbour could serve
	LogFormat        string          // "text" or "json"
	DrainTimeout     time.Duration   // how long running work may go on after a stop
	TLSCert, TLSKey  string          // PEM files
	InsecurePublic   bool            // a public address without TLS
}

// setting is one row of the configuration table: everything that can be set, and how.
type setting struct {
	name   string // of the flag and of the key in the file; LAMBENT_ + upper case in the environment
	usage  string
	preset string
	isBool bool
	parse  func(c *Config, text string) error
}

func settings(dataPreset string) []setting {
	text := func(field func(*Config) *string) func(*Config, string) error {
		return func(c *Config, s string) error { *field(c) = s; return nil }
	}
	flag := func(field func(*Config) *bool) func(*Config, string) error {
		return func(c *Config, s string) (err error) { *field(c), err = parseBool(s); return err }
	}
	return []setting{
		{"listen", "address to serve on, `host:port`", "127.0.0.1:4566", false, text(func(c *Config) *string { return &c.Listen })},
		{"data", "`folder` of all state", dataPreset, false, text(func(c *Config) *string { return &c.Data })},
		{"dev", "let any credentials pass, or none (loopback only)", "false", true, flag(func(c *Config) *bool { return &c.Dev })},
		{"region", "region of requests that name none", "us-east-1", false, text(func(c *Config) *string { return &c.Region })},
		{"async-retry-delays", "pauses before the retries of an asynchronous invocation; the last one repeats", "1m,2m", false, parseDelays},
		{"sandbox", "what isolates functions: `native|process`; process isolates nothing and needs --dev", "native", false, parseChoice(func(c *Config) *string { return &c.Sandbox }, "native", "process")},
		{"strict-runtimes", "refuse a runtime that this host could only serve by a near version", "false", true, flag(func(c *Config) *bool { return &c.StrictRuntimes })},
		{"log-format", "format of the server's own log: `text|json`", "text", false, parseChoice(func(c *Config) *string { return &c.LogFormat }, "text", "json")},
		{"drain-timeout", "how long running work may go on after SIGTERM", "30s", false, parseDrain},
		{"tls-cert", "certificate, a PEM `file`", "", false, text(func(c *Config) *string { return &c.TLSCert })},
		{"tls-key", "its key, a PEM `file`", "", false, text(func(c *Config) *string { return &c.TLSKey })},
		{"insecure-public", "serve a public address without TLS", "false", true, flag(func(c *Config) *bool { return &c.InsecurePublic })},
	}
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off", "":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

func parseDelays(c *Config, s string) error {
	c.AsyncRetryDelays = nil
	for part := range strings.SplitSeq(s, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 30s or 1m", strings.TrimSpace(part))
		}
		c.AsyncRetryDelays = append(c.AsyncRetryDelays, d)
	}
	return nil
}

func parseDrain(c *Config, s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 30s or 1m", s)
	}
	c.DrainTimeout = d
	return nil
}

func parseChoice(field func(*Config) *string, choices ...string) func(*Config, string) error {
	return func(c *Config, s string) error {
		if !slices.Contains(choices, s) {
			return fmt.Errorf("%q is not one of %s", s, strings.Join(choices, ", "))
		}
		*field(c) = s
		return nil
	}
}

// Environment is where the configuration comes from besides the flags.
type Environment struct {
	Vars     []string // K=V, as of os.Environ
	DataPath string   // preset of --data
}

// BindFlags declares the server's flags.
func BindFlags(fs *pflag.FlagSet, env Environment) {
	fs.String("config", "", "configuration `file` (YAML, the flags' names); "+DefaultConfigFile+" where it exists")
	for _, s := range settings(env.DataPath) {
		if s.isBool {
			fs.Bool(s.name, false, s.usage)
		} else {
			fs.String(s.name, s.preset, s.usage)
		}
	}
}

// source is one layer's text for one setting and where it stands, for messages.
type source struct{ text, path string }

// Load reads file < environment < flags and answers the configuration, or all faults at once,
// one sentence each.
func Load(fs *pflag.FlagSet, env Environment) (Config, error) {
	table := settings(env.DataPath)
	values := map[string]source{}
	for _, s := range table {
		values[s.name] = source{s.preset, "preset of " + s.name}
	}
	var faults []error
	vars := variables(env.Vars)
	file, _ := fs.GetString("config")
	if f := fs.Lookup("config"); f != nil && f.Changed && file == "" {
		faults = append(faults, errors.New("--config: a file's name is needed"))
	} else if file == "" {
		file = vars["config"].text
	}
	faults = append(faults, readFile(file, values)...)
	for _, s := range table {
		if v, ok := vars[s.name]; ok {
			values[s.name] = v
		}
		if f := fs.Lookup(s.name); f != nil && f.Changed {
			values[s.name] = source{f.Value.String(), "--" + s.name}
		}
	}
	var c Config
	bad := map[string]bool{}
	for _, s := range table {
		v := values[s.name]
		if err := s.parse(&c, v.text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", v.path, err))
			bad[s.name] = true
		}
	}
	faults = append(faults, c.validate(func(name string) string { return values[name].path }, bad)...)
	return c, errors.Join(faults...)
}

// variables answers the LAMBENT_* variables by the settings' names.
func variables(environ []string) map[string]source {
	m := map[string]source{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutPrefix(k, "LAMBENT_"); ok {
			m[strings.ReplaceAll(strings.ToLower(name), "_", "-")] = source{v, k}
		}
	}
	return m
}

// readFile puts a file's settings over values. An absent default file is no fault.
func readFile(file string, values map[string]source) (faults []error) {
	named := file != ""
	if !named {
		file = DefaultConfigFile
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return []error{fmt.Errorf("configuration file: %w", err)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return []error{fmt.Errorf("%s: %w", file, err)}
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%s:%d: expected settings, one a line, as `name: value`", file, root.Line)}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		path := fmt.Sprintf("%s:%d: %s", file, key.Line, key.Value)
		if _, known := values[key.Value]; !known {
			faults = append(faults, fmt.Errorf("%s: there is no such setting", path))
			continue
		}
		if seen[key.Value] {
			faults = append(faults, fmt.Errorf("%s: set twice", path))
		}
		seen[key.Value] = true
		s, err := scalar(value)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
			continue
		}
		values[key.Value] = source{s, path}
	}
	return faults
}

// scalar answers a value's text; a list of scalars is joined by commas.
func scalar(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.SequenceNode:
		parts := make([]string, 0, len(n.Content))
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return "", errors.New("expected a plain value or a list of them")
			}
			parts = append(parts, c.Value)
		}
		return strings.Join(parts, ","), nil
	}
	return "", errors.New("expected a plain value or a list of them")
}

var regionForm = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d$`)

// validate checks what no single setting can; settings in bad were already reported.
func (c *Config) validate(path func(name string) string, bad map[string]bool) (faults []error) {
	fault := func(name, format string, args ...any) {
		if !bad[name] {
			faults = append(faults, fmt.Errorf(path(name)+": "+format, args...))
		}
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		fault("listen", "%q is not an address such as 127.0.0.1:4566", c.Listen)
	} else {
		loopback := isLoopback(host)
		if c.Dev && !loopback {
			fault("dev", "any credentials pass with --dev, so it serves loopback only, not %s", c.Listen)
		}
		if !loopback && c.TLSCert == "" && !c.InsecurePublic {
			fault("listen", "%s is reachable from other machines: give --tls-cert and --tls-key, or --insecure-public to do without", c.Listen)
		}
	}
	if !regionForm.MatchString(c.Region) {
		fault("region", "%q is not a region such as us-east-1", c.Region)
	}
	if c.Data == "" {
		fault("data", "a folder for the state is needed")
	}
	if c.Sandbox == "process" && !c.Dev {
		fault("sandbox", "process isolates nothing and is for --dev only")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		fault("tls-cert", "--tls-cert and --tls-key go together")
	}
	return faults
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
