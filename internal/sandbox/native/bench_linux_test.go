package native

import (
	"slices"
	"testing"
	"time"

	"lambent.dev/lambent/internal/sandbox"
)

// median reports the p50 of some durations in milliseconds.
func median(b *testing.B, name string, all []time.Duration) {
	b.Helper()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name)
}

// BenchmarkColdStart boots, assigns and waits for the first byte of output: what a call pays
// without a warm pool.
func BenchmarkColdStart(b *testing.B) {
	d := newDriver(b)
	rt, exe := python(b)
	code := emptyCode(b)
	for _, c := range []struct {
		name    string
		runtime sandbox.Runtime
		command []string
	}{
		{"python", rt, []string{exe, "-S", "-c", "print(1)"}},
		{"shell", provided, []string{"/bin/sh", "-c", "echo 1"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			tm := prepare(b, d, c.runtime)
			var boots, assigns, firsts, whole []time.Duration
			for b.Loop() {
				t0 := time.Now()
				sb, err := d.Boot(b.Context(), tm, sandbox.Shape{Account: "1", MemoryMB: 128, EphemeralMB: 512})
				if err != nil {
					b.Fatal(err)
				}
				t1 := time.Now()
				if err := sb.Assign(b.Context(), sandbox.Assignment{Code: code, Command: c.command}); err != nil {
					b.Fatal(err)
				}
				t2 := time.Now()
				if _, err := sb.Output().Read(make([]byte, 16)); err != nil {
					b.Fatal(err)
				}
				t3 := time.Now()
				boots, assigns = append(boots, t1.Sub(t0)), append(assigns, t2.Sub(t1))
				firsts, whole = append(firsts, t3.Sub(t2)), append(whole, t3.Sub(t0))
				destroy(b, sb)
			}
			median(b, "boot-p50-ms", boots)
			median(b, "assign-p50-ms", assigns)
			median(b, "first-byte-p50-ms", firsts)
			median(b, "whole-p50-ms", whole)
		})
	}
}

// BenchmarkBootSteps says where Boot's time goes.
func BenchmarkBootSteps(b *testing.B) {
	d := newDriver(b)
	tm, ok := prepare(b, d, provided).(*template)
	if !ok {
		b.Fatal("not a template")
	}
	took := make(map[string][]time.Duration)
	for b.Loop() {
		e := newEnvironment(d, tm, sandbox.Shape{Account: "1", MemoryMB: 128, EphemeralMB: 512})
		for _, step := range e.steps() {
			begin := time.Now()
			if err := step.do(b.Context()); err != nil {
				b.Fatal(err)
			}
			took[step.name] = append(took[step.name], time.Since(begin))
		}
		destroy(b, e)
	}
	for name, all := range took {
		slices.Sort(all)
		b.Logf("%-22s %v", name, all[len(all)/2])
	}
}

// BenchmarkFreezeThaw freezes and thaws a running environment.
func BenchmarkFreezeThaw(b *testing.B) {
	d := newDriver(b)
	e := boot(b, d, provided, usual)
	assign(b, e, emptyCode(b), "/bin/sleep", "1000")
	for b.Loop() {
		if err := e.Freeze(); err != nil {
			b.Fatal(err)
		}
		if err := e.Thaw(); err != nil {
			b.Fatal(err)
		}
	}
}
