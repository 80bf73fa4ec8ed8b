package compute_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// scenario is one call of a fresh function and how it must end.
type scenario struct {
	name    string
	runtime string // default python3.11
	handler string // default app.handler
	files   []string
	timeout int
	memory  int    // default 128
	payload string // default {}
	want    string // of the payload, whole or up to "..."
	kind    string // error type of the attempt; "": success
	status  lambda.Status
	log     []string // in the tail, in this order
	notLog  string
	again   bool // a second call must end in the same way
	slow    bool
}

const python = "python3.11"
const node = "nodejs20.x"

func py(code string) []string { return []string{"app.py", code} }
func js(code string) []string { return []string{"index.js", code} }

func exitDoc(text string) string {
	return `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: ` + text + `"}`
}

const timedOut = `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id Error: Task timed out after 1.00 seconds"}`

var pythonScenarios = []scenario{
	{name: "echo", files: py("def handler(e, c):\n    print('hello')\n    return e\n"), payload: `{"a": [1, "é"]}`,
		want: `{"a": [1, "\u00e9"]}`, log: []string{"START RequestId: id Version: $LATEST\n", "hello\n", "END RequestId: id\n", "REPORT RequestId: id\tDuration: "}, again: true},
	{name: "none", files: py("def handler(e, c): pass\n"), want: "null"},
	{name: "open line", files: py("def handler(e, c):\n    print('no end', end='')\n"), want: "null", log: []string{"no end\nEND"}},
	{name: "decimal", files: py("from decimal import Decimal\ndef handler(e, c): return {'d': Decimal('1.10'), 's': 'decimal:x'}\n"), want: `{"d": 1.10, "s": "decimal:x"}`},
	{name: "nested handler", handler: "pkg/mod.fn", files: []string{"pkg/__init__.py", "", "pkg/mod.py", "def fn(e, c): return 'slash'\n"}, want: `"slash"`},
	{name: "dotted handler", handler: "pkg.mod.fn", files: []string{"pkg/__init__.py", "", "pkg/mod.py", "def fn(e, c): return 'dot'\n"}, want: `"dot"`},
	{name: "raises", files: py("def helper():\n    raise ValueError('bad thing')\ndef handler(e, c):\n    helper()\n"),
		want: `{"errorMessage": "bad thing", "errorType": "ValueError", "requestId": "id", "stackTrace": ["  File \"...`, kind: "ValueError",
		log: []string{"[ERROR] ValueError: bad thing\rTraceback (most recent call last):\r\u00a0\u00a0File \"", "END"}, notLog: "Status:", again: true},
	{name: "no json", files: py("def handler(e, c): return {1, 2}\n"), kind: "Runtime.MarshalError",
		want: `{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "id", "stackTrace": []}`},
	{name: "no module", handler: "nothing.handler", files: py(""), kind: "Runtime.ImportModuleError",
		want: `{"errorMessage": "Unable to import module 'nothing': No module named 'nothing'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}`,
		log:  []string{"[ERROR] Runtime.ImportModuleError: Unable to import module 'nothing'", "Status: error\tError Type: Runtime.ImportModuleError\t"}},
	{name: "no handler", handler: "app.missing", files: py(""), kind: "Runtime.HandlerNotFound",
		want: `{"errorMessage": "Handler 'missing' missing on module 'app'", "errorType": "Runtime.HandlerNotFound", "requestId": "", "stackTrace": []}`},
	{name: "syntax error", files: py("def handler(:\n"), kind: "Runtime.UserCodeSyntaxError",
		want: `{"errorMessage": "Syntax error in module 'app': invalid syntax (app.py, line 1)", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": ["  File \"...`},
	{name: "bad handler", handler: "handler", files: py(""), kind: "Runtime.MalformedHandlerName",
		want: `{"errorMessage": "Bad handler 'handler': not enough values to unpack (expected 2, got 1)", ...`},
	{name: "raises in init", files: py("1/0\n"), kind: "ZeroDivisionError",
		want: `{"errorMessage": "division by zero", "errorType": "ZeroDivisionError", "requestId": "", "stackTrace": ["  File \"...`},
	{name: "exit 3 in init", files: py("import sys\nsys.exit(3)\n"), kind: "Runtime.ExitError", want: exitDoc("Runtime exited with error: exit status 3")},
	{name: "exit 0", files: py("import sys\ndef handler(e, c): sys.exit(0)\n"), kind: "Runtime.ExitError",
		want: exitDoc("Runtime exited without providing a reason"), log: []string{"Status: error\tError Type: Runtime.ExitError\t\n"}},
	{name: "exit 7", files: py("import os\ndef handler(e, c):\n    print('bye')\n    os._exit(7)\n"), kind: "Runtime.ExitError",
		want: exitDoc("Runtime exited with error: exit status 7"), log: []string{"bye\nEND"}},
	{name: "killed", files: py("import os\ndef handler(e, c): os.kill(os.getpid(), 9)\n"), kind: "Runtime.ExitError", want: exitDoc("Runtime exited with error: signal: killed")},
	{name: "segfault", files: py("import os\ndef handler(e, c): os.kill(os.getpid(), 11)\n"), kind: "Runtime.ExitError", want: exitDoc("Runtime exited with error: signal: segmentation fault")},
	{name: "timeout", files: py("import time\ndef handler(e, c):\n    print('before')\n    time.sleep(60)\n"), timeout: 1, kind: "Sandbox.Timedout", status: lambda.StatusTimeout,
		want: timedOut, log: []string{"before\n", " id Task timed out after 1.00 seconds\n", "END RequestId: id\nREPORT RequestId: id\tDuration: 1000.00 ms\tBilled Duration: ", "Status: timeout\t\n"}},
	{name: "ignores SIGTERM", files: py("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ndef handler(e, c):\n    while True: time.sleep(1)\n"), timeout: 1, kind: "Sandbox.Timedout", status: lambda.StatusTimeout, want: timedOut},
	{name: "too large", files: py("def handler(e, c): return 'x' * 6291555\n"), kind: "Function.ResponseSizeTooLarge",
		want: `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`, again: true},
	{name: "just not too large", files: py("def handler(e, c): return 'x' * 6291554\n"), want: `"xxxxx...`, again: true},
	{name: "far too large", files: py("def handler(e, c): return 'x' * (400 << 20)\n"), timeout: 20, memory: 3008, kind: "Function.ResponseSizeTooLarge",
		want: `{"errorMessage":"Response payload size exceeded...`, slow: true},
	{name: "prints 100 MB", files: py("import sys\ndef handler(e, c):\n    for i in range(100): sys.stdout.write(('y' * 999 + '\\n') * 1000 + 'x' * 49 + '\\n')\n    print('last')\n"), timeout: 30,
		want: "null", log: []string{"yyyy", "last\nEND RequestId: id\nREPORT"}, slow: true},
	{name: "prints without end", files: py("import sys\ndef handler(e, c):\n    while True: print('y' * 1000)\n"), timeout: 1, kind: "Sandbox.Timedout", status: lambda.StatusTimeout, want: timedOut,
		log: []string{"yyyy", "Task timed out"}},
	{name: "long init", files: py("import time\ntime.sleep(1.5)\ndef handler(e, c): return c.get_remaining_time_in_millis() > 500\n"), timeout: 1, want: "true"},
	{name: "answers by itself", files: py(`
import os, urllib.request
def post(path, body):
    r = urllib.request.Request('http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/' + path, data=body)
    try: return urllib.request.urlopen(r).status
    except urllib.error.HTTPError as e: return [e.code, e.read().decode()]
import urllib.error
def handler(e, c):
    a = post('invocation/' + c.aws_request_id + '/response', b'"first"')
    b = post('invocation/' + c.aws_request_id + '/response', b'"second"')
    d = post('invocation/other/response', b'1')
    print(a, b, d)
    return 'third'
`), want: `"first"`},
	{name: "context", files: py(`
import os
def handler(e, c):
    return [c.aws_request_id, c.function_name, c.function_version, c.invoked_function_arn, c.memory_limit_in_mb, c.log_group_name,
            c.log_stream_name, 2000 < c.get_remaining_time_in_millis() <= 3000, c.client_context, c.identity.cognito_identity_id,
            os.environ.get('_X_AMZN_TRACE_ID'), os.environ['_HANDLER'], os.environ['AWS_EXECUTION_ENV'], os.environ['TZ'],
            os.environ.get('AWS_ACCESS_KEY_ID'), os.environ['MINE'], os.environ['AWS_REGION']]
`), want: `["id", "f", "$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", "128", "/aws/lambda/f", "2026/11/25/[$LATEST]0123", true, null, null, null, "app.handler", "AWS_Lambda_python3.11", ":UTC", null, "yes", "us-east-1"]`},
	{name: "logging", files: py(`
import logging
logging.getLogger().setLevel('INFO')
def handler(e, c):
    logging.info('into the %s', 'log')
    logging.debug('not this')
`), want: "null", log: []string{"[INFO]\t20", "Z\tid\tinto the log\nEND"}, notLog: "not this"},
	{name: "other version", runtime: "python3.14", files: py("def handler(e, c): return 1\n"), want: "1"},
	{name: "stack", files: py("def f(n): return f(n - 1) if n else 1/0\ndef handler(e, c): f(200)\n"), kind: "ZeroDivisionError", want: `{"errorMessage": "division by zero", ...`},
}

