package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/host"
	"lambent.dev/lambent/internal/interpreter"
	"lambent.dev/lambent/internal/probe"
	"lambent.dev/lambent/internal/sandbox/native"
)

// Commands are those that run on this host instead of asking a server: serve, doctor, probe.
func Commands(version string, env Environment) []*cobra.Command {
	doctor := host.DoctorCommand(func(*cobra.Command) (host.Options, error) { return doctorOptions(env), nil })
	return []*cobra.Command{Command(version, env), doctor, probe.Command(env.lookup)}
}

// lookup answers one variable.
func (e Environment) lookup(name string) string {
	for _, kv := range e.Vars {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// doctorOptions lets the doctor ask what only the whole program knows.
func doctorOptions(env Environment) host.Options {
	return host.Options{
		Interpreters: func(ctx context.Context) (found []host.Interpreter, err error) {
			dir, err := os.MkdirTemp("", "lambent-doctor-")
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			finder := interpreter.New(interpreter.Options{DataDir: dir, Path: env.lookup("PATH"), Home: env.lookup("HOME")}, slog.New(slog.DiscardHandler))
			all, err := finder.List(ctx)
			for _, i := range all {
				found = append(found, host.Interpreter{Family: i.Family, Version: i.Version, Executable: i.Executable})
			}
			return found, err
		},
		Try: tryNative,
	}
}

// tryNative starts one environment of the native sandbox and ends it.
func tryNative(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "lambent-doctor-")
	if err != nil {
		return err
	}
	// Nothing is mounted below it in this namespace: the driver's mounts are in one of its own.
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	driver, err := native.New(native.Options{StateDir: filepath.Join(dir, "sandbox")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, driver.Close()) }()
	return driver.SelfTest(ctx)
}
