package compute

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

const bootstrapName = "bootstrap"

// commandOf answers the command line of a function, or in AWS's words what is wrong with its
// entry point. dir is the host directory of its code.
func commandOf(r *Resolved, c *lambda.Configuration, dir string) (command []string, broken string) {
	if len(r.Command) == 0 {
		command, broken = customCommand(dir)
	} else {
		command = slices.Clone(r.Command)
	}
	if wrapper := c.Environment["AWS_LAMBDA_EXEC_WRAPPER"]; wrapper != "" && broken == "" && filepath.IsAbs(wrapper) {
		command = append([]string{wrapper}, command...)
	}
	return command, broken
}

// customCommand looks for a function's own runtime where AWS looks: only its package can hold one.
func customCommand(dir string) ([]string, string) {
	const inside = sandbox.TaskRoot + "/" + bootstrapName
	file, err := os.Open(filepath.Join(dir, bootstrapName))
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, "fork/exec " + inside + ": permission denied"
		}
		return nil, missingBootstrap
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil || !info.Mode().IsRegular():
		return nil, missingBootstrap
	case info.Mode().Perm()&0o111 == 0:
		return nil, "fork/exec " + inside + ": permission denied"
	}
	head := make([]byte, 20)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, missingBootstrap
	}
	if runtime.GOOS == "linux" && !executable(head[:n], runtime.GOARCH) {
		return nil, "fork/exec " + inside + ": exec format error"
	}
	return []string{inside}, ""
}

const missingBootstrap = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"

// executable says whether Linux on this architecture starts a file that begins so.
func executable(head []byte, arch string) bool {
	if len(head) >= 2 && string(head[:2]) == "#!" {
		return true
	}
	if len(head) < 20 || string(head[:4]) != "\x7fELF" {
		return false
	}
	machines := map[string]uint16{"amd64": 62, "arm64": 183}
	want, known := machines[arch]
	return !known || binary.LittleEndian.Uint16(head[18:]) == want
}

// execFault puts a failed start in AWS's words, if the program itself is why.
func execFault(err error, program string) string {
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.EACCES, syscall.ENOEXEC, syscall.ENOTDIR} {
		if errors.Is(err, errno) {
			return "fork/exec " + program + ": " + errno.Error()
		}
	}
	return ""
}
