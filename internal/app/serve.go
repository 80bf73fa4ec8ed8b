package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Command makes `lambent serve`.
func Command(version string, env Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and run functions on this machine",
		Long: `Serve AWS Lambda's API and Lambent's own on one address, and run functions on this machine.

Settings come from a YAML file with the flags' names, from LAMBENT_* variables and from flags;
later ones win. SIGTERM lets running work end within --drain-timeout; a second one stops at once.`,
		Args: cobra.NoArgs,
	}
	BindFlags(cmd.Flags(), env)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := Load(cmd.Flags(), env)
		if err != nil {
			return usageError{fmt.Errorf("the configuration can't be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))}
		}
		return serve(cmd.Context(), c, version, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// usageError is wrong use: exit status 2.
type usageError struct{ error }

// ExitCode answers the exit status.
func (usageError) ExitCode() int { return 2 }

// serve runs a server until a signal or ctx ends it.
func serve(ctx context.Context, c Config, version string, out, errs io.Writer) error {
	log := newLogger(c.LogFormat, errs)
	drain, stop, release := signals(ctx)
	defer release()
	a, err := New(drain, c, version, log)
	if err != nil {
		return err
	}
	if a.rootKey != nil {
		fmt.Fprintf(out, "This is the root key. It is shown once and kept in %s.\n  aws_access_key_id     %s\n  aws_secret_access_key %s\n",
			a.rootFile, a.rootKey.AccessKey, a.rootKey.Secret)
	}
	return a.Run(drain, stop)
}

func newLogger(format string, w io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// signals answers a context that ends at the first SIGTERM or SIGINT, and one that ends at the
// second, which stops whatever still runs.
func signals(parent context.Context) (drain, stop context.Context, release func()) {
	drain, endDrain := context.WithCancelCause(parent)
	stop, endStop := context.WithCancelCause(context.WithoutCancel(parent))
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, end := range []context.CancelCauseFunc{endDrain, endStop} {
			s, ok := <-caught
			if !ok {
				return
			}
			end(errors.New(s.String()))
		}
	}()
	return drain, stop, func() {
		signal.Stop(caught)
		close(caught)
		<-done
		endDrain(nil)
		endStop(nil)
	}
}
