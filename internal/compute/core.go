package compute

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/sandbox"
)

// Key says whom an environment may serve. Two invocations share an environment only when their
// keys are equal.
type Key struct {
	Function lambda.FunctionID
	Version  string
	Config   [sha256.Size]byte // of everything else that an environment is made of
}

// keyOf derives the key. The timeout is not in it: it is a call's, not an environment's; but any
// change of the function changes the RevisionID.
func keyOf(c *lambda.Configuration) Key {
	buf := make([]byte, 0, 512)
	text := func(s string) {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	for _, s := range []string{
		c.RevisionID, c.CodeSHA256, c.Runtime, c.Handler, c.Role, c.Logging.Format, c.Logging.Group,
		c.Logging.ApplicationLevel, c.Logging.SystemLevel, c.TracingMode, strings.Join(c.Layers, " "),
	} {
		text(s)
	}
	buf = binary.AppendUvarint(buf, uint64(c.MemoryMB))
	buf = binary.AppendUvarint(buf, uint64(c.EphemeralMB))
	for _, k := range slices.Sorted(maps.Keys(c.Environment)) {
		text(k)
		text(c.Environment[k])
	}
	return Key{Function: c.Function, Version: c.Version, Config: sha256.Sum256(buf)}
}

// environmentOf answers the variables of an environment: AWS's, and the function's own where they
// are not reserved. root translates paths for drivers without a file system of their own.
func environmentOf(c *lambda.Configuration, r *Resolved, e sandbox.Endpoint, stream string, root func(string) string) []string {
	vars := map[string]string{
		"LANG":            "en_US.UTF-8",
		"TZ":              ":UTC",
		"PATH":            searchPath(r, root),
		"LD_LIBRARY_PATH": joinRoots(root, "/lib64", "/usr/lib64", "/var/runtime", "/var/runtime/lib", "/var/task", "/var/task/lib", "/opt/lib"),

		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":  "169.254.100.1:2000",
	}
	if tmp := root(sandbox.TempRoot); tmp != sandbox.TempRoot {
		vars["TMPDIR"] = tmp
	}
	major, _, _ := strings.Cut(r.Version, ".")
	switch r.Family {
	case "python":
		vars["PYTHONPATH"] = root(sandbox.RuntimeRoot)
	case "nodejs":
		vars["NODE_PATH"] = joinRoots(root, "/opt/nodejs/node"+major+"/node_modules", "/opt/nodejs/node_modules",
			"/var/runtime/node_modules", "/var/runtime", "/var/task")
	}
	maps.Copy(vars, c.Environment)
	maps.Copy(vars, reservedOf(c, r, e, stream, root))
	list := make([]string, 0, len(vars))
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, k+"="+vars[k])
	}
	return list
}

// reservedOf answers the variables that a function can't set.
func reservedOf(c *lambda.Configuration, r *Resolved, e sandbox.Endpoint, stream string, root func(string) string) map[string]string {
	vars := map[string]string{
		"_HANDLER":                        c.Handler,
		"AWS_REGION":                      c.Function.Region,
		"AWS_DEFAULT_REGION":              c.Function.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        c.Function.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     c.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       c.Logging.Group,
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_LOG_FORMAT":           "Text",
		"AWS_LAMBDA_RUNTIME_API":          e.Address,
		"LAMBDA_TASK_ROOT":                root(sandbox.TaskRoot),
		"LAMBDA_RUNTIME_DIR":              root(sandbox.RuntimeRoot),
	}
	if c.Logging.Format == "JSON" {
		vars["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		level := c.Logging.ApplicationLevel
		if level == "" {
			level = "INFO"
		}
		vars["AWS_LAMBDA_LOG_LEVEL"] = level
	}
	if r.Family != "provided" {
		vars["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + c.Runtime
	}
	if e.Socket != "" && r.Family != "provided" {
		vars["LAMBENT_RUNTIME_SOCKET"] = e.Socket
	}
	return vars
}

// searchPath answers PATH: for a managed runtime its own interpreter first, as on AWS; for a
// custom one the host's directories and then every interpreter.
func searchPath(r *Resolved, root func(string) string) string {
	system := []string{"/usr/local/bin", "/usr/bin/", "/bin", root(sandbox.LayerRoot) + "/bin"}
	if r.Family == "provided" {
		return strings.Join(append(system, r.Path...), ":")
	}
	return strings.Join(append(slices.Clone(r.Path), system...), ":")
}

// joinRoots joins paths as seen inside.
func joinRoots(root func(string) string, paths ...string) string {
	for i, p := range paths {
		paths[i] = translate(root, p)
	}
	return strings.Join(paths, ":")
}

// translate applies root to a path below one of the contract's folders.
func translate(root func(string) string, path string) string {
	for _, base := range []string{sandbox.TaskRoot, sandbox.RuntimeRoot, sandbox.LayerRoot} {
		if rest, ok := strings.CutPrefix(path, base); ok && (rest == "" || rest[0] == '/') {
			return root(base) + rest
		}
	}
	return path
}

// decodeClientContext answers the JSON of a client context; what is not base64 is passed as it is.
func decodeClientContext(encoded string) string {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return encoded
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) == nil {
		return compact.String()
	}
	return string(text)
}

// failure is how an invocation went wrong, as its caller is told.
type failure struct {
	status  lambda.Status
	kind    string // AWS's error type
	message string
	payload []byte   // the document, verbatim
	stack   []string // at most 50 frames
	report  bool     // REPORT says so: everything but an error that the function raised
}

// document writes an error document in the order of members that AWS uses.
func document(kind, message string) []byte {
	return marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{kind, message})
}

