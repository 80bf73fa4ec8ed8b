package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lambent.dev/lambent/internal/account"
	"lambent.dev/lambent/internal/admission"
	apilambda "lambent.dev/lambent/internal/api/lambda"
	apilambent "lambent.dev/lambent/internal/api/lambent"
	apists "lambent.dev/lambent/internal/api/sts"
	"lambent.dev/lambent/internal/awswire"
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/awswire/stswire"
	"lambent.dev/lambent/internal/blob"
	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/compute"
	"lambent.dev/lambent/internal/deadletter"
	"lambent.dev/lambent/internal/destination"
	"lambent.dev/lambent/internal/function"
	"lambent.dev/lambent/internal/interpreter"
	"lambent.dev/lambent/internal/invoke"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/logs"
	"lambent.dev/lambent/internal/queue"
	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/native"
	"lambent.dev/lambent/internal/sandbox/process"
	"lambent.dev/lambent/internal/store"
)

// App is one server, wired.
type App struct {
	config  Config
	version string
	log     *slog.Logger

	rootKey  *account.Key // when it was made just now
	rootFile string

	store     *store.Store
	blobs     *blob.Store
	logs      *logs.Store
	queue     *queue.Queue
	jobs      *deadletter.Jobs
	pool      *compute.Pool
	functions *function.Service
	driver    sandbox.Driver
	finder    *interpreter.Finder
	closes    []func() error // in the order of opening

	listener net.Listener
	handler  *router
	serving  context.Context // ends when the server drains
}

// New opens the state and wires everything. Nothing runs yet but what an earlier process left
// behind, which is ended. serving ends when the server drains.
func New(serving context.Context, c Config, version string, log *slog.Logger) (_ *App, err error) {
	a := &App{config: c, version: version, log: log, serving: serving}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	if err := checkData(c.Data); err != nil {
		return nil, err
	}
	if err := a.openState(c); err != nil {
		return nil, err
	}
	// Before the root key is made and shown: a start that fails must not have used up that moment.
	if a.listener, err = listen(c); err != nil {
		return nil, err
	}
	a.closes = append(a.closes, a.closeListener)
	accounts, auth, err := a.identity(c)
	if err != nil {
		return nil, err
	}
	if err := a.openSandbox(serving, c); err != nil {
		return nil, err
	}
	functions, err := function.New(a.store, supports{a.finder, serving}, clock.System, uuid.NewString, log,
		function.Options{Architecture: architecture(), OnChange: func(fn lambda.FunctionID) { a.pool.Retire(fn) }})
	if err != nil {
		return nil, err
	}
	a.functions = functions
	a.pool = compute.New(compute.Options{}, a.driver, a.finder, a.blobs, a.logs, clock.System, log)
	invoker := invoke.New(resolver{functions}, admission.New(0), a.pool)
	letters := deadletter.New(a.store, clock.System)
	a.queue, err = queue.New(queue.Options{Clock: clock.System, Log: log, RetryDelays: c.AsyncRetryDelays}, queue.Parts{
		Store: a.store, Invoker: invoker, Settings: functions, Graveyard: letters, Destinations: destination.New(functions, uuid.NewString),
	})
	if err != nil {
		return nil, err
	}
	a.jobs = deadletter.NewJobs(letters, a.queue, functions, log)
	return a, a.route(auth, accounts, functions, invoker, letters)
}

// checkData refuses a folder that others can write to.
func checkData(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return os.MkdirAll(dir, 0o700)
	case err != nil:
		return fmt.Errorf("the data folder: %w", err)
	case !info.IsDir():
		return fmt.Errorf("the data folder %s is not a folder", dir)
	case info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("the data folder %s is world-writable: run `chmod o-w %s`, or choose another with --data", dir, dir)
	}
	return nil
}

// openState opens what is kept. The store comes first: its lock is the data folder's.
func (a *App) openState(c Config) (err error) {
	if a.store, err = store.Open(store.Options{Dir: filepath.Join(c.Data, "store"), Clock: clock.System, Log: a.log}); err != nil {
		return err
	}
	a.closes = append(a.closes, a.store.Close)
	if a.blobs, err = blob.Open(filepath.Join(c.Data, "code"), clock.System); err != nil {
		return err
	}
	a.closes = append(a.closes, a.blobs.Close)
	if a.logs, err = logs.Open(filepath.Join(c.Data, "logs"), clock.System, a.log); err != nil {
		return err
	}
	a.closes = append(a.closes, a.logs.Close)
	return nil
}

// identity readies who may call. Without --dev the root key is made at the first start.
func (a *App) identity(c Config) (*account.Service, *awswire.Authenticator, error) {
	accounts, err := account.New(a.store, clock.System)
	if err != nil {
		return nil, nil, err
	}
	if !c.Dev {
		key, made, err := accounts.Root()
		if err != nil {
			return nil, nil, err
		}
		a.rootFile = filepath.Join(c.Data, "root-credentials")
		if _, err := os.Stat(a.rootFile); made || errors.Is(err, os.ErrNotExist) {
			if err := account.WriteCredentials(a.rootFile, key); err != nil {
				return nil, nil, err
			}
		}
		if made {
			a.rootKey = &key
		}
	}
	return accounts, awswire.NewAuthenticator(awswire.AuthOptions{
		Credentials: accounts, Clock: clock.System, DefaultRegion: c.Region, Development: c.Dev}), nil
}

