// Package agent is the language in which the conformance suite talks to the program that it runs
// inside an environment: JSON requests on a connection that the program opened, one reply each.
//
// It holds no operations: a real program has them all, a scripted one those that make sense.
package agent

import (
	"encoding/json"
	"errors"
	"io"
	"net"
)

// The operations that every program answers.
const (
	Ping  = "ping"  // a reply without content
	Exit  = "exit"  // ends the program with status N, without a reply
	Kill  = "kill"  // ends the program with signal N, without a reply
	Env   = "env"   // List: the environment
	Cwd   = "cwd"   // Text: the working directory
	Print = "print" // writes Text to descriptor N, 1 or 2
	Dial  = "dial"  // opens another connection to Path on network Text, and closes it
)

// The operations that need a file system or processes.
const (
	Write  = "write"  // writes Text to the file Path
	Read   = "read"   // Text: the file Path
	Fill   = "fill"   // writes N MB to the file Path
	Spawn  = "spawn"  // starts N children; Text "setsid" gives each a session of its own
	Ignore = "ignore" // ignores every signal that can be ignored
	Alloc  = "alloc"  // holds N MB of memory
	Files  = "files"  // List: the open descriptors, "number target"
)

// Request asks for one operation.
type Request struct {
	Op   string
	Path string `json:",omitempty"`
	Text string `json:",omitempty"`
	N    int    `json:",omitempty"`
}

// Reply answers one request.
type Reply struct {
	Text  string   `json:",omitempty"`
	List  []string `json:",omitempty"`
	Error string   `json:",omitempty"`
}

// Operation does what a request asks for.
type Operation func(Request) (Reply, error)

// Serve answers requests until the other side closes the connection.
func Serve(conn net.Conn, operations map[string]Operation) error {
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for {
		var q Request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		reply, err := Reply{}, errors.New("no such operation: "+q.Op)
		if operation := operations[q.Op]; operation != nil {
			reply, err = operation(q)
		}
		if err != nil {
			reply.Error = err.Error()
		}
		if err := out.Encode(reply); err != nil {
			return err
		}
	}
}
