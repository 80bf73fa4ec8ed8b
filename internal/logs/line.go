package logs

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

const (
	maxMessage = 256 << 10
	cutMarker  = "[lambent: line cut]"
)

// appendLine writes "<unix nanoseconds> <version> <stream> <message>\n". Version and stream hold
// no spaces; a line feed inside a message becomes a carriage return, as AWS writes tracebacks.
func appendLine(b []byte, l lambda.LogLine) []byte {
	b = strconv.AppendInt(b, l.At.UnixNano(), 10)
	b = append(b, ' ')
	b = append(b, l.Version...)
	b = append(b, ' ')
	b = append(b, l.Stream...)
	b = append(b, ' ')
	m := strings.TrimSuffix(l.Message, "\n")
	if len(m) > maxMessage {
		m = m[:maxMessage] + cutMarker
	}
	start := len(b)
	b = append(b, m...)
	for i := start; i < len(b); i++ {
		if b[i] == '\n' {
			b[i] = '\r'
		}
	}
	return append(b, '\n')
}

// parseLine reads a written line without its line feed. ok is false for a torn or foreign line.
func parseLine(b []byte) (l lambda.LogLine, ok bool) {
	at, rest, ok1 := bytes.Cut(b, []byte{' '})
	version, rest, ok2 := bytes.Cut(rest, []byte{' '})
	stream, message, ok3 := bytes.Cut(rest, []byte{' '})
	n, err := strconv.ParseInt(string(at), 10, 64)
	if !ok1 || !ok2 || !ok3 || err != nil {
		return lambda.LogLine{}, false
	}
	return lambda.LogLine{At: time.Unix(0, n).UTC(), Version: string(version), Stream: string(stream), Message: string(message) + "\n"}, true
}
