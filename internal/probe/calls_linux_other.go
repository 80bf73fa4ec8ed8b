//go:build linux && !amd64

package probe

// archChecks: there are none besides the common ones.
func archChecks(func(id, name string, number uintptr, args ...uintptr) check) []check { return nil }
