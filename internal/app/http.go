package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"lambent.dev/lambent/internal/clock"
)

// Bounds of a connection. A call may run for fifteen minutes, so nothing bounds an answer.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 60 * time.Second // of silence within a body
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 16 << 10
)

// listen opens the server's address.
func listen(c Config) (net.Listener, error) {
	l, err := net.Listen("tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another process", c.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("can't listen on %s: %w", c.Listen, err)
	}
	if c.TLSCert == "" {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the TLS certificate can't be used: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), nil
}

// router sends a request to the API it is for. It looks at the path as it came: a multiplexer
// would clean it, and ARNs are part of AWS's paths.
type router struct {
	aws, lambent, code, health http.Handler
}

// ServeHTTP answers one request.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = &timedBody{body: r.Body, control: http.NewResponseController(w)}
	switch path := r.URL.Path; {
	case path == "/healthz":
		rt.health.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/lambent/code/"):
		rt.code.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/lambent/"):
		rt.lambent.ServeHTTP(w, r)
	default:
		rt.aws.ServeHTTP(w, r)
	}
}

// timedBody ends a request whose body stops coming. The server's own read timeout would also end
// calls that run long.
type timedBody struct {
	body    io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	// A connection that can't have deadlines is a test's.
	_ = b.control.SetReadDeadline(clock.System().Add(bodyTimeout))
	n, err := b.body.Read(p)
	if err != nil {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b *timedBody) Close() error { return b.body.Close() }

// healthReport is what GET /healthz answers.
type healthReport struct {
	Status     string `json:"status"` // "ok" or "failing"
	Reason     string `json:"reason,omitempty"`
	Version    string `json:"version"`
	Sandbox    string `json:"sandbox"`
	QueueDepth int64  `json:"queueDepth"`
	Store      string `json:"store"` // "ok" or what is wrong with it
}

// health answers whether the server can accept durably.
func (a *App) health(w http.ResponseWriter, _ *http.Request) {
	report := healthReport{Status: "ok", Version: a.version, Sandbox: a.config.Sandbox, QueueDepth: a.queue.Depth(), Store: "ok"}
	status := http.StatusOK
	if err := a.store.Health(); err != nil {
		report.Status, report.Reason, report.Store = "failing", err.Error(), err.Error()
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(report); err != nil {
		a.log.Debug("a health report was not read", "error", err)
	}
}

// newServer makes the HTTP server. Its own words (broken handshakes, torn requests) are debug.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// shutdown lets running requests end until stop or the deadline, then cuts them off.
func shutdown(stop context.Context, server *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(stop, within)
	defer cancel()
	err := server.Shutdown(ctx)
	if err != nil {
		err = server.Close()
	}
	return err
}
