package lambent

import (
	"encoding/json"
	"net/http"
)

// route is one line of the API's table.
type route struct {
	method, path string
	summary      string
	query        []param
	request      any // a zero value of the body's type; nil: no body
	bodyBytes    int64
	status       int  // of success; 0: 200
	response     any  // a zero value of the answer's type; nil: no content
	lines        bool // the answer is a stream of JSON lines
	root         bool // needs the root key
	unsigned     bool // needs no signature
	anyQuery     bool // takes any query and body
	handle       func(c *call) (any, error)
}

// param is a query parameter.
type param struct{ name, doc string }

// filterParams choose dead letters; filterBody has the same names.
var filterParams = []param{
	{"function", "name or ARN; a name is of the credential's region"},
	{"qualifier", "as called; $LATEST means unqualified calls too"},
	{"errorType", "the whole error type"},
	{"condition", "why events were given up: their condition or their ending"},
	{"fingerprint", "a group's"},
	{"text", "anywhere in the error message or the destination's, in any case"},
	{"since", "of burial, inclusive: RFC 3339, or a duration back from now (90s, 15m, 1h, 7d)"},
	{"until", "of burial, exclusive: as since"},
}

func with(params []param, more ...param) []param {
	return append(append([]param(nil), params...), more...)
}

// filterBody is a filter in a body. Pointers tell "not given" from "given, but empty", which is
// refused: an empty variable in a script must not widen a purge.
type filterBody struct {
	Function    *string `json:"function,omitempty" doc:"name or ARN"`
	Qualifier   *string `json:"qualifier,omitempty"`
	ErrorType   *string `json:"errorType,omitempty"`
	Condition   *string `json:"condition,omitempty" doc:"of the condition or the ending"`
	Fingerprint *string `json:"fingerprint,omitempty"`
	Text        *string `json:"text,omitempty"`
	Since       *string `json:"since,omitempty" doc:"RFC 3339, or a duration back from now"`
	Until       *string `json:"until,omitempty" doc:"RFC 3339, or a duration back from now"`
}

type selectionBody struct {
	IDs    []string    `json:"ids,omitempty" doc:"at most 10,000"`
	Filter *filterBody `json:"filter,omitempty" doc:"at least one member"`
	All    bool        `json:"all,omitempty" doc:"every dead letter of the account"`
}

type redriveBody struct {
	selectionBody
	To           string          `json:"to,omitempty" doc:"another qualifier"`
	PayloadPatch json.RawMessage `json:"payloadPatch,omitempty" doc:"JSON merge patch of every payload"`
	DryRun       bool            `json:"dryRun,omitempty" doc:"count, change nothing"`
}

type editBody struct {
	Payload *string         `json:"payload,omitempty" doc:"the whole new text, JSON"`
	Patch   json.RawMessage `json:"patch,omitempty" doc:"JSON merge patch"`
}

// routes is the table. ServeMux prefers the literal segment to the wildcard.
func (s *Server) routes() []route {
	const letters, jobs, accounts = "/lambent/deadletters", "/lambent/jobs", "/lambent/accounts"
	return []route{
		{method: http.MethodGet, path: letters, summary: "List dead letters, newest first",
			query:    with(filterParams, param{"limit", "1 to 1,000; 50 when not given"}, param{"nextToken", "of the page before, for the same filter"}),
			response: lettersView{}, handle: s.listLetters},
		{method: http.MethodGet, path: letters + "/groups", summary: "Count dead letters that failed alike",
			query: filterParams, response: groupsView{}, handle: s.listGroups},
		{method: http.MethodGet, path: letters + "/{id}", summary: "Show a dead letter with its payload and attempts",
			response: letterView{}, handle: s.getLetter},
		{method: http.MethodPatch, path: letters + "/{id}", summary: "Edit a dead letter's payload; the one before is kept",
			request: editBody{}, bodyBytes: maxPayloadBytes, response: letterView{}, handle: s.editLetter},
		{method: http.MethodPost, path: letters + "/redrive", summary: "Process dead letters again: ids, a filter or all",
			request: redriveBody{}, bodyBytes: 2 * maxBodyBytes, response: jobView{}, handle: s.redrive},
		{method: http.MethodPost, path: letters + "/purge", summary: "Delete dead letters: ids, a filter or all",
			request: selectionBody{}, response: jobView{}, handle: s.purge},

		{method: http.MethodGet, path: jobs, summary: "List redrive and purge jobs, newest first", response: jobsView{}, handle: s.listJobs},
		{method: http.MethodGet, path: jobs + "/{id}", summary: "Show a job", response: jobView{}, handle: s.job(s.Jobs.Get)},
		{method: http.MethodPost, path: jobs + "/{id}/pause", summary: "Pause a running job", response: jobView{}, handle: s.job(s.Jobs.Pause)},
		{method: http.MethodPost, path: jobs + "/{id}/resume", summary: "Let a paused job go on", response: jobView{}, handle: s.job(s.Jobs.Resume)},
		{method: http.MethodPost, path: jobs + "/{id}/cancel", summary: "End a job; what it has moved stays moved", response: jobView{}, handle: s.job(s.Jobs.Cancel)},

		{method: http.MethodGet, path: accounts, summary: "List accounts", root: true, response: accountsView{}, handle: s.listAccounts},
		{method: http.MethodGet, path: accounts + "/{id}", summary: "Show an account", root: true, response: accountView{}, handle: s.getAccount},
		{method: http.MethodPut, path: accounts + "/{id}", summary: "Create an account of 12 digits", root: true, response: accountView{}, handle: s.putAccount},
		{method: http.MethodDelete, path: accounts + "/{id}", summary: "Delete an account and its keys; its dead letters stay", root: true, status: http.StatusNoContent, handle: s.deleteAccount},
		{method: http.MethodGet, path: accounts + "/{id}/keys", summary: "List an account's access keys, without secrets", root: true, response: keysView{}, handle: s.listKeys},
		{method: http.MethodPost, path: accounts + "/{id}/keys", summary: "Create an access key; its secret is answered this once", root: true,
			status: http.StatusCreated, response: newKeyView{}, handle: s.createKey},
		{method: http.MethodDelete, path: accounts + "/{id}/keys/{accessKey}", summary: "Delete an access key", root: true, status: http.StatusNoContent, handle: s.deleteKey},

		{method: http.MethodGet, path: "/lambent/functions/{name}/logs", summary: "Read a function's log as JSON lines", lines: true, response: lineView{}, handle: s.readLog,
			query: []param{{"since", "RFC 3339, or a duration back from now"}, {"follow", "true: wait for more lines"}, {"limit", "only the newest of the lines that are there, at most 10,000"}}},

		{method: http.MethodGet, path: "/lambent/openapi.json", summary: "This document", unsigned: true, response: map[string]any{}, handle: func(*call) (any, error) {
			return json.RawMessage(s.openapi), nil
		}},
	}
}
