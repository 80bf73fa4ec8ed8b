// Package clock is the one place that reads the time. Shells take a Clock, cores take a time.
package clock

import "time"

// Clock answers the current time. The result is UTC and carries no monotonic reading, so that
// it equals itself after a round trip through the store.
type Clock func() time.Time

// System is the machine's clock.
func System() time.Time { return time.Now().UTC().Round(0) }

// Stopwatch answers a function that tells the time since the call; steps of the clock don't
// change it.
func Stopwatch() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
