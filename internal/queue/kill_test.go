package queue

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

// TestKill kills a process with a queue on disk ten times while it accepts and runs, and lets an
// eleventh finish: none acknowledged is lost, every one runs with its request id, and a kill adds
// at most one run to an event.
func TestKill(t *testing.T) {
	const kills = 10
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acked := map[string]bool{}
	for life := range kills + 1 {
		limit := 0 // acknowledgements until the kill
		if life < kills {
			limit = 50 + rng.IntN(150)
		}
		killOne(t, dir, life, limit, acked)
	}
	ran := map[string]int{}
	executions, err := os.ReadFile(filepath.Join(dir, "ran"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(executions)) {
		ran[line]++
	}
	extra := 0
	for request := range acked {
		want := 1
		if request[0] == 'f' {
			want = 3
		}
		if n := ran[request]; n < 1 || n > want+kills {
			t.Errorf("%s ran %d times", request, n)
		} else if n > want {
			extra += n - want
		}
	}
	if most := kills * childInFlight; extra > most {
		t.Errorf("%d runs too many, of at most %d", extra, most)
	}
	t.Logf("%d acknowledged, %d kills, %d lost, %d runs repeated", len(acked), kills, 0, extra)
}

// killOne runs a child until it has acknowledged limit events, or to its end when limit is 0.
func killOne(t *testing.T, dir string, life, limit int, acked map[string]bool) {
	t.Helper()
	c := exec.Command(os.Args[0], strconv.Itoa(life), strconv.Itoa(limit))
	c.Env = append(os.Environ(), "LAMBENT_QUEUE_TEST="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	killed := false
	for n := 0; lines.Scan(); {
		acked[lines.Text()] = true
		if n++; n == limit && !killed {
			killed = true
			if err := c.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); (err == nil) == killed {
		t.Fatalf("life %d: %v", life, err)
	}
}

const childInFlight = 8

// killedChild accepts events, runs those that there are, and says which it has acknowledged.
func killedChild(dir string) int {
	if err := childLife(dir, os.Args[1], os.Args[2] == "0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childLife(dir, life string, last bool) error {
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		return err
	}
	defer s.Close()
	log, err := os.OpenFile(filepath.Join(dir, "ran"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	w := newWorld()
	w.store = s
	w.buried = make(chan struct{}, 100_000)
	w.answer = func(ctx context.Context, e *lambda.Event) (lambda.Outcome, error) {
		if _, err := log.WriteString(e.RequestID + "\n"); err != nil {
			return lambda.Outcome{}, err
		}
		<-time.After(time.Millisecond)
		if e.RequestID[0] == 'f' {
			return fails(ctx, e)
		}
		return succeed(ctx, e)
	}
	q, err := New(Options{RetryDelays: []time.Duration{5 * time.Millisecond}, MaxInFlight: childInFlight, RampUp: time.Millisecond},
		Parts{Store: s, Invoker: w, Settings: w, Graveyard: w, Destinations: w})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx, context.Background()) }()
	for i := 0; !last || i < 100; i++ {
		kind := "s"
		if i%5 == 0 {
			kind = "f"
		}
		e := &lambda.Event{RequestID: fmt.Sprintf("%s-%s-%d", kind, life, i), Function: fnOf("1", strconv.Itoa(i%3)), Payload: []byte("{}")}
		if err := q.Accept(ctx, e); err != nil {
			return err
		}
		fmt.Println(e.RequestID)
	}
	for q.Depth() > 0 {
		<-time.After(5 * time.Millisecond)
	}
	stop()
	return <-ended
}
