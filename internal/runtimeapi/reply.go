package runtimeapi

import (
	"encoding/json"
	"net"
	"strconv"
)

// accepted answers a response, an error or an init error that was taken.
const accepted = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n"

const proceed = "HTTP/1.1 100 Continue\r\n\r\n"

// vectorBytes is the size from which an event is written beside its head instead of copied.
const vectorBytes = 32 << 10

// statusText holds the reason phrases in use.
func statusText(status int) string {
	switch status {
	case 202:
		return "Accepted"
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 410:
		return "Gone"
	case 413:
		return "Request Entity Too Large"
	case 417:
		return "Expectation Failed"
	case 431:
		return "Request Header Fields Too Large"
	case 505:
		return "HTTP Version Not Supported"
	}
	return "Error"
}

// appendFault appends a reply that carries an error document.
func appendFault(out []byte, f *fault, last bool) []byte {
	doc, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{f.kind, f.message})
	if err != nil {
		doc = []byte("{}")
	}
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(f.status), 10)
	out = append(out, ' ')
	out = append(out, statusText(f.status)...)
	out = append(out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(doc)), 10)
	if last {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(out, "\r\n\r\n"...)
	return append(out, doc...)
}

// appendEvent appends the head of an answer to next, without the payload.
func appendEvent(out []byte, inv *Invocation) []byte {
	out = append(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...)
	out = appendValue(out, inv.RequestID)
	out = append(out, "\r\nLambda-Runtime-Deadline-Ms: "...)
	out = strconv.AppendInt(out, inv.Deadline.UnixMilli(), 10)
	out = append(out, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	out = appendValue(out, inv.FunctionARN)
	out = appendHeader(out, "Lambda-Runtime-Invocation-Id", inv.InvocationID)
	out = appendHeader(out, "Lambda-Runtime-Trace-Id", inv.TraceHeader)
	out = appendHeader(out, "Lambda-Runtime-Client-Context", inv.ClientContext)
	out = appendHeader(out, "Lambda-Runtime-Cognito-Identity", inv.Identity)
	out = appendHeader(out, "Lambda-Runtime-Aws-Tenant-Id", inv.TenantID)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(inv.Payload)), 10)
	return append(out, "\r\n\r\n"...)
}

func appendHeader(out []byte, name, value string) []byte {
	if value == "" {
		return out
	}
	out = append(out, "\r\n"...)
	out = append(out, name...)
	out = append(out, ": "...)
	return appendValue(out, value)
}

// appendValue keeps a caller's text from ending the header that carries it.
func appendValue(out []byte, value string) []byte {
	for i := range len(value) {
		c := value[i]
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		out = append(out, c)
	}
	return out
}

// send writes head and payload in one system call.
func send(nc net.Conn, head, payload []byte) error {
	if len(payload) == 0 {
		_, err := nc.Write(head)
		return err
	}
	parts := net.Buffers{head, payload}
	_, err := parts.WriteTo(nc)
	return err
}
