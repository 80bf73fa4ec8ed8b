package native

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func testContext() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}

func TestIdentityAndPrivileges(t *testing.T) {
	out, _ := shell(t, newDriver(t), usual, "cat /proc/self/status; echo cwd $(pwd); cat /proc/self/cgroup /proc/self/oom_score_adj")
	for _, want := range []string{
		"Uid:\t993\t993\t993\t993\n", "Gid:\t990\t990\t990\t990\n", "Groups:\t \n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
		"cwd /var/task\n", "memory:/\n", "\n1000\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// What the host has must not be there; what the environment has must not be writable.
func TestHostIsOutOfSight(t *testing.T) {
	d := newDriver(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("canary"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{
		"cat " + secret, "ls /sys/kernel", "ls /root/.ssh", "cat /etc/shadow", "ls /proc/1", "cat /proc/1/environ", "cat /proc/*/root/" + secret,
		"test -s /proc/kallsyms", "test -s /proc/cmdline", "test -s /proc/kcore", "test -s /proc/timer_list", "ls /proc/sysrq-trigger /proc/irq/*",
		"touch /x", "touch /etc/x", "touch /usr/x", "touch /dev/x", "touch /run/x", "touch /var/task/x", "touch /var/runtime/x", "touch /opt/x", "touch /var/tmp/x",
		"echo x >/proc/sys/kernel/hostname", "echo x >/proc/sys/kernel/core_pattern", "echo 0 >/proc/self/oom_score_adj && echo -1 >/proc/self/oom_score_adj",
		"mknod /tmp/x c 1 3", "mknod /tmp/x b 7 0", "cat /dev/kmsg", "ls /dev/loop0", "ls /dev/mem", "ls /dev/tty", "ls /dev/ptmx",
		"unshare -r true", "unshare -m true", "chroot / true", "mount -t tmpfs x /tmp", "su -c true", "kill -9 1", "kill -0 1",
		"cp /bin/true /tmp/t && chmod u+s /tmp/t && chown 0 /tmp/t", "renice -n -5 $$", "ulimit -n 2000", "hostname other; test $(hostname) = other", "date -s 2001-01-01",
		"ip link add d type dummy", "cat /var/task/../../root/x",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			if out, x := shell(t, d, usual, script); x.Code == 0 {
				t.Errorf("worked:\n%s", out)
			}
		})
	}
}

func TestNoNetworkButLoopback(t *testing.T) {
	d := newDriver(t)
	rt, exe := python(t)
	out, _ := run(t, d, rt, usual, emptyCode(t), exe, "-c", `
import socket, errno
for family, kind, proto in [(38,5,0),(17,3,0),(16,3,0),(40,1,0),(44,3,0),(15,3,2),(31,3,0),(29,3,1),(2,3,1),(2,1,262),(2,1,132),(1,4,0)]:
    try:
        socket.socket(family, kind, proto)
        print("made", family, kind, proto)
    except OSError as e:
        assert e.errno in (97, 94, 93), e
for host in ["10.0.0.1", "169.254.169.254", "1.1.1.1", "::ffff:1.1.1.1", "fe80::1", "2606:4700:4700::1111"]:
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.settimeout(2)
    try:
        s.connect((host, 80))
        print("reached", host)
    except OSError as e:
        assert e.errno in (errno.ENETUNREACH, errno.EINVAL, errno.EADDRNOTAVAIL), (host, e)
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); c = socket.create_connection(s.getsockname())
print([n for _, n in socket.if_nameindex()] if hasattr(socket, "x") else "loopback")`)
	if out != "loopback\n" {
		t.Errorf("output:\n%s", out)
	}
}

// A fresh process has its three streams and nothing else.
func TestDescriptorsAtEntry(t *testing.T) {
	d := newDriver(t)
	rt, exe := python(t)
	out, _ := run(t, d, rt, usual, emptyCode(t), exe, "-c", `
import os
print([n for n in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + n)])
print(os.readlink("/proc/self/fd/0"), os.readlink("/proc/self/fd/1").split(":")[0], os.readlink("/proc/self/root"), os.readlink("/proc/self/cwd"))
print([v for v in os.environ if v not in ("PATH", "LC_CTYPE")])`)
	if out != "['0', '1', '2']\n/dev/null pipe / /var/task\n[]\n" {
		t.Errorf("output:\n%s", out)
	}
}

// Only these may be seen as sources of mounts.
func TestMountsAreTheListedOnes(t *testing.T) {
	d := newDriver(t)
	code := emptyCode(t)
	out, _ := run(t, d, provided, usual, code, "/bin/cat", "/proc/self/mountinfo")
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		root, at, options := f[3], f[4], ","+f[5]+","
		if strings.HasPrefix(at, "/proc/") || at == "/proc" || at == "/dev" || at == "/dev/shm" || at == "/run" || at == "/" || at == "/tmp" {
			if !strings.Contains(options, ",nosuid,") {
				t.Errorf("set-user-id works on %s", at)
			}
			continue
		}
		shown := at == root || at == "/var/task" && strings.HasSuffix(code, root)
		if !shown || !strings.Contains(options, ",ro,nosuid,nodev,") {
			t.Errorf("mount %s", line)
		}
		if !within(at, "/usr") && !within(at, "/etc") && !within(at, "/lib") && !within(at, "/bin") && !within(at, "/sbin") && at != "/var/task" {
			t.Errorf("mount %s", line)
		}
	}
}

func TestProcTellsOfTheFunctionNotTheHost(t *testing.T) {
	out, _ := shell(t, newDriver(t), usual, "grep MemTotal /proc/meminfo; cat /proc/loadavg; cat /proc/cmdline /proc/partitions | wc -c; ls /proc | grep -c '^[0-9]'")
	if !strings.HasPrefix(out, "MemTotal:       131072 kB\n0.00 0.00 0.00 1/1 1\n0\n") {
		t.Errorf("output:\n%s", out)
	}
}

// init's executable is not a file of the host's, and init has what it needs and no more.
func TestInitItself(t *testing.T) {
	e := boot(t, newDriver(t), provided, usual)
	proc := "/proc/" + strconv.Itoa(e.pid)
	exe, err := os.Readlink(proc + "/exe")
	if err != nil || !strings.HasPrefix(exe, "/memfd:lambent-init") {
		t.Errorf("executable %q: %v", exe, err)
	}
	if f, err := os.OpenFile(proc+"/exe", os.O_WRONLY, 0); err == nil {
		f.Close()
		t.Error("init's executable can be written")
	}
	if root, err := os.ReadDir(proc + "/root/home"); err != nil || len(root) != 0 {
		t.Errorf("init sees the host: %v %v", root, err)
	}
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		t.Fatal(err)
	}
	if e.driver.noted[notedCgo] {
		t.Log("built with cgo: init's capabilities are not looked at")
	} else if !strings.Contains(string(status), "CapEff:\t00000000000000e0\n") || !strings.Contains(string(status), "CapPrm:\t00000000000000e0\n") {
		t.Errorf("init has other capabilities than it needs:\n%s", status)
	}
	if uid := fmt.Sprintf("Uid:\t%d\t", e.initUID); !strings.Contains(string(status), uid) {
		t.Errorf("no %q in:\n%s", uid, status)
	}
}

