package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/term"

	"lambent.dev/lambent/internal/app"
	"lambent.dev/lambent/internal/cli"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/probe"
	"lambent.dev/lambent/internal/sandbox/native"
)

// version is set when a release is built.
var version string

func main() {
	// Before anything else: an environment's first process is this binary too, and starts often.
	if native.IsInit(os.Args) {
		native.InitMain()
		return
	}
	if probe.IsBootstrap(os.Args, os.Getenv) {
		os.Args = []string{os.Args[0], "probe"} // a copy of this binary deployed as a function
	}
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		width = 0 // not a terminal
	}
	return cli.Main(ctx, os.Args[1:], cli.IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Clock: clock.System, Width: width,
		InTTY: term.IsTerminal(int(os.Stdin.Fd())), OutTTY: term.IsTerminal(int(os.Stdout.Fd())), ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
	}, cli.Deps{Version: version, Host: app.Commands(version, app.Environment{Vars: os.Environ(), DataPath: dataPath()})})
}

// dataPath is where state goes when nothing else is said.
func dataPath() string {
	if os.Geteuid() == 0 {
		return "/var/lib/lambent"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "lambent-data"
	}
	return filepath.Join(home, ".local", "share", "lambent")
}
