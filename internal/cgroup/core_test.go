package cgroup

import (
	"maps"
	"strings"
	"testing"
)

func TestForMemory(t *testing.T) {
	for _, c := range []struct {
		mb   int
		want Limits
	}{
		{128, Limits{128 << 20, 74, 1000, 9}},
		{1769, Limits{1769 << 20, 1024, 1000, 9}},
		{3538, Limits{3538 << 20, 2048, 2000, 9}},
		{10240, Limits{10240 << 20, 5927, 5788, 9}},
		{1, Limits{1 << 20, 2, 1000, 9}},
	} {
		if got := ForMemory(c.mb, 9); got != c.want {
			t.Errorf("%d MB: %+v, want %+v", c.mb, got, c.want)
		}
	}
}

func TestWeight(t *testing.T) {
	for shares, want := range map[int64]int64{2: 1, 74: 7, 1024: 100, 5927: 578, 262144: 10000} {
		if got := weight(shares); got != want {
			t.Errorf("%d shares: %d, want %d", shares, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"123456789012", "a-b_c.d", "A"} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", ".x", "a/b", "a\x00b", "ä", "a b", strings.Repeat("a", 65), "../../x", "%2f"} {
		if CheckName(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

const (
	mountsV1 = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/cgroup/pi\040ds rw - cgroup cgroup rw,pids
35 31 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
`
	mountsV2 = `30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
`
	hybrid = `36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
	selfV1 = "8:pids:/\n4:memory:/docker/abc/x\n2:cpu,cpuacct:/system.slice/l.service\n6:freezer:/elsewhere/y\n"
	selfV2 = "0::/system.slice/lambent.service\n"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name, mounts, self string
		want               map[string]string
		v2                 bool
		missing            string
	}{
		{"v1", mountsV1, selfV1, map[string]string{
			"memory": "/sys/fs/cgroup/memory/x", "cpu": "/sys/fs/cgroup/cpu,cpuacct/system.slice/l.service",
			"pids": "/sys/fs/cgroup/pi ds", "freezer": "/sys/fs/cgroup/freezer/elsewhere/y"}, false, ""},
		{"v2", mountsV2, selfV2, map[string]string{"": "/sys/fs/cgroup/system.slice/lambent.service"}, true, ""},
		{"both", mountsV1 + hybrid, selfV1 + "0::/\n", map[string]string{
			"memory": "/sys/fs/cgroup/memory/x", "cpu": "/sys/fs/cgroup/cpu,cpuacct/system.slice/l.service",
			"pids": "/sys/fs/cgroup/pi ds", "": "/sys/fs/cgroup/unified"}, false, ""},
		{"none", "", selfV2, nil, false, "memory, cpu, pids, freezer"},
		{"no pids", strings.Replace(mountsV1, "rw,pids", "rw,net_cls", 1), selfV1, nil, false, "pids"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := parse(strings.NewReader(c.mounts), strings.NewReader(c.self))
			if err != nil {
				t.Fatal(err)
			}
			got, v2, err := choose(found)
			if c.missing != "" {
				if err == nil || !strings.Contains(err.Error(), "controller for "+c.missing+":") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || v2 != c.v2 || !maps.Equal(got, c.want) {
				t.Errorf("%v v2=%v: %v; want %v", got, v2, err, c.want)
			}
		})
	}
}

func TestOwnDir(t *testing.T) {
	for _, c := range [][4]string{
		{"/m", "/", "/a/b", "/m/a/b"},
		{"/m", "/a", "/a/b", "/m/b"},
		{"/m", "/a", "/a", "/m"},
		{"/m", "/a", "/ab", "/m"},
		{"/m", "/", "/../../etc", "/m/etc"},
		{"/m", "/docker/x", "/", "/m"},
	} {
		if got := ownDir(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%q: %s", c, got)
		}
	}
}

func TestField(t *testing.T) {
	const text = "cache 5\ncache_x 6\noom_kill 7"
	if n, ok := field(text, "oom_kill"); n != 7 || !ok {
		t.Error(n, ok)
	}
	if n, ok := field(text, "cache"); n != 5 || !ok {
		t.Error(n, ok)
	}
	if _, ok := field(text, "absent"); ok {
		t.Error("found what is not there")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(mountsV1, selfV1)
	f.Add(mountsV2, selfV2)
	f.Add("1 2 3 \\40 \\777 x - cgroup c rw,memory", "1:memory:/")
	f.Fuzz(func(t *testing.T, mounts, self string) {
		found, err := parse(strings.NewReader(mounts), strings.NewReader(self))
		if err != nil {
			return
		}
		for _, h := range found {
			if h.dir == "" {
				t.Errorf("a hierarchy without a directory: %+v", h)
			}
		}
		_, _, _ = choose(found)
	})
}
