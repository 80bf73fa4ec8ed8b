package native

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealedCopy answers a copy of the executable in memory that nobody can write, so that
// /proc/1/exe inside an environment is never a file of the host's.
func sealedCopy(path string) (*os.File, error) {
	source, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("copy own executable: %w", err)
	}
	defer source.Close()
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("lambent-init", flags|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3 all are executable
		fd, err = unix.MemfdCreate("lambent-init", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("copy own executable (vm.memfd_noexec must not be 2): %w", err)
	}
	image := os.NewFile(uintptr(fd), "lambent-init")
	_, err = io.Copy(image, source)
	if err == nil {
		err = image.Chmod(0o555)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy own executable: %w", err), image.Close())
	}
	return image, nil
}