var nodeScenarios = []scenario{
	{name: "async", files: js("exports.handler = async (e) => { console.log('hi %s', 'you'); return e; };"), payload: `{"a":[1,"é"]}`,
		want: `{"a":[1,"é"]}`, log: []string{"Z\tid\tINFO\thi you\nEND"}, again: true},
	{name: "sync", files: js("exports.handler = () => 5;"), want: "null", again: true},
	{name: "callback", files: js("exports.handler = (e, c, cb) => setTimeout(() => cb(null, 'done'), 20);"), want: `"done"`, again: true},
	{name: "callback waits", files: js("exports.handler = (e, c, cb) => { const t = Date.now(); setTimeout(() => console.log('late'), 200); cb(null, 'done'); };"), want: `"done"`,
		log: []string{"late\nEND"}},
	{name: "callback waits not", files: js("exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 60000); cb(null, 'done'); };"), want: `"done"`, again: true},
	{name: "callback error", files: js("exports.handler = (e, c, cb) => cb(new RangeError('no'));"), kind: "RangeError", want: `{"errorType":"RangeError","errorMessage":"no","trace":["RangeError: no","    at ...`, again: true},
	{name: "callback string", files: js("exports.handler = (e, c, cb) => cb('no');"), kind: "string", want: `{"errorType":"string","errorMessage":"no","trace":[]}`},
	{name: "context.succeed", files: js("exports.handler = (e, c) => { c.succeed({a: 1}); c.fail('no'); };"), want: `{"a":1}`},
	{name: "context.done", files: js("exports.handler = (e, c) => setTimeout(() => c.done(null, 2), 5);"), want: `2`},
	{name: "context.fail", files: js("exports.handler = (e, c) => c.fail();"), kind: "string", want: `{"errorType":"string","errorMessage":"handled","trace":[]}`},
	{name: "throws", files: js("exports.handler = async () => { throw new TypeError('bad'); };"), kind: "TypeError", want: `{"errorType":"TypeError","errorMessage":"bad","trace":["TypeError: bad","    at ...`,
		log: []string{"\tid\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\",\"errorMessage\":\"bad\",\"stack\":[", "END"}, again: true},
	{name: "never settles", files: js("exports.handler = async () => new Promise(() => {});"), kind: "Runtime.NodeJsExit", want: `{"errorType":"Runtime.NodeJsExit","errorMessage":"The Lambda runtime client detected an unexpected Node.js exit code....`, again: true},
	{name: "undefined", files: js("exports.handler = async () => {};"), want: "null"},
	{name: "cyclic", files: js("exports.handler = async () => { const a = {}; a.a = a; return a; };"), kind: "Error", want: `{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":[...`},
	{name: "rejection", files: js("exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1000)); };"), kind: "Runtime.UnhandledPromiseRejection",
		want: `{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","trace":["Runtime.UnhandledPromiseRejection: Error: lost",...`, log: []string{"Unhandled Promise Rejection"}},
	{name: "uncaught", files: js("exports.handler = (e, c, cb) => { setTimeout(() => { throw new Error('thrown'); }, 5); };"), kind: "Error", want: `{"errorType":"Error","errorMessage":"thrown","trace":[...`, log: []string{"Uncaught Exception"}},
	{name: "exit", files: js("exports.handler = async () => process.exit(4);"), kind: "Runtime.ExitError", want: exitDoc("Runtime exited with error: exit status 4")},
	{name: "esm", files: []string{"index.mjs", "import os from 'node:os';\nexport const handler = async () => typeof os.cpus;"}, want: `"function"`},
	{name: "esm by package", files: []string{"package.json", `{"type":"module"}`, "index.js", "export const handler = async () => 'esm';"}, want: `"esm"`},
	{name: "nested", handler: "src/app.deep.handler", files: []string{"src/app.js", "exports.deep = { handler: async () => 'deep' };"}, want: `"deep"`},
	{name: "no module", handler: "nothing.handler", files: js(""), kind: "Runtime.ImportModuleError", want: `{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'nothing'...`},
	{name: "no handler", handler: "index.missing", files: js(""), kind: "Runtime.HandlerNotFound", want: `{"errorType":"Runtime.HandlerNotFound","errorMessage":"index.missing is undefined or not exported","trace":[...`},
	{name: "syntax error", files: js("exports.handler = async ( => 1;"), kind: "Runtime.UserCodeSyntaxError", want: `{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: ...`},
	{name: "bad handler", handler: "handler", files: js(""), kind: "Runtime.MalformedHandlerName", want: `{"errorType":"Runtime.MalformedHandlerName","errorMessage":"Bad handler","trace":[...`},
	{name: "throws in init", files: js("throw new Error('at start');"), kind: "Error", want: `{"errorType":"Error","errorMessage":"at start","trace":[...`},
	{name: "timeout", files: js("exports.handler = async () => { console.log('before'); for (;;); };"), timeout: 1, kind: "Sandbox.Timedout", status: lambda.StatusTimeout, want: timedOut, log: []string{"before\n"}},
	{name: "too large", files: js("exports.handler = async () => 'x'.repeat(6291555);"), kind: "Function.ResponseSizeTooLarge", want: `{"errorMessage":"Response payload size exceeded...`, again: true},
	{name: "large both ways", files: js("exports.handler = async (e) => e;"), payload: `"` + strings.Repeat("z", 5<<20) + `"`, want: `"zzzzz...`, again: true},
	{name: "streaming", files: js("exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write('a'); s.write('b'); s.end(); });"), want: "ab", again: true},
	{name: "streaming fails", files: js("exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write('a'); throw new Error('half'); });"), kind: "Error", want: `{"errorType":"Error","errorMessage":"half"...`, again: true},
	{name: "context", files: js(`exports.handler = async (e, c) => [c.awsRequestId, c.functionName, c.functionVersion, c.invokedFunctionArn, c.memoryLimitInMB,
		c.logGroupName, c.logStreamName, c.getRemainingTimeInMillis() > 2000, c.callbackWaitsForEmptyEventLoop, typeof c.clientContext, process.env.MINE];`),
		want: `["id","f","$LATEST","arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST","128","/aws/lambda/f","2026/11/25/[$LATEST]0123",true,true,"undefined","yes"]`},
}

