//go:build !linux

package store

import (
	"errors"
	"os/exec"
)

func isolateMounts(*exec.Cmd) {}

func mountTmpfs(string, int) error { return errors.ErrUnsupported }
