package runtimeapi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
)

// maxDrainBytes is how much of a body that nobody wants is read, so that the connection can go
// on. Past it the connection ends.
const maxDrainBytes = 256 << 20

var errDrained = errors.New("body too large to skip")

// body reads one request's body; it implements io.Reader.
type body struct {
	br      *bufio.Reader
	left    int64 // of the body, or of the current chunk
	chunked bool
	started bool // a chunk has been read: its line end is due
	done    bool
	budget  int // of chunk lines and trailers

	errorType string // trailers of a streamed answer that failed in its middle
	errorBody []byte
}

func newBody(br *bufio.Reader, r *request) *body {
	return &body{br: br, left: max(r.length, 0), chunked: r.length < 0, done: r.length == 0, budget: maxHeadBytes}
}

func (b *body) Read(p []byte) (int, error) {
	if b.chunked && b.left == 0 && !b.done {
		if err := b.nextChunk(); err != nil {
			return 0, unexpected(err)
		}
	}
	if b.done {
		return 0, io.EOF
	}
	n, err := b.br.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.left == 0 && !b.chunked {
		b.done = true
	}
	return n, unexpected(err)
}

// nextChunk reads a chunk's size line, and the trailers after the last chunk.
func (b *body) nextChunk() error {
	if b.started {
		if line, err := readLine(b.br, &b.budget); err != nil {
			return err
		} else if len(line) != 0 {
			return badRequest("A chunk is longer than it said.")
		}
	}
	line, err := readLine(b.br, &b.budget)
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 62)
	if err != nil {
		return badRequest("A chunk's size is malformed.")
	}
	// A line of the head may be long once; many short chunks are what streams are made of.
	b.left, b.started, b.budget = int64(n), true, maxHeadBytes
	if n > 0 {
		return nil
	}
	b.done = true
	return b.readTrailers()
}

func (b *body) readTrailers() error {
	for range maxHeaders {
		line, err := readLine(b.br, &b.budget)
		if errors.Is(err, errLongLine) {
			continue
		}
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		name, value, _ := bytes.Cut(line, colon)
		value = bytes.Trim(value, " \t")
		switch {
		case foldEqual(name, "lambda-runtime-function-error-type"):
			b.errorType = string(value)
		case foldEqual(name, "lambda-runtime-function-error-body"):
			b.errorBody = decodeTrailer(value)
		}
	}
	return &fault{431, "InvalidRequest", "Too many trailers."}
}

// decodeTrailer decodes base64; what is not base64 is kept as it came.
func decodeTrailer(value []byte) []byte {
	if doc, err := base64.StdEncoding.DecodeString(string(value)); err == nil {
		return doc
	}
	return bytes.Clone(value)
}

// collect reads the body up to limit. over says that it is longer; the rest is then unread.
// Memory grows with what has arrived, not with what was announced.
func (b *body) collect(limit int) (data []byte, over bool, err error) {
	if !b.chunked && b.left > int64(limit) {
		return nil, true, nil
	}
	size := 512
	if !b.chunked {
		size = int(min(b.left, 64<<10))
	}
	data = make([]byte, 0, max(size, 1))
	for !b.done || b.chunked {
		if len(data) == cap(data) {
			grown := make([]byte, len(data), min(2*cap(data)+512, limit+1))
			copy(grown, data)
			data = grown
		}
		n, err := b.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if len(data) > limit {
			return nil, true, nil
		}
	}
	return data, false, nil
}

// drain reads what is left and forgets it.
func (b *body) drain() error {
	if b.done {
		return nil
	}
	n, err := io.CopyN(io.Discard, b, maxDrainBytes)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil && n == maxDrainBytes {
		return errDrained
	}
	return err
}
