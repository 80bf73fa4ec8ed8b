package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/lambda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var fn = lambda.FunctionID{Account: "000000000000", Region: "us-east-1", Name: "f"}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, clock.System, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(s.files) != 0 {
			t.Errorf("%d functions are kept in memory", len(s.files))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func messages(t *testing.T, s *Store, since time.Time) []string {
	t.Helper()
	var got []string
	for l, err := range s.Read(t.Context(), fn, since, false) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l.Message)
	}
	return got
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	name, w, err := s.Open(fn, "$LATEST")
	if err != nil {
		t.Fatal(err)
	}
	if day := time.Now().UTC().Format("2006/01/02/"); !strings.HasPrefix(name, day+"[$LATEST]") || len(name) != len(day)+len("[$LATEST]")+32 {
		t.Errorf("stream %q", name)
	}
	fmt.Fprint(w, "START\n")
	fmt.Fprint(w, "two\nparts \x00\xff\n")
	fmt.Fprint(w, strings.Repeat("x", maxMessage+10)+"\n")
	want := []string{"START\n", "two\rparts \x00\xff\n", strings.Repeat("x", maxMessage) + cutMarker + "\n"}
	if got := messages(t, s, time.Time{}); !slices.Equal(got, want) {
		t.Errorf("got %.100q", got)
	}
	if got := messages(t, s, time.Now().Add(time.Hour)); got != nil {
		t.Errorf("lines of the past: %.100q", got)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got := messages(t, s, time.Time{}); !slices.Equal(got, want) {
		t.Errorf("after a restart: %.100q", got)
	}
}

func TestFollow(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, w, err := s.Open(fn, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fmt.Fprint(w, "0\n")
	n := 0
	for l, err := range s.Read(ctx, fn, time.Time{}, true) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(n, "\n"); l.Message != want || l.Version != "1" {
			t.Fatalf("line %d is %+v", n, l)
		}
		if n++; n == 100 {
			break
		}
		fmt.Fprintln(w, n)
	}
	if n != 100 {
		t.Errorf("followed %d lines", n)
	}
}

func TestOldSegmentsGo(t *testing.T) {
	s := open(t, t.TempDir())
	_, w, err := s.Open(fn, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	line := strings.Repeat("y", 200<<10) + "\n"
	lines := (maxSegments + 2) * segmentBytes / len(line)
	for range lines {
		fmt.Fprint(w, line)
	}
	segments, err := s.segments("000000000000/us-east-1/f")
	if err != nil {
		t.Fatal(err)
	}
	if len(segments) > maxSegments || segments[0] == 1 {
		t.Errorf("segments %v", segments)
	}
	if got := len(messages(t, s, time.Time{})); got >= lines || got < lines/2 {
		t.Errorf("%d of %d lines are left", got, lines)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(int64(1), "1", "2026/11/24/[1]0", "hello")
	f.Fuzz(func(t *testing.T, at int64, version, stream, message string) {
		if strings.ContainsAny(version+stream, " \n\r") {
			t.Skip("never written")
		}
		b := appendLine(nil, lambda.LogLine{At: time.Unix(0, at), Version: version, Stream: stream, Message: message})
		l, ok := parseLine(bytes.TrimSuffix(b, []byte("\n")))
		if !ok || l.At.UnixNano() != at || l.Version != version || l.Stream != stream || bytes.Count(b, []byte("\n")) != 1 {
			t.Fatalf("%q became %+v", b, l)
		}
	})
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte("12 1 s m"))
	f.Fuzz(func(t *testing.T, b []byte) { parseLine(b) })
}
