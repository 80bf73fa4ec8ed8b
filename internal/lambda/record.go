package lambda

import "time"

// Package says what an uploaded deployment package is.
type Package struct {
	SHA256        string // base64, as AWS shows it
	ZipBytes      int64
	UnzippedBytes int64
}

// LogLine is one line of a function's log.
type LogLine struct {
	At      time.Time
	Stream  string // AWS's log stream name
	Version string
	Message string // with its line feed
}
