package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// target is a signed request that may be sent many times within a signature's life, so that the
// client's share of the two cores is small and the same for a server and its floor.
type target struct {
	address string
	request []byte
}

type credentials struct{ key, secret string }

// sign prepares one request.
func sign(address string, c credentials, method, path string, headers map[string]string, body []byte) (target, error) {
	r, err := http.NewRequest(method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return target{}, err
	}
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: c.key, SecretAccessKey: c.secret},
		r, hex.EncodeToString(sum[:]), "lambda", "us-east-1", time.Now())
	if err != nil {
		return target{}, err
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return target{}, err
	}
	return target{address, b.Bytes()}, nil
}

// connection is one keep-alive connection.
type connection struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(address string) (*connection, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

// send sends a request and reads its whole answer.
func (c *connection) send(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("answer %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if k, v, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(k, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return 0, nil, err
			}
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.in, body)
	return status, body, err
}

// throughput sends from many connections for a time and answers requests per second.
func throughput(t target, connections, wantStatus int, length time.Duration) (perSecond float64, err error) {
	var count atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, connections)
	start := time.Now()
	end := start.Add(length)
	for range connections {
		group.Go(func() {
			c, err := dial(t.address)
			if err != nil {
				failed <- err
				return
			}
			defer c.conn.Close()
			for time.Now().Before(end) {
				status, body, err := c.send(t.request)
				if err != nil || status != wantStatus {
					failed <- fmt.Errorf("status %d, %v: %.200s", status, err, body)
					return
				}
				count.Add(1)
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	return float64(count.Load()) / time.Since(start).Seconds(), nil
}

// latency sends one request after another and answers the sorted durations.
func latency(t target, wantStatus, n int) ([]time.Duration, error) {
	c, err := dial(t.address)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	all := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		status, body, err := c.send(t.request)
		if err != nil || status != wantStatus {
			return nil, fmt.Errorf("status %d, %v: %.200s", status, err, body)
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all, nil
}

func p50(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }
