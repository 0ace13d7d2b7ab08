package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

const (
	mostHeaders   = 256 << 10 // bytes: as many heads may be gathered as requests may be in flight
	mostAnnounced = 5         // responses before the response, as of Go's own transport
)

var (
	errHeaders   = errors.New("malformed HTTP response: its headers are longer than 256 KiB")
	errAnnounced = errors.New("malformed HTTP response: more than 5 of 1xx came before it")
)

type phase int

const (
	inHead phase = iota
	byLength
	inChunks
	untilClosed
	whole
)

// response is what has come of one over HTTP/1: bytes are given to it as they come, and of the body counted only.
type response struct {
	method  string
	follows bool // a redirect will be followed: its headers are wanted
	always  bool // its headers are wanted in any case

	phase     phase
	partial   []byte // a head that is not whole yet
	seen      int    // bytes of it in which its end is not
	plausible bool   // its first line is known to be one
	announced int    // heads of 1xx so far
	framing   framing
	full      *http.Response // where its headers are wanted
	left      int64
	chunks    chunks
	bytes     int64 // of the body
	surplus   bool  // there was more than the response
}

// framing is what a head says about the body, and what became of the request.
type framing struct {
	status  int
	length  int64 // -1: unknown
	chunked bool
	closes  bool
}

func (r *response) begin(method string, follows, always bool) {
	*r = response{method: method, follows: follows, always: always, partial: r.partial[:0]}
}

// feed takes what came; headed is true when it had the end of the head in it.
func (r *response) feed(data []byte) (headed bool, err error) {
	for r.phase == inHead {
		if len(r.partial) > 0 {
			r.partial = append(r.partial, data...)
			data = r.partial
		}
		end := endOfHead(data, r.seen)
		if end < 0 {
			return false, r.keep(data)
		}
		if err := r.head(data[:end]); err != nil {
			return false, err
		}
		data, r.partial, r.seen, r.plausible = data[end:], r.partial[:0], 0, false
		if r.framing.status < 200 && r.framing.status != http.StatusSwitchingProtocols {
			if r.announced++; r.announced > mostAnnounced {
				return false, errAnnounced
			}
			if len(data) == 0 {
				return false, nil
			}
			data = bytes.Clone(data) // it may lie where the next head is gathered
			continue
		}
		headed = true
		r.body()
	}
	return headed, r.take(data)
}

// keep waits for the rest of a head, unless there will be none.
func (r *response) keep(data []byte) error {
	if len(data) > mostHeaders {
		return errHeaders
	}
	if first := bytes.IndexByte(data[r.seen:], '\n'); first >= 0 && !r.plausible {
		if _, err := r.parsed(data[:r.seen+first+1]); !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		r.plausible = true
	}
	r.seen = max(0, len(data)-3)
	if len(r.partial) == 0 {
		r.partial = append(r.partial, data...)
	}
	return nil
}

func (r *response) head(data []byte) error {
	plain, usual := quick(data)
	redirect := r.follows && plain.status/100 == 3
	if usual && !redirect && !r.always {
		r.framing = plain
		return nil
	}
	full, err := r.parsed(data)
	if err != nil {
		return err
	}
	r.full = full
	r.framing = framing{full.StatusCode, full.ContentLength, len(full.TransferEncoding) > 0, full.Close}
	return nil
}

// parsed is by Go's own parser, whatever is not quite usual.
func (r *response) parsed(data []byte) (*http.Response, error) {
	full, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &http.Request{Method: r.method})
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return full, err
}

func (r *response) body() {
	status := r.framing.status
	switch {
	case r.method == http.MethodHead, status == http.StatusNoContent, status == http.StatusNotModified,
		status == http.StatusSwitchingProtocols:
		r.phase = whole
	case r.framing.chunked:
		r.phase = inChunks
	case r.framing.length < 0:
		r.phase, r.framing.closes = untilClosed, true
	case r.framing.length == 0:
		r.phase = whole
	default:
		r.phase, r.left = byLength, r.framing.length
	}
}

func (r *response) take(data []byte) error {
	switch r.phase {
	case byLength:
		some := min(r.left, int64(len(data)))
		r.bytes, r.left = r.bytes+some, r.left-some
		data = data[some:]
		if r.left == 0 {
			r.phase = whole
		}
	case inChunks:
		rest, body, err := r.chunks.feed(data)
		r.bytes += body
		if err != nil {
			return err
		}
		data = rest
		if r.chunks.done() {
			r.phase = whole
		}
	case untilClosed:
		r.bytes += int64(len(data))
		return nil
	}
	r.surplus = r.surplus || len(data) > 0
	return nil
}

// ended is what it means that nothing more will come.
func (r *response) ended() error {
	switch {
	case r.phase == untilClosed:
		r.phase = whole
		return nil
	case r.phase == inHead && len(r.partial) > 0:
		if _, err := r.parsed(r.partial); err != nil {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// again is whether another request can be sent over the same connection.
func (r *response) again() bool {
	return r.phase == whole && !r.framing.closes && !r.surplus && r.framing.status != http.StatusSwitchingProtocols
}
