package probe

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func networkChecks() []check {
	return []check{
		{"N01", "network interfaces besides loopback", interfaces},
		{"N02", "a route to the metadata address", route("169.254.169.254:80")},
		{"N03", "a route to private addresses", route("10.0.0.1:80", "172.16.0.1:80", "192.168.0.1:80")},
		{"N04", "a route to public addresses", route("192.0.2.1:80", "[2001:db8::1]:80")},
		{"N05", "the metadata service", reach("169.254.169.254:80")},
		{"N06", "Lambent on the host's loopback", reach("127.0.0.1:4566", "[::1]:4566")},
		{"N07", "services on the host's loopback", listeners},
		{"N08", "abstract sockets of others", abstract},
		{"N09", "kernel crypto sockets (AF_ALG)", family(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
		{"N10", "packet sockets", family(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{"N11", "netlink sockets", family(unix.AF_NETLINK, unix.SOCK_RAW, 0)},
		{"N12", "sockets to the hypervisor (AF_VSOCK)", family(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{"N13", "express data path sockets (AF_XDP)", family(unix.AF_XDP, unix.SOCK_RAW, 0)},
		{"N14", "IPsec key sockets", family(unix.AF_KEY, unix.SOCK_RAW, 2)},
		{"N15", "Bluetooth sockets", family(unix.AF_BLUETOOTH, unix.SOCK_RAW, 1)},
		{"N16", "CAN bus sockets", family(unix.AF_CAN, unix.SOCK_RAW, 1)},
		{"N17", "raw IP sockets", family(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
		{"N18", "cluster sockets (AF_TIPC)", family(unix.AF_TIPC, unix.SOCK_STREAM, 0)},
		{"N19", "ports below 1,024", lowPort},
	}
}

func interfaces(*world) finding {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return clean("%v", err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && name != "lo" {
			all = append(all, name)
		}
	}
	return found(all, "only lo")
}

// route asks the kernel for a route: connecting a datagram socket sends nothing.
func route(addresses ...string) func(*world) finding {
	return func(*world) finding {
		return anyOf(addresses, func(a string) bool {
			c, err := net.Dial("udp", a)
			if err != nil {
				return false
			}
			c.Close()
			return true
		})
	}
}

func reach(addresses ...string) func(*world) finding {
	return func(w *world) finding {
		return anyOf(addresses, func(a string) bool {
			if a == w.api {
				return false
			}
			c, err := net.DialTimeout("tcp", a, 500*time.Millisecond)
			if err != nil {
				return false
			}
			c.Close()
			return true
		})
	}
}

func listeners(w *world) finding {
	_, own, _ := net.SplitHostPort(w.api)
	var all []string
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, port := range parseListening(string(text)) {
			if p := strconv.Itoa(port); p != own {
				all = append(all, "port "+p)
			}
		}
	}
	return found(all, "none")
}

func abstract(*world) finding {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return clean("%v", err)
	}
	return found(parseAbstract(string(text)), "none")
}

func family(domain, kind, protocol int) func(*world) finding {
	return func(*world) finding {
		fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return clean("%v", err)
		}
		unix.Close(fd)
		return hit("the socket opens")
	}
}

func lowPort(*world) finding {
	l, err := net.Listen("tcp", "127.0.0.1:1")
	if err != nil {
		return clean("%v", err)
	}
	l.Close()
	return hit("port 1 could be taken")
}