var customScenarios = []scenario{
	{name: "shell", files: []string{"bootstrap", shellBootstrap("response", `{"from":"shell"}`)}, want: `{"from":"shell"}`, log: []string{"a line\nEND"}, again: true},
	{name: "shell error", files: []string{"bootstrap", shellBootstrap("error", `{"errorMessage":"m","errorType":"Mine","stackTrace":["a","b"]}`)}, want: `{"errorMessage":"m","errorType":"Mine","stackTrace":["a","b"]}`, kind: "Mine"},
	{name: "no bootstrap", files: py(""), kind: "Runtime.InvalidEntrypoint", want: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: id Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`, again: true},
	{name: "not a program", files: []string{"bootstrap", "nonsense, but longer than a header"}, kind: "Runtime.InvalidEntrypoint", want: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: id Error: fork/exec /var/task/bootstrap: exec format error"}`},
	{name: "ends at once", files: []string{"bootstrap", "#!/bin/sh\necho hello\nexit 5\n"}, kind: "Runtime.ExitError", want: exitDoc("Runtime exited with error: exit status 5"), log: []string{"hello\n"}},
	{name: "free handler", handler: "any text", files: []string{"bootstrap", shellBootstrap("response", `"$_HANDLER"`)}, want: `"any text"`},
}

// shellBootstrap is a custom runtime in the shell, as AWS's tutorial has it.
func shellBootstrap(kind, answer string) string {
	answer = strings.ReplaceAll(answer, `"`, `\"`)
	return `#!/bin/sh
while true; do
  H="${TMPDIR:-/tmp}/headers"
  curl -sS -L -D "$H" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" > /dev/null
  ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$H" | tr -d '[:space:]' | cut -d: -f2)
  echo a line
  curl -sS -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$ID/` + kind + `" -d "` + answer + `" > /dev/null
done
`
}

