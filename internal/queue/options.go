package queue

import (
	"fmt"
	"log/slog"
	"time"

	"lambent.dev/lambent/internal/clock"
)

// Options configures a Queue. The zero value is AWS's behaviour on one machine.
type Options struct {
	Clock clock.Clock // nil: the machine's
	Log   *slog.Logger

	// RetryDelays are the waits before the second attempt, the third, and so on, after function
	// errors; the last repeats. nil: one minute, two minutes.
	RetryDelays []time.Duration

	MaxInFlight      int           // events running at once; 0: 256
	MaxInFlightBytes int64         // their payloads together; 0: 64 MB
	Window           int           // events of one function kept in memory while they wait; 0: 512
	WindowTotal      int           // events of all functions kept in memory, about; 0: 65,536
	RampUp           time.Duration // until all of MaxInFlight is used after a start with a backlog; 0: 8 s
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RetryDelays == nil {
		o.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 256
	}
	if o.MaxInFlightBytes == 0 {
		o.MaxInFlightBytes = 64 << 20
	}
	if o.Window == 0 {
		o.Window = 512
	}
	if o.WindowTotal == 0 {
		o.WindowTotal = 1 << 16
	}
	if o.RampUp == 0 {
		o.RampUp = 8 * time.Second
	}
	return o
}

func (o Options) validate() error {
	if o.MaxInFlight < 1 || o.MaxInFlightBytes < 1 || o.Window < 4 || o.WindowTotal < o.Window || o.RampUp < 0 {
		return fmt.Errorf("queue: options out of range: %d in flight, %d bytes, window %d of %d, ramp-up %v",
			o.MaxInFlight, o.MaxInFlightBytes, o.Window, o.WindowTotal, o.RampUp)
	}
	for _, d := range o.RetryDelays {
		if d < 0 {
			return fmt.Errorf("queue: a retry delay of %v", d)
		}
	}
	return nil
}
