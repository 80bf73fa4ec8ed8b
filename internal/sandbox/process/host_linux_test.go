package process

import (
	"os"
	"testing"
)

func TestMountBelow(t *testing.T) {
	const info = `22 1 8:1 / / rw,relatime - ext4 /dev/sda rw
30 22 0:20 / /data/a\040b/tmp/m rw - tmpfs none rw
31 22 0:21 / /data/other rw - tmpfs none rw
short line
`
	for dir, want := range map[string]bool{
		"/data/a b": true, "/data/a b/tmp/m": true, "/data/a": false, "/data/other": true, "/data/oth": false, "/nothing": false,
	} {
		if mountBelow(info, dir) != want {
			t.Errorf("%s: %v", dir, !want)
		}
	}
}

func TestStartOf(t *testing.T) {
	one, err := startOf(os.Getpid())
	if err != nil || one == "" {
		t.Fatalf("%q %v", one, err)
	}
	if two, err := startOf(os.Getpid()); two != one || err != nil {
		t.Errorf("%q, then %q, %v", one, two, err)
	}
	if _, err := startOf(1 << 30); err == nil {
		t.Error("a process that is not there has a start")
	}
}

func TestStatusKB(t *testing.T) {
	const text = "Name:\tx VmRSS:\nVmHWM:\t  20 kB\nVmRSS:\t 1234 kB\n"
	if n := statusKB([]byte(text), "VmRSS:"); n != 1234 {
		t.Errorf("%d", n)
	}
	if n := statusKB([]byte("VmRSS:\n"), "VmRSS:"); n != 0 {
		t.Errorf("%d", n)
	}
}
