package process

import "syscall"

const (
	kill      = syscall.SIGKILL
	openFiles = 1024 // as on AWS
)

// signalGroup signals a process group. One that is no more needs no signal.
func signalGroup(leader int, sig syscall.Signal) { _ = syscall.Kill(-leader, sig) }

func killGroup(leader int) { signalGroup(leader, kill) }
