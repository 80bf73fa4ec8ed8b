package native

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// interpret runs the compiled filter over one call, as the kernel would.
func interpret(t testing.TB, vm *bpf.VM, arch, number uint32, args ...uint32) uint32 {
	t.Helper()
	data := make([]byte, 64)
	put := func(off int, v uint32) { // the interpreter reads network order
		data[off], data[off+1], data[off+2], data[off+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	}
	put(offNumber, number)
	put(offArch, arch)
	for i, a := range args {
		put(int(argument(uint32(i))), a)
	}
	verdict, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(verdict)
}

func filterVM(t testing.TB) *bpf.VM {
	t.Helper()
	raw, err := assemble()
	if err != nil {
		t.Fatal(err)
	}
	code, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter does not disassemble")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// The compiled filter equals the table, for all numbers of all tables.
func TestFilterEqualsPolicy(t *testing.T) {
	vm := filterVM(t)
	special := conditional()
	allowed := allowedCalls()
	enosys := uint32(seccompErrno) | uint32(unix.ENOSYS)
	for _, arch := range []uint32{auditArch, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64, 0} {
		for base := range 2 {
			for n := range uint32(2000) {
				number := n | uint32(base)*x32Bit
				if _, ok := special[number]; ok && arch == auditArch {
					continue
				}
				want := enosys
				if arch == auditArch && slices.Contains(allowed, number) {
					want = seccompAllow
				}
				if got := interpret(t, vm, arch, number); got != want {
					t.Errorf("arch %#x, call %d: %#x, want %#x", arch, number, got, want)
				}
			}
		}
	}
	for _, n := range []uint32{1 << 31, 1<<32 - 1} {
		if got := interpret(t, vm, auditArch, n); got != enosys {
			t.Errorf("call %d: %#x", n, got)
		}
	}
}

func TestFilterLooksAtArguments(t *testing.T) {
	vm := filterVM(t)
	errno := func(e unix.Errno) uint32 { return seccompErrno | uint32(e) }
	type call struct {
		number uint32
		args   []uint32
		want   uint32
	}
	cases := []call{
		{unix.SYS_CLONE, []uint32{unix.CLONE_VM | unix.CLONE_VFORK | uint32(unix.SIGCHLD)}, seccompAllow},
		{unix.SYS_CLONE, []uint32{0x3d0f00}, seccompAllow}, // a thread
		{unix.SYS_PERSONALITY, []uint32{0}, seccompAllow},
		{unix.SYS_PERSONALITY, []uint32{0xffffffff}, seccompAllow},
		{unix.SYS_PERSONALITY, []uint32{0x0040000}, errno(unix.EPERM)},
		{unix.SYS_IOCTL, []uint32{1, unix.TCGETS}, seccompAllow},
		{unix.SYS_IOCTL, []uint32{1, 0x5421}, seccompAllow},
		{unix.SYS_IOCTL, []uint32{1, unix.TIOCSTI}, errno(unix.EPERM)},
		{unix.SYS_IOCTL, []uint32{1, unix.TIOCLINUX}, errno(unix.EPERM)},
		{unix.SYS_IOCTL, []uint32{1, unix.NS_GET_USERNS}, errno(unix.EPERM)},
		{unix.SYS_IOCTL, []uint32{1, unix.NS_GET_PARENT}, errno(unix.EPERM)},
		{unix.SYS_IOCTL, []uint32{1, 0xff03}, errno(unix.EPERM)}, // PIDFD_GET_MNT_NAMESPACE
		{unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_STREAM}, seccompAllow},
		{unix.SYS_SOCKETPAIR, []uint32{unix.AF_TIPC, unix.SOCK_STREAM}, errno(unix.EAFNOSUPPORT)},
		{unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, unix.IPPROTO_TCP}, seccompAllow},
		{unix.SYS_SOCKET, []uint32{unix.AF_UNIX, unix.SOCK_SEQPACKET}, seccompAllow},
		{unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, errno(unix.ESOCKTNOSUPPORT)},
		{unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, errno(unix.EPROTONOSUPPORT)},
		{unix.SYS_SPLICE, nil, errno(unix.EINVAL)},
		{unix.SYS_TEE, nil, errno(unix.EINVAL)},
		{unix.SYS_CLONE3, nil, errno(unix.ENOSYS)},
	}
	for _, flag := range []uint32{unix.CLONE_NEWNS, unix.CLONE_NEWCGROUP, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET} {
		cases = append(cases, call{unix.SYS_CLONE, []uint32{flag | uint32(unix.SIGCHLD)}, errno(unix.EPERM)})
	}
	for family := range uint32(64) {
		if family != unix.AF_UNIX && family != unix.AF_INET && family != unix.AF_INET6 {
			cases = append(cases, call{unix.SYS_SOCKET, []uint32{family, unix.SOCK_DGRAM}, errno(unix.EAFNOSUPPORT)})
		}
	}
	for _, c := range cases {
		if got := interpret(t, vm, auditArch, c.number, c.args...); got != c.want {
			t.Errorf("call %d %#x: %#x, want %#x", c.number, c.args, got, c.want)
		}
	}
}

func TestDecideProc(t *testing.T) {
	for name, want := range map[string]procAction{
		"1": procKeep, "4194304": procKeep, "self": procKeep, "cpuinfo": procKeep, "sys": procFreeze, "meminfo": procFake,
		"kcore": procMask, "keys": procMask, "sysrq-trigger": procMask, "something-new": procMask, "bus": procMask,
	} {
		_, faked := procFiles(1, time.Time{})[name]
		if got := decideProc(name, faked); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if text := procFiles(256, time.Unix(7, 0))["meminfo"]; !strings.HasPrefix(text, "MemTotal:       262144 kB\n") {
		t.Errorf("meminfo %q", text)
	}
}

func TestSlots(t *testing.T) {
	s := slotSet{used: make(map[int]bool)}
	s.reserve(1)
	a, _ := s.take()
	b, _ := s.take()
	if a != 0 || b != 2 {
		t.Errorf("took %d and %d", a, b)
	}
	s.free(a)
	if c, _ := s.take(); c != 3 {
		t.Errorf("a free slot was reused at once: %d", c)
	}
	for range slots - 4 {
		if _, err := s.take(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.take(); err != nil || n != 0 {
		t.Errorf("took %d: %v", n, err)
	}
	if n, err := s.take(); err == nil {
		t.Errorf("took %d of none", n)
	}
}

// A thread of its own is never the first one, even for a caller that is on it.
func TestThreadIsNotTheFirst(t *testing.T) {
	for range 50 {
		var first bool
		th, err := startThread(func() error {
			first = unix.Gettid() == os.Getpid()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		th.close()
		if first {
			t.Fatal("it is the first thread of the process")
		}
	}
	want := errors.New("no")
	if _, err := startThread(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {StateDir: "x"}, {StateDir: "/x", UIDBase: 1000}, {StateDir: "/x", UIDBase: 1 << 31}} {
		if err := o.withDefaults().validate(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if err := (Options{StateDir: "/x"}).withDefaults().validate(); err != nil {
		t.Error(err)
	}
}

func FuzzParseStartTime(f *testing.F) {
	f.Add("7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 1")
	f.Add(") ")
	f.Add("")
	f.Fuzz(func(t *testing.T, stat string) {
		if got := parseStartTime(stat); strings.ContainsAny(got, " \n") {
			t.Errorf("%q", got)
		}
	})
}

func TestParseStartTime(t *testing.T) {
	if got := parseStartTime("7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 1"); got != "12345" {
		t.Errorf("%q", got)
	}
}
