package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func load(t *testing.T, file string, vars []string, args ...string) (Config, error) {
	t.Helper()
	env := Environment{Vars: vars, DataPath: "/data"}
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	BindFlags(fs, env)
	if file != "" {
		name := filepath.Join(t.TempDir(), "lambent.yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", name)
	}
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(fs, env)
}

func TestPresets(t *testing.T) {
	got, err := load(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:4566", Data: "/data", Region: "us-east-1", Sandbox: "native", LogFormat: "text",
		AsyncRetryDelays: []time.Duration{time.Minute, 2 * time.Minute}, DrainTimeout: 30 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := "listen: 127.0.0.1:1\nregion: eu-west-1\ndev: true\nasync-retry-delays: [1s, 2s]\n"
	got, err := load(t, file, []string{"LAMBENT_REGION=eu-west-2", "LAMBENT_LISTEN=127.0.0.1:2", "LAMBENT_ENDPOINT=http://x"}, "--listen", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen != "127.0.0.1:3" || got.Region != "eu-west-2" || !got.Dev || len(got.AsyncRetryDelays) != 2 || got.AsyncRetryDelays[1] != 2*time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := load(t, "listne: x\nregion: {a: b}\ndev: maybe\n", []string{"LAMBENT_DRAIN_TIMEOUT=soon"}, "--sandbox", "box", "--async-retry-delays", "1s,x")
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		"lambent.yaml:1: listne: there is no such setting",
		"lambent.yaml:2: region: expected a plain value or a list of them",
		`lambent.yaml:3: dev: "maybe" is neither true nor false`,
		`LAMBENT_DRAIN_TIMEOUT: "soon" is not a duration such as 30s or 1m`,
		`--sandbox: "box" is not one of native, process`,
		`--async-retry-delays: "x" is not a duration such as 30s or 1m`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d faults:\n%v", n, err)
	}
}

func TestRelations(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--listen", "0.0.0.0:4566"}, "reachable from other machines"},
		{[]string{"--listen", ":4566"}, "reachable from other machines"},
		{[]string{"--listen", "192.0.2.1:1", "--tls-cert", "c", "--tls-key", "k"}, ""},
		{[]string{"--listen", "192.0.2.1:1", "--insecure-public"}, ""},
		{[]string{"--listen", "192.0.2.1:1", "--insecure-public", "--dev"}, "serves loopback only"},
		{[]string{"--listen", "[::1]:1", "--dev"}, ""},
		{[]string{"--listen", "localhost:1", "--dev"}, ""},
		{[]string{"--listen", "4566"}, "is not an address"},
		{[]string{"--sandbox", "process"}, "--dev only"},
		{[]string{"--sandbox", "process", "--dev"}, ""},
		{[]string{"--tls-cert", "c"}, "go together"},
		{[]string{"--region", "../x"}, "is not a region"},
		{[]string{"--data", ""}, "a folder for the state is needed"},
	} {
		_, err := load(t, "", nil, c.args...)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.args, err, c.want)
		}
	}
}

func TestNamedFileMustExist(t *testing.T) {
	if _, err := load(t, "", nil, "--config", "/nowhere/lambent.yaml"); err == nil {
		t.Error("an absent file that was named is passed over")
	}
}
