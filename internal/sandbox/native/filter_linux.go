package native

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The system call filter: an allow-list. What is not on it does not exist (ENOSYS), so that
// programs fall back as on an older kernel; a few have their arguments looked at.

// Offsets in struct seccomp_data. Both architectures are little-endian.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

const (
	seccompAllow = 0x7fff0000
	seccompErrno = 0x00050000
	x32Bit       = 0x40000000
)

// The part of a request to ioctl that says which device or file system defines it.
const (
	ioctlFamily = 0xff00
	pidfdFamily = 0xff00
)

// argument answers where the low word of argument n is.
func argument(n uint32) uint32 { return offArgs + 8*n }

func allow() bpf.Instruction { return bpf.RetConstant{Val: seccompAllow} }

func refuse(errno unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: seccompErrno | uint32(errno)}
}

// namespaceFlags are clone's flags that make namespaces. CLONE_NEWTIME lies in the bits that
// clone reads as the exit signal; only clone3 and unshare take it.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// equalOr answers code that goes on when the loaded value is one of values, else refuses.
func equalOr(errno unix.Errno, values ...uint32) []bpf.Instruction {
	var code []bpf.Instruction
	for i, v := range values {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(values) - i)})
	}
	return append(code, refuse(errno))
}

// conditional answers the code for calls whose arguments decide. Each block ends in a return.
func conditional() map[uint32][]bpf.Instruction {
	socket := []bpf.Instruction{bpf.LoadAbsolute{Off: argument(0), Size: 4}}
	socket = append(socket, equalOr(unix.EAFNOSUPPORT, unix.AF_UNIX, unix.AF_INET, unix.AF_INET6)...)
	socket = append(socket,
		bpf.LoadAbsolute{Off: argument(1), Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}) // without SOCK_CLOEXEC and SOCK_NONBLOCK
	socket = append(socket, equalOr(unix.ESOCKTNOSUPPORT, unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET)...)
	socket = append(socket, bpf.LoadAbsolute{Off: argument(2), Size: 4})
	socket = append(socket, equalOr(unix.EPROTONOSUPPORT, 0, unix.IPPROTO_TCP, unix.IPPROTO_UDP)...)
	socket = append(socket, allow())

	pair := []bpf.Instruction{bpf.LoadAbsolute{Off: argument(0), Size: 4}}
	pair = append(pair, equalOr(unix.EAFNOSUPPORT, unix.AF_UNIX)...)
	pair = append(pair, allow())

	persona := []bpf.Instruction{bpf.LoadAbsolute{Off: argument(0), Size: 4}}
	persona = append(persona, equalOr(unix.EPERM, 0, 0xffffffff)...) // the usual one, and asking
	persona = append(persona, allow())

	return map[uint32][]bpf.Instruction{
		unix.SYS_CLONE: {
			bpf.LoadAbsolute{Off: argument(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: namespaceFlags, SkipFalse: 1},
			refuse(unix.EPERM),
			allow(),
		},
		unix.SYS_SOCKET:      socket,
		unix.SYS_SOCKETPAIR:  pair,
		unix.SYS_PERSONALITY: persona,
		unix.SYS_IOCTL: {
			bpf.LoadAbsolute{Off: argument(1), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 5},   // types into a terminal
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCLINUX, SkipTrue: 4}, // the same, by the console
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ioctlFamily},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.NS_GET_USERNS & ioctlFamily, SkipTrue: 2}, // of namespaces
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: pidfdFamily, SkipTrue: 1},                      // namespaces of a pidfd
			allow(),
			refuse(unix.EPERM),
		},
		// Page-cache pages must not be handed from file to file or socket by reference. EINVAL
		// is what callers of splice take for "copy it yourself".
		unix.SYS_SPLICE: {refuse(unix.EINVAL)},
		unix.SYS_TEE:    {refuse(unix.EINVAL)},
	}
}

// assemble compiles the allow-list for this architecture.
func assemble() ([]bpf.RawInstruction, error) {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		refuse(unix.ENOSYS),
		bpf.LoadAbsolute{Off: offNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1},
		refuse(unix.ENOSYS),
	}
	special := conditional()
	numbers := make([]uint32, 0, len(special))
	for n := range special {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		block := special[n]
		code = append(code, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: n, SkipTrue: uint8(len(block))})
		code = append(code, block...)
	}
	tree, err := search(ranges(allowedCalls()))
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(append(code, tree...))
	if err != nil {
		return nil, fmt.Errorf("assemble system call filter: %w", err)
	}
	return raw, nil
}

// span is a run of allowed numbers, both ends in it.
type span struct{ from, to uint32 }

func ranges(calls []uint32) []span {
	sorted := slices.Compact(slices.Sorted(slices.Values(calls)))
	var spans []span
	for _, n := range sorted {
		if last := len(spans) - 1; last >= 0 && spans[last].to+1 == n {
			spans[last].to = n
		} else {
			spans = append(spans, span{n, n})
		}
	}
	return spans
}

// search answers a binary search over the spans.
func search(spans []span) ([]bpf.Instruction, error) {
	if len(spans) == 1 {
		return []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: spans[0].from, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: spans[0].to, SkipTrue: 1},
			allow(),
			refuse(unix.ENOSYS),
		}, nil
	}
	middle := len(spans) / 2
	low, err := search(spans[:middle])
	if err != nil {
		return nil, err
	}
	high, err := search(spans[middle:])
	if err != nil {
		return nil, err
	}
	if len(low) > 255 {
		return nil, fmt.Errorf("system call filter: a jump over %d instructions is too far", len(low))
	}
	code := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[middle].from, SkipTrue: uint8(len(low))}}
	return append(append(code, low...), high...), nil
}