func TestPythonScenarios(t *testing.T) { runScenarios(t, nil, python, pythonScenarios) }
func TestNodeScenarios(t *testing.T)   { runScenarios(t, nil, node, nodeScenarios) }
func TestCustomScenarios(t *testing.T) { runScenarios(t, nil, "provided.al2023", customScenarios) }

// runScenarios runs them on a driver; nil is plain processes.
func runScenarios(t *testing.T, driver sandbox.Driver, runtime string, all []scenario) {
	f := newPool(t, optionsForTest(), driver)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			if s.slow && testing.Short() {
				t.Skip("slow")
			}
			if s.runtime == "" {
				s.runtime = runtime
			}
			if s.handler == "" {
				s.handler = map[string]string{python: "app.handler", node: "index.handler"}[runtime]
			}
			c := function(t, s.runtime, s.handler, s.files...)
			c.Environment = map[string]string{"MINE": "yes"}
			c.RevisionID = s.name
			if s.memory > 0 {
				c.MemoryMB = s.memory
			}
			if s.timeout > 0 {
				c.TimeoutSec = s.timeout
			}
			if s.payload == "" {
				s.payload = "{}"
			}
			calls := 1
			if s.again {
				calls = 2
			}
			for range calls {
				out := f.call(t, c, "id", s.payload)
				s.check(t, out)
			}
		})
	}
}