// Two environments at a time have no uid in common, and both differ from the host's.
func TestUIDsAreApart(t *testing.T) {
	d := newDriver(t)
	other := newDriver(t)
	seen := make(map[int]bool)
	for _, d := range []*Driver{d, d, other} {
		e := boot(t, d, provided, usual)
		for _, uid := range []int{e.initUID, e.functionUID} {
			if uid < 1<<16 || seen[uid] {
				t.Errorf("uid %d is not its own", uid)
			}
			seen[uid] = true
		}
	}
}

// sweepRole calls every number that the filter refuses, in both 64-bit tables, and prints those
// that did something else.
func sweepRole([]string) error {
	passes := make(map[uint32]bool)
	for _, n := range allowedCalls() {
		passes[n] = true
	}
	for n := range conditional() {
		passes[n] = true
	}
	for n := uint32(0); n < 600; n++ {
		// The kernel exempts its own probes' calls from filters; outside of a probe they fault.
		probe := auditArch == unix.AUDIT_ARCH_X86_64 && (n == 335 || n == 336)
		if !passes[n] && !probe {
			if _, _, errno := unix.RawSyscall6(uintptr(n), 0, 0, 0, 0, 0, 0); errno != unix.ENOSYS && errno != unix.EPERM {
				fmt.Printf("%d: %v\n", n, errno)
			}
		}
		if _, _, errno := unix.RawSyscall6(uintptr(n|x32Bit), 0, 0, 0, 0, 0, 0); errno != unix.ENOSYS {
			fmt.Printf("x32 %d: %v\n", n, errno)
		}
	}
	fmt.Println("swept")
	return nil
}

func TestRefusedCallsAreRefused(t *testing.T) {
	d := newDriver(t)
	shape := usual
	shape.MemoryMB = 512
	out, x := run(t, d, provided, shape, selfCode(t), "/var/task/bootstrap", "role", "sweep")
	if out != "swept\n" || x.Code != 0 {
		t.Errorf("exit %+v, output:\n%s", x, out)
	}
}

// A 64-bit program may enter the kernel by the 32-bit door. This one calls getpid (20) there and
// exits with the error.
func TestOldDoorIsShut(t *testing.T) {
	if auditArch != unix.AUDIT_ARCH_X86_64 {
		t.Skip("only amd64 has that door")
	}
	program := []byte{
		0xb8, 20, 0, 0, 0, // mov eax, 20
		0xcd, 0x80, // int 0x80
		0xf7, 0xd8, // neg eax
		0x89, 0xc7, // mov edi, eax
		0xb8, 60, 0, 0, 0, // mov eax, 60
		0x0f, 0x05, // syscall
	}
	code := emptyCode(t)
	if err := os.WriteFile(filepath.Join(code, "bootstrap"), elf(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, x := run(t, newDriver(t), provided, usual, code, "/var/task/bootstrap"); x.Code != int(unix.ENOSYS) {
		t.Errorf("exit %+v", x)
	}
}

// elf answers the smallest static executable for amd64 around the code.
func elf(code []byte) []byte {
	const base, header = 0x400000, 120
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	le := binary.LittleEndian
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 62)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, base+header)
	b = le.AppendUint64(b, 64)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	size := uint64(header + len(code))
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, 5)
	for _, v := range []uint64{0, base, base, size, size, 0x1000} {
		b = le.AppendUint64(b, v)
	}
	return append(b, code...)
}

// Hostile shapes of code: the places that set-up uses must not be what the package says.
func TestHostileCode(t *testing.T) {
	d := newDriver(t)
	code := emptyCode(t)
	for name, to := range map[string]string{"out": "/etc/shadow", "proc": "/proc/1/root", "up": "../../../../root", "self": "."} {
		if err := os.Symlink(to, filepath.Join(code, name)); err != nil {
			t.Fatal(err)
		}
	}
	out, x := run(t, d, provided, usual, code, "/bin/sh", "-c", "cat out || cat proc/etc/shadow || cat /var/task/out || ls up/.ssh || cd self/self/self && pwd -P")
	if x.Code != 0 || strings.Contains(out, "root:") || !strings.HasSuffix(out, "/var/task\n") {
		t.Errorf("exit %+v, output:\n%s", x, out)
	}
}
