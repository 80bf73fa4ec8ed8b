package deadletter

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"lambent.dev/lambent/internal/lambda"
)

// maxPrintBytes bounds how much of a message tells failures apart.
const maxPrintBytes = 1 << 10

// Fingerprint answers the group that a failure belongs to: the same function, error type, message
// but for its numbers and ids, and place in the user's code. It is 16 hexadecimal digits, and
// part of the store's format: a change of it splits groups.
func Fingerprint(f lambda.FunctionID, errorType, message string, stack []string) string {
	h := sha256.New()
	for _, part := range []string{f.ARN(), errorType, normalise(message), topFrame(stack)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// normalise takes out what differs between failures of one cause: numbers become "#", ids (UUIDs,
// hexadecimal, long mixed words, quoted text with a digit) "*", white space one space.
func normalise(message string) string {
	message = cut(message, maxPrintBytes)
	var b strings.Builder
	for i := 0; i < len(message); {
		switch c := message[i]; {
		case c <= ' ' || c == 0x7f:
			for i < len(message) && (message[i] <= ' ' || message[i] == 0x7f) {
				i++
			}
			b.WriteByte(' ')
		case isQuote(c) && (i == 0 || !isWord(message[i-1])):
			n := quotedID(message[i:])
			if n == 0 {
				b.WriteByte(c)
				i++
				continue
			}
			b.WriteByte(c)
			b.WriteByte('*')
			b.WriteByte(c)
			i += n
		case isWord(c):
			n := 1
			for i+n < len(message) && (isWord(message[i+n]) || message[i+n] == '-' && i+n+1 < len(message) && isWord(message[i+n+1])) {
				n++
			}
			writeWord(&b, message[i:i+n])
			i += n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return strings.TrimSpace(b.String())
}

// quotedID answers the length of the quoted text at s's start if it looks like an id, else 0.
func quotedID(s string) int {
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 || end > 200 {
		return 0
	}
	if text := s[1 : 1+end]; strings.ContainsAny(text, "0123456789") {
		return end + 2
	}
	return 0
}

func writeWord(b *strings.Builder, word string) {
	if isID(word) {
		b.WriteByte('*')
		return
	}
	writeNumbers(b, word)
}

// writeNumbers writes text with each run of digits as one "#".
func writeNumbers(b *strings.Builder, word string) {
	digit := false
	for _, c := range []byte(word) {
		if isDigit(c) {
			if !digit {
				b.WriteByte('#')
			}
			digit = true
			continue
		}
		digit = false
		b.WriteByte(c)
	}
}

// isID recognises words that name one thing: 0x1f, 4be1c0ffee, UUIDs, tokens.
func isID(word string) bool {
	var digits, letters, hexes int
	for _, c := range []byte(word) {
		switch {
		case isDigit(c):
			digits++
			hexes++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			letters++
			hexes++
		case c >= 'g' && c <= 'z' || c >= 'G' && c <= 'Z' || c >= 0x80:
			letters++
		}
	}
	switch {
	case digits == 0:
		return false
	case len(word) > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X'):
		return true
	case len(word) == 36 && strings.Count(word, "-") == 4 && hexes == 32:
		return true
	case len(word) >= 8 && hexes == len(word) && letters > 0:
		return true
	}
	return len(word) >= 16 && letters > 0
}

// topFrame answers the frame of the user's code that failed, without its line numbers, which move
// with every deployment. Python lists the outermost call first, the others the innermost.
func topFrame(stack []string) string {
	var frame string
	for _, f := range stack {
		if !strings.Contains(f, "/var/task/") || strings.Contains(f, "/node_modules/") || strings.Contains(f, "/site-packages/") {
			continue
		}
		frame = f
		if !strings.HasPrefix(strings.TrimSpace(f), `File "`) {
			break
		}
	}
	if frame == "" && len(stack) > 0 {
		frame = stack[0]
		if n := len(stack); strings.HasPrefix(strings.TrimSpace(frame), `File "`) {
			frame = stack[n-1]
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(frame), "\n")
	var b strings.Builder
	writeNumbers(&b, cut(line, maxPrintBytes))
	return b.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isQuote(c byte) bool { return c == '\'' || c == '"' || c == '`' }
func isWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
