package probe

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lambent.dev/lambent/internal/sandbox"
	"lambent.dev/lambent/internal/sandbox/native"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if native.IsInit(os.Args) {
		native.InitMain()
	}
	goleak.VerifyTestMain(m)
}

func TestAnswered(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOSYS: false, syscall.EPERM: false, syscall.EACCES: false,
		syscall.EINVAL: true, syscall.EFAULT: true, syscall.Errno(0): true,
	} {
		if f := answered(err); f.hit != want {
			t.Errorf("%v: %+v", err, f)
		}
	}
}

func TestChecksAreNumbered(t *testing.T) {
	var ids []string
	for _, c := range checks() {
		if c.name == "" || c.find == nil || slices.Contains(ids, c.id) {
			t.Errorf("%q is not a check of its own", c.id)
		}
		ids = append(ids, c.id)
	}
	if len(ids) < 60 {
		t.Errorf("%d checks, want 60 at least", len(ids))
	}
}

// build makes the static program and answers its folder.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil { // environments have users of their own
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bootstrap"), "lambent.dev/lambent/internal/probe/testdata/bootstrap")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// Outside of any sandbox, as root, the probe must find much, or what it does not find inside
// says nothing.
func TestOutside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the baseline is root's")
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(build(t), "bootstrap"), "--output", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if r.Hits < 40 || len(r.Checks) < 60 {
		t.Errorf("%d hits in %d checks; want 40 in 60", r.Hits, len(r.Checks))
	}
	t.Logf("%d hits in %d checks", r.Hits, len(r.Checks))
}

// TestInsideNative runs the probe as a function in the native sandbox, where it must find nothing.
func TestInsideNative(t *testing.T) {
	d, err := native.New(native.Options{StateDir: t.TempDir()})
	if err != nil {
		t.Skipf("the native sandbox can't run here: %v", err)
	}
	t.Cleanup(func() { d.Close() })
	template, err := d.Prepare(t.Context(), sandbox.Runtime{Name: "provided.al2023"})
	if err != nil {
		t.Fatal(err)
	}
	box, err := d.Boot(t.Context(), template, sandbox.Shape{Account: "123456789012", MemoryMB: 128, EphemeralMB: 512})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Destroy(); <-box.Gone() })
	reports := make(chan []byte, 1)
	serve(t, box, reports)
	err = box.Assign(t.Context(), sandbox.Assignment{
		Code: build(t), Command: []string{sandbox.TaskRoot + "/bootstrap"},
		Env: []string{"AWS_LAMBDA_RUNTIME_API=" + box.Endpoint().Address, "LAMBDA_TASK_ROOT=" + sandbox.TaskRoot, "TMPDIR=" + sandbox.TempRoot},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case text := <-reports:
			judge(t, text)
		case x := <-box.Exits():
			words := make([]byte, 4096)
			n, err := box.Output().Read(words)
			t.Fatalf("the probe ended: %+v %q %v", x, words[:n], err)
		case <-time.After(patience):
			t.Fatal("no report")
		}
	}
}

func judge(t *testing.T, text []byte) {
	t.Helper()
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if len(r.Checks) < 60 {
		t.Errorf("%d checks", len(r.Checks))
	}
	for _, c := range r.Checks {
		if c.Hit {
			t.Errorf("%s %s: %s", c.ID, c.Name, c.Detail)
		}
	}
}

// serve is the least Runtime API that a function needs.
func serve(t *testing.T, box sandbox.Sandbox, reports chan<- []byte) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "one")
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/one/response", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		select {
		case reports <- text:
			w.WriteHeader(http.StatusAccepted)
		case <-r.Context().Done():
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: patience}
	for _, l := range box.Listeners() {
		go server.Serve(l)
	}
	t.Cleanup(func() { server.Close() })
}
