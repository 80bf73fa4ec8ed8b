//go:build race

package queue

// raceDetector makes everything some ten times slower.
const raceDetector = true