// openSandbox readies the driver, and ends what an earlier process with this data folder left.
func (a *App) openSandbox(ctx context.Context, c Config) (err error) {
	state := filepath.Join(c.Data, "sandbox")
	if c.Sandbox == "process" {
		a.driver, err = process.New(process.Options{Dir: state, Logger: a.log})
	} else {
		var d *native.Driver
		if d, err = native.New(native.Options{StateDir: state, Logger: a.log}); err == nil {
			a.driver = d
			a.closes = append(a.closes, d.Close)
		}
	}
	if err != nil {
		return fmt.Errorf("the %s sandbox can't run here (lambent doctor says more): %w", c.Sandbox, err)
	}
	orphans, err := a.driver.Recover(ctx)
	if err != nil {
		return fmt.Errorf("what an earlier process left behind can't be removed: %w", err)
	}
	if orphans > 0 {
		a.log.Info("ended execution environments that an earlier process left behind", "environments", orphans)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // no version managers are looked for
	}
	a.finder = interpreter.New(interpreter.Options{DataDir: filepath.Join(c.Data, "runtime"), Path: os.Getenv("PATH"), Home: home, Strict: c.StrictRuntimes}, a.log)
	return nil
}

// route builds the handlers.
func (a *App) route(auth *awswire.Authenticator, accounts *account.Service, functions *function.Service,
	invoker *invoke.Service, letters *deadletter.Store) error {
	lambdaAPI := apilambda.New(functions, a.blobs, caller{invoker, a.queue}, clock.System)
	own, err := apilambent.New(apilambent.Options{
		Auth: auth, Letters: letters, Jobs: a.jobs, Functions: functions,
		Accounts: accountList{accounts, functions}, Keys: keyList{accounts}, Logs: a.logs,
		Clock: clock.System, Log: a.log, Version: a.version, Serving: a.serving,
	})
	if err != nil {
		return err
	}
	a.handler = &router{
		aws:     awswire.NewHandler(auth, a.log, lambdawire.Service(lambdaAPI), stswire.Service(apists.Handler{})),
		lambent: own,
		code:    lambdaAPI.Code(),
		health:  http.HandlerFunc(a.health),
	}
	return nil
}

// Run serves until drain ends, then lets running work end within the drain timeout, or until
// stop ends. It returns nil after a clean stop.
func (a *App) Run(drain, stop context.Context) (err error) {
	defer func() { err = errors.Join(err, a.close()) }()
	// What a drain may still need lives as long as work; it ends at stop, or when all is done.
	work, endWork := context.WithCancel(stop)
	defer endWork()
	group, failed := errgroup.WithContext(drain)
	background := errgroup.Group{}
	background.Go(func() error { return a.pool.Run(work) })
	background.Go(func() error {
		// Known before somebody asks: the first deployment need not wait for it.
		if _, err := a.finder.List(work); err != nil && work.Err() == nil {
			a.log.Warn("interpreters can't be looked for", "error", err)
		}
		return nil
	})
	background.Go(func() error { return a.sweep(work) })
	server := newServer(a.handler, a.log)
	group.Go(func() error { return a.queue.Run(failed, work) })
	group.Go(func() error { return a.jobs.Run(failed) })
	group.Go(func() error {
		if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-failed.Done()
		a.log.Info("draining: no new work is begun, running work ends", "within", a.config.DrainTimeout)
		timer := time.AfterFunc(a.config.DrainTimeout, endWork)
		defer timer.Stop()
		return shutdown(work, server, a.config.DrainTimeout)
	})
	a.log.Info("serving", "address", a.listener.Addr().String(), "version", a.version, "sandbox", a.config.Sandbox, "data", a.config.Data)
	err = group.Wait()
	endWork()
	return errors.Join(err, background.Wait())
}

// sweepEvery is how long unused code stays at least: longer than the longest call that runs it.
const sweepEvery = time.Hour

// sweep removes code that no function refers to, nor did at the sweep before: a call may still
// run what its function has just given up.
func (a *App) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	before := map[string]bool{}
	for {
		now, err := a.functions.Codes()
		if err == nil {
			_, err = a.blobs.Sweep(func(sha string) bool { return now[sha] || before[sha] })
			before = now
		}
		if err != nil {
			a.log.Warn("unused code can't be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// close closes what is open, last first.
func (a *App) close() error {
	var all []error
	for i := len(a.closes) - 1; i >= 0; i-- {
		all = append(all, a.closes[i]())
	}
	a.closes = nil
	return errors.Join(all...)
}

// closeListener closes what a server has not closed already.
func (a *App) closeListener() error {
	if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// architecture answers the host's, in AWS's words.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}
