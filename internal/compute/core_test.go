package compute

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

func TestEnvironment(t *testing.T) {
	c := &lambda.Configuration{
		Function: lambda.FunctionID{Account: "1", Region: "eu-west-1", Name: "f"}, Version: "7", Runtime: "python3.12", Handler: "a.b", MemoryMB: 512,
		Environment: map[string]string{"MINE": "1", "TZ": "Europe/Berlin", "AWS_REGION": "no", "_HANDLER": "no", "PATH": "/mine"},
		Logging:     lambda.Logging{Format: "JSON", Group: "/g", ApplicationLevel: "WARN"},
	}
	root := func(p string) string { return p }
	e := sandbox.Endpoint{Address: "127.0.0.1:9001", Socket: "/run/s"}
	py := &Resolved{Family: "python", Version: "3.12.1", Path: []string{"/opt/py/bin"}}
	got := environmentOf(c, py, e, "stream", root)
	for _, want := range []string{
		"MINE=1", "TZ=Europe/Berlin", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "_HANDLER=a.b", "PATH=/mine",
		"AWS_EXECUTION_ENV=AWS_Lambda_python3.12", "AWS_LAMBDA_FUNCTION_VERSION=7", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_LAMBDA_LOG_LEVEL=WARN", "AWS_LAMBDA_LOG_STREAM_NAME=stream", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "LAMBENT_RUNTIME_SOCKET=/run/s",
		"LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime", "PYTHONPATH=/var/runtime", "LANG=en_US.UTF-8", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
	custom := environmentOf(&lambda.Configuration{Runtime: "provided.al2023"}, &Resolved{Family: "provided", Path: []string{"/opt/py/bin"}}, e, "", root)
	for _, v := range custom {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains([]string{"AWS_EXECUTION_ENV", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY_ID", "AWS_LAMBDA_LOG_LEVEL", "PYTHONPATH", "NODE_PATH"}, name) {
			t.Errorf("%s is set", v)
		}
	}
	if !slices.Contains(custom, "PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin:/opt/py/bin") || !slices.Contains(custom, "TZ=:UTC") {
		t.Errorf("%q", custom)
	}
	moved := environmentOf(c, py, e, "", func(p string) string { return "/box" + p })
	if !slices.Contains(moved, "LAMBDA_TASK_ROOT=/box/var/task") || !slices.Contains(moved, "TMPDIR=/box/tmp") {
		t.Errorf("%q", moved)
	}
}

func TestReportedFailure(t *testing.T) {
	long := make([]string, 80)
	for i := range long {
		long[i] = strings.Repeat("f", 2000)
	}
	deep, _ := json.Marshal(map[string]any{"errorMessage": strings.Repeat("ü", 10000), "errorType": "E", "stackTrace": long})
	for _, c := range []struct {
		name, payload, header, kind, message string
		stack                                []string
	}{
		{"python", `{"errorMessage":"m","errorType":"E","requestId":"","stackTrace":["  File 1\n","  File 2\n"]}`, "H", "E", "m", []string{"  File 1\n", "  File 2\n"}},
		{"node", `{"errorType":"E","errorMessage":"m","trace":["E: m","more of m","    at f (x.js:1:2)","    at g"]}`, "", "E", "m", []string{"    at f (x.js:1:2)", "    at g"}},
		{"node without frames", `{"errorType":"string","errorMessage":"m","trace":[]}`, "", "string", "m", nil},
		{"go", `{"errorMessage":"m","errorType":"E","stackTrace":[{"path":"p","line":1,"label":"l"}]}`, "", "E", "m", []string{`{"path":"p","line":1,"label":"l"}`}},
		{"only a header", `{}`, "Mine.Bad", "Mine.Bad", "", nil},
		{"not JSON", `oops`, "", "Runtime.Unknown", "oops", nil},
		{"another type", `{"errorMessage":5}`, "H", "H", `{"errorMessage":5}`, nil},
		{"nothing", ``, "", "Runtime.Unknown", "", nil},
	} {
		f := reportedFailure([]byte(c.payload), c.header)
		if f.kind != c.kind || f.message != c.message || !slices.Equal(f.stack, c.stack) {
			t.Errorf("%s: %+v", c.name, f)
		}
		if c.payload != "" && string(f.payload) != c.payload {
			t.Errorf("%s: the document was changed: %s", c.name, f.payload)
		}
	}
	f := reportedFailure(deep, "")
	if len(f.stack) != lambda.MaxStackFrames || len(f.stack[0]) != maxFrameBytes || len(f.message) != maxMessageBytes {
		t.Errorf("%d frames of %d bytes, message of %d bytes", len(f.stack), len(f.stack[0]), len(f.message))
	}
}

func FuzzReportedFailure(f *testing.F) {
	f.Add([]byte(`{"errorType":"E","errorMessage":"m","trace":["a","  at b"]}`), "")
	f.Add([]byte(`{"stackTrace":[null,1,{}]}`), "x")
	f.Fuzz(func(t *testing.T, payload []byte, kind string) {
		got := reportedFailure(payload, kind)
		if got.kind == "" || len(got.stack) > lambda.MaxStackFrames || len(got.message) > maxMessageBytes {
			t.Errorf("%+v", got)
		}
	})
}

func TestReportLines(t *testing.T) {
	now := time.Date(2026, 11, 25, 1, 2, 3, 4e6, time.UTC)
	u := &usage{requestID: "id", duration: 3010 * time.Microsecond, init: 110100 * time.Microsecond, memoryMB: 128, usedMB: 36}
	const base = "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"
	text := systemLog{}
	for want, f := range map[string]*failure{
		"Init Duration: 110.10 ms\t\n":                                                           nil,
		"Init Duration: 110.10 ms\tStatus: timeout\t\n":                                          timeoutFailure("id", time.Second),
		"Init Duration: 110.10 ms\tStatus: error\tError Type: Runtime.ExitError\t\n":             exitFailure("id", sandbox.Exit{Code: 1}),
		"Init Duration: 110.10 ms\t\n#raised":                                                    reportedFailure([]byte(`{"errorType":"ValueError"}`), ""),
		"Init Duration: 110.10 ms\tStatus: error\tError Type: Function.ResponseSizeTooLarge\t\n": tooLargeFailure(),
	} {
		u.failure = f
		want, _, _ = strings.Cut(want, "#")
		if got := text.report(now, u); got != base+want {
			t.Errorf("%q, want %q", got, base+want)
		}
	}
	u.failure, u.init = nil, 0
	if got := text.report(now, u); !strings.HasSuffix(got, "Billed Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n") {
		t.Errorf("%q", got)
	}
	if got := text.timeout(now, "id", 3*time.Second); got != "2026-11-25T01:02:03.004Z id Task timed out after 3.00 seconds\n\n" {
		t.Errorf("%q", got)
	}
	r := &Resolved{Family: "python", Version: "3.11.7", Note: "why"}
	if got := text.initStart(now, &lambda.Configuration{}, r, "arn"); got != "INIT_START Runtime Version: python:3.11.7\tRuntime Version ARN: arn\tNote: why\n" {
		t.Errorf("%q", got)
	}
	asJSON := systemLog{json: true}
	if got := asJSON.report(now, u); got != `{"time":"2026-11-25T01:02:03.004Z","type":"platform.report","record":{"requestId":"id","metrics":{"durationMs":3.01,"billedDurationMs":4,"memorySizeMB":128,"maxMemoryUsedMB":36},"status":"success"}}`+"\n" {
		t.Errorf("%s", got)
	}
	warn := systemLog{json: true, warnings: true}
	if got := warn.report(now, u) + warn.start(now, "id", "1") + warn.end(now, u); got != "" {
		t.Errorf("%q", got)
	}
}

func TestExecutable(t *testing.T) {
	elf := func(machine byte) []byte {
		head := make([]byte, 20)
		copy(head, "\x7fELF")
		head[18] = machine
		return head
	}
	for _, c := range []struct {
		head []byte
		arch string
		want bool
	}{
		{[]byte("#!/bin/sh"), "amd64", true}, {[]byte("#!"), "amd64", true}, {nil, "amd64", false}, {[]byte("echo hello, this is a script"), "amd64", false},
		{elf(62), "amd64", true}, {elf(62), "arm64", false}, {elf(183), "arm64", true}, {elf(40), "riscv64", true}, {elf(62)[:10], "amd64", false},
	} {
		if got := executable(c.head, c.arch); got != c.want {
			t.Errorf("%q on %s: %v", c.head, c.arch, got)
		}
	}
}

func TestMemInfo(t *testing.T) {
	if got := parseAvailableMB([]byte("MemTotal: 5 kB\nMemAvailable:   2097152 kB\n"), 7); got != 2048 {
		t.Errorf("%d", got)
	}
	if got := parseAvailableMB([]byte("nothing"), 7); got != 7 {
		t.Errorf("%d", got)
	}
}

func TestClientContext(t *testing.T) {
	for in, want := range map[string]string{"": "", "eyJhIjogMX0=": `{"a":1}`, "bm90IGpzb24=": "not json", "%%%": "%%%"} {
		if got := decodeClientContext(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// lines collects what a recorder writes.
type lines struct{ all []string }

func (l *lines) Write(p []byte) (int, error) {
	l.all = append(l.all, string(p))
	return len(p), nil
}
func (l *lines) Close() error { return nil }

var _ io.WriteCloser = (*lines)(nil)

// Whatever a function prints, in whatever pieces: whole lines come out, and nothing is lost.
func TestRecorderLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &lines{}
		r := newRecorder(w, Options{}.withDefaults(), func() time.Time { return time.Time{} })
		var all strings.Builder
		for _, piece := range rapid.SliceOf(rapid.StringMatching(`[ab\n]{0,20}`)).Draw(t, "pieces") {
			r.output([]byte(piece))
			all.WriteString(piece)
		}
		tail, err := r.finish("END\n")
		if err != nil {
			t.Fatal(err)
		}
		want := all.String()
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		want += "END\n"
		for _, line := range w.all {
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Fatalf("not one line: %q", line)
			}
		}
		if got := strings.Join(w.all, ""); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		if !strings.HasSuffix(want, string(tail)) || len(tail) > lambda.MaxLogTailBytes {
			t.Fatalf("tail %q of %q", tail, want)
		}
	})
}

func TestRecorderBounds(t *testing.T) {
	w := &lines{}
	now := time.Time{}
	r := newRecorder(w, Options{LogBurstBytes: 1 << 20, LogBytesPerSecond: 1000}.withDefaults(), func() time.Time { return now })
	r.output([]byte(strings.Repeat("x", 600_000) + "\n"))
	if len(w.all) != 3 || len(w.all[0]) != maxLineBytes+1 {
		t.Fatalf("%d lines, the first of %d bytes", len(w.all), len(w.all[0]))
	}
	r.output([]byte(strings.Repeat("z", 999_999) + "\n"))
	now = now.Add(time.Second)
	r.output([]byte("after\n"))
	if got := strings.Join(w.all[len(w.all)-2:], ""); !strings.Contains(got, "bytes of log dropped here") || !strings.HasSuffix(got, "after\n") {
		t.Errorf("%.300q", got)
	}
	r.output([]byte(strings.Repeat("é", 5000)))
	tail, _ := r.finish("END\n")
	if len(tail) > lambda.MaxLogTailBytes || !strings.HasSuffix(string(tail), "é\nEND\n") || strings.ContainsRune(string(tail), '\ufffd') {
		t.Errorf("tail of %d bytes", len(tail))
	}
}