// marshal writes JSON without escaping for HTML. What it is given can always be written.
func marshal(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("{}")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// platformFailure is one that the runtime did not report itself.
func platformFailure(status lambda.Status, kind, requestID, message string) *failure {
	message = "RequestId: " + requestID + " Error: " + message
	return &failure{status: status, kind: kind, message: message, payload: document(kind, message), report: true}
}

func timeoutFailure(requestID string, timeout time.Duration) *failure {
	return platformFailure(lambda.StatusTimeout, "Sandbox.Timedout", requestID, "Task timed out after "+seconds(timeout)+" seconds")
}

// seconds writes a duration as AWS does in a timeout's message.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) }

// exitFailure judges a runtime whose process ended.
func exitFailure(requestID string, e sandbox.Exit) *failure {
	kind, message := "Runtime.ExitError", "Runtime exited without providing a reason"
	switch {
	case e.OOM:
		kind, message = "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"
	case e.Signal != "":
		message = "Runtime exited with error: signal: " + e.Signal
	case e.Code != 0:
		message = "Runtime exited with error: exit status " + strconv.Itoa(e.Code)
	}
	return platformFailure(lambda.StatusError, kind, requestID, message)
}

// tooLargeFailure is an answer beyond the limit; AWS writes its members in the other order.
func tooLargeFailure() *failure {
	const message = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
	const kind = "Function.ResponseSizeTooLarge"
	doc := marshal(struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{message, kind})
	return &failure{status: lambda.StatusError, kind: kind, message: message, payload: doc, report: true}
}

// Bounds of what an attempt keeps of an error document.
const (
	maxMessageBytes = 8 << 10
	maxFrameBytes   = 1 << 10
)

// reportedFailure reads an error document that the runtime sent. kind is from its header.
func reportedFailure(payload []byte, kind string) *failure {
	f := &failure{status: lambda.StatusError, kind: kind, payload: payload}
	var doc struct {
		ErrorType    string            `json:"errorType"`
		ErrorMessage string            `json:"errorMessage"`
		StackTrace   []json.RawMessage `json:"stackTrace"`
		Trace        []json.RawMessage `json:"trace"`
	}
	if err := json.Unmarshal(payload, &doc); err != nil {
		f.message = cut(string(payload), maxMessageBytes)
	} else {
		f.message = cut(doc.ErrorMessage, maxMessageBytes)
		if doc.ErrorType != "" {
			f.kind = doc.ErrorType
		}
		f.stack = frames(doc.StackTrace, doc.Trace)
	}
	if f.kind == "" {
		f.kind = "Runtime.Unknown"
	}
	if len(payload) == 0 {
		f.payload = document(f.kind, "")
	}
	return f
}

// frames makes text of a stack. Node's trace begins with the message, which is not a frame.
func frames(stack, trace []json.RawMessage) []string {
	var all []string
	for _, raw := range slices.Concat(stack, trace) {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		all = append(all, cut(s, maxFrameBytes))
	}
	if len(stack) == 0 {
		first := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "at ") })
		all = all[max(first, 0):]
	}
	return all[:min(len(all), lambda.MaxStackFrames)]
}

// cut shortens a text without splitting a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
