package compute

import (
	"fmt"
	"strings"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// systemLog writes the platform's own log lines, in the text or the JSON form.
type systemLog struct {
	json     bool
	warnings bool // SystemLevel WARN: only what went wrong
	debug    bool
}

func systemLogOf(l lambda.Logging) systemLog {
	return systemLog{json: l.Format == "JSON", warnings: l.SystemLevel == "WARN", debug: l.SystemLevel == "DEBUG"}
}

// usage is what one invocation took.
type usage struct {
	requestID string
	duration  time.Duration
	init      time.Duration // 0: not reported
	memoryMB  int
	usedMB    int
	failure   *failure // nil: success
}

// billedMS is AWS's rule: milliseconds, rounded up, the initialisation included.
func (u *usage) billedMS() int64 {
	total := u.duration + u.init
	return int64((total + time.Millisecond - 1) / time.Millisecond)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// isoTime is how AWS writes a time in a log.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// event writes one line of the JSON form.
func event(now time.Time, kind string, record any) string {
	return string(marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{isoTime(now), kind, record})) + "\n"
}

// initStart begins the log of an environment.
func (l systemLog) initStart(now time.Time, c *lambda.Configuration, r *Resolved, runtimeARN string) string {
	version := r.Family
	if r.Version != "" {
		version += ":" + r.Version
	}
	if l.json {
		if l.warnings {
			return ""
		}
		return event(now, "platform.initStart", struct {
			InitializationType string `json:"initializationType"`
			Phase              string `json:"phase"`
			RuntimeVersion     string `json:"runtimeVersion"`
			RuntimeVersionARN  string `json:"runtimeVersionArn"`
			FunctionName       string `json:"functionName"`
			FunctionVersion    string `json:"functionVersion"`
			Note               string `json:"note,omitempty"`
		}{"on-demand", "init", version, runtimeARN, c.Function.Name, c.Version, r.Note})
	}
	line := "INIT_START Runtime Version: " + version + "\tRuntime Version ARN: " + runtimeARN
	if r.Note != "" {
		line += "\tNote: " + r.Note
	}
	return line + "\n"
}

// initReport is written for an initialisation that failed.
func (l systemLog) initReport(now time.Time, phase string, took time.Duration, status, kind string) string {
	if l.json {
		return event(now, "platform.initReport", struct {
			InitializationType string         `json:"initializationType"`
			Phase              string         `json:"phase"`
			Status             string         `json:"status"`
			ErrorType          string         `json:"errorType,omitempty"`
			Metrics            map[string]any `json:"metrics"`
		}{"on-demand", phase, status, kind, map[string]any{"durationMs": round3(took)}})
	}
	line := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", milliseconds(took), phase, status)
	if kind != "" {
		line += "\tError Type: " + kind
	}
	return line + "\n"
}

func (l systemLog) start(now time.Time, requestID, version string) string {
	if !l.json {
		return "START RequestId: " + requestID + " Version: " + version + "\n"
	}
	if l.warnings {
		return ""
	}
	return event(now, "platform.start", struct {
		RequestID string `json:"requestId"`
		Version   string `json:"version"`
	}{requestID, version})
}

// end is what stands between a function's last output and REPORT.
func (l systemLog) end(now time.Time, u *usage) string {
	if l.json {
		if !l.debug {
			return ""
		}
		return event(now, "platform.runtimeDone", map[string]any{
			"requestId": u.requestID, "status": u.status(), "metrics": map[string]any{"durationMs": round3(u.duration)},
		})
	}
	return "END RequestId: " + u.requestID + "\n"
}

// timeout is the line that people look for.
func (l systemLog) timeout(now time.Time, requestID string, timeout time.Duration) string {
	if l.json {
		return ""
	}
	return isoTime(now) + " " + requestID + " Task timed out after " + seconds(timeout) + " seconds\n\n"
}

func (u *usage) status() string {
	switch {
	case u.failure == nil:
		return "success"
	case u.failure.status == lambda.StatusTimeout:
		return "timeout"
	}
	return "error"
}

func (l systemLog) report(now time.Time, u *usage) string {
	if l.json {
		return l.reportJSON(now, u)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		u.requestID, milliseconds(u.duration), u.billedMS(), u.memoryMB, u.usedMB)
	if u.init > 0 {
		fmt.Fprintf(&b, "Init Duration: %.2f ms\t", milliseconds(u.init))
	}
	if f := u.failure; f != nil && f.report {
		b.WriteString("Status: " + u.status() + "\t")
		if f.status != lambda.StatusTimeout {
			b.WriteString("Error Type: " + f.kind + "\t")
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func (l systemLog) reportJSON(now time.Time, u *usage) string {
	if l.warnings && u.failure == nil {
		return ""
	}
	type metrics struct {
		DurationMS      float64 `json:"durationMs"`
		BilledMS        int64   `json:"billedDurationMs"`
		MemorySizeMB    int     `json:"memorySizeMB"`
		MaxMemoryUsedMB int     `json:"maxMemoryUsedMB"`
		InitDurationMS  float64 `json:"initDurationMs,omitempty"`
	}
	record := struct {
		RequestID string  `json:"requestId"`
		Metrics   metrics `json:"metrics"`
		Status    string  `json:"status"`
		ErrorType string  `json:"errorType,omitempty"`
	}{
		RequestID: u.requestID, Status: u.status(),
		Metrics: metrics{round3(u.duration), u.billedMS(), u.memoryMB, u.usedMB, round3(u.init)},
	}
	if u.failure != nil && u.failure.status != lambda.StatusTimeout {
		record.ErrorType = u.failure.kind
	}
	return event(now, "platform.report", record)
}

// round3 is milliseconds with three digits.
func round3(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
