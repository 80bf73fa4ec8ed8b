package kvtest

import (
	"testing"

	"lambent.dev/lambent/internal/kv"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) kv.Store { return new(Memory) })
}
