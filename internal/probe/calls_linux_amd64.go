package probe

import "golang.org/x/sys/unix"

// archChecks are those of this architecture alone.
func archChecks(call func(id, name string, number uintptr, args ...uintptr) check) []check {
	const x32 = 0x40000000
	return []check{
		call("C46", "iopl", unix.SYS_IOPL, 3),
		call("C47", "ioperm", unix.SYS_IOPERM, 0x80, 1, 1),
		call("C48", "modify_ldt", unix.SYS_MODIFY_LDT, 0x55, 0, 0),
		call("C49", "the x32 interface", x32+unix.SYS_GETPID),
		call("C50", "kexec_file_load", unix.SYS_KEXEC_FILE_LOAD, none, none, 0, 0, 0xff00),
	}
}