func (s scenario) check(t *testing.T, out lambda.Outcome) {
	t.Helper()
	got := string(out.Payload)
	if prefix, open := strings.CutSuffix(s.want, "..."); open {
		if !strings.HasPrefix(got, prefix) {
			t.Errorf("payload %.300s, want %s", got, s.want)
		}
	} else if got != s.want {
		t.Errorf("payload %.300s, want %s", got, s.want)
	}
	status, flag := lambda.StatusSuccess, ""
	if s.kind != "" {
		status, flag = lambda.StatusError, "Unhandled"
	}
	if s.status != "" {
		status = s.status
	}
	a := out.Attempt
	if a.Status != status || a.ErrorType != s.kind || out.FunctionError != flag {
		t.Errorf("status %s, error type %q, flag %q; want %s, %q, %q", a.Status, a.ErrorType, out.FunctionError, status, s.kind, flag)
	}
	if len(a.StackTrace) > lambda.MaxStackFrames || len(out.LogTail) > lambda.MaxLogTailBytes {
		t.Errorf("%d frames, %d bytes of log", len(a.StackTrace), len(out.LogTail))
	}
	tail := string(out.LogTail)
	if !strings.HasSuffix(tail, "\t\n") {
		t.Errorf("the tail does not end with REPORT: %q", tail)
	}
	rest := tail
	for _, want := range s.log {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("no %q in the tail, or not in its place:\n%q", want, tail)
		}
		rest = after
	}
	if s.notLog != "" && strings.Contains(tail, s.notLog) {
		t.Errorf("%q is in the tail:\n%s", s.notLog, tail)
	}
}

// TestGoBootstrap runs a function that is built with AWS's own Go library.
func TestGoBootstrap(t *testing.T) {
	c := function(t, "provided.al2023", "bootstrap")
	build := exec.Command("go", "build", "-o", filepath.Join(c.CodeSHA256, "bootstrap"), "./testdata/gofn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f := newPool(t, optionsForTest(), nil)
	for range 2 {
		out := f.call(t, c, "id", `{}`)
		if want := `{"arn":"arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST","id":"id"}`; string(out.Payload) != want {
			t.Errorf("payload %s, want %s", out.Payload, want)
		}
		out = f.call(t, c, "id", `{"fail":true}`)
		if want := `{"errorMessage":"go failed","errorType":"errorString"}`; string(out.Payload) != want || out.Attempt.ErrorType != "errorString" {
			t.Errorf("payload %s, want %s", out.Payload, want)
		}
	}
}
