package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

const (
	maxHeadBytes     = 256 << 10 // a loop may hold as many incomplete heads as requests in flight
	mostCommon       = 1 << 10   // a longer head is not kept for comparisons
	maxInformational = 5         // 1xx responses before the response itself
)

var (
	errHeadTooLong       = errors.New("malformed HTTP response: the headers exceed 256 KiB")
	errManyInformational = errors.New("malformed HTTP response: more than 5 informational (1xx) responses")
)

type phase int

const (
	inHead phase = iota
	inSizedBody
	inChunkedBody
	inUnsizedBody // ends with the connection
	complete
)

// response parses one HTTP/1 response in pieces as they arrive. It counts the body's bytes, and copies as many as asked.
//
// It reads a head as net/http would: the usual ones by parseCommonHead, the others by net/http itself.
type response struct {
	method     string // of the request
	phase      phase
	statusOK   bool   // the first line of an incomplete head is known to be a valid status line
	head       []byte // the beginning of an incomplete head
	scanned    int    // bytes of it known not to contain its end
	info       int    // 1xx responses so far
	framing    framing
	common     framing // what commonHead says
	commonHead []byte  // the last one in the usual form: many responses of a service have the same
	left       int64   // bytes of a sized body still to come
	chunks     chunks
	bodyBytes  int64
	excess     int    // bytes that arrived after the end of the response; invalid trailers may be among them
	whole      []byte // from the head on, as it lies in the memory of the read that completed the head
	headBytes  int    // 0: the head is incomplete
	copied     []byte // the response from its head on; empty if all of it arrived with its head
	room       int64  // bytes of the body that may be copied further
}

// framing is what a head says about the status, the end of the body and the connection.
type framing struct {
	status  int
	length  int64 // -1: unknown
	chunked bool
	closes  bool
}

// reset prepares for the response to a new request. It keeps the memory of incomplete heads and lines, unless that is much.
func (r *response) reset(method string) {
	head, pending := r.head, r.chunks.pending
	*r = response{method: method, common: r.common, commonHead: r.commonHead}
	if r.chunks.pending = pending[:0]; cap(head) <= readBytes/4 {
		r.head = head[:0]
	}
}

// copyHead copies the head and at most `room` bytes after it into `memory`. It follows the feed that completed the head.
func (r *response) copyHead(memory []byte) {
	r.copied = append(memory, r.whole[:r.headBytes]...)
	r.copyMore(r.whole[r.headBytes:])
}

// copyMore follows each later feed.
func (r *response) copyMore(data []byte) {
	data = data[:min(int64(max(len(data)-r.excess, 0)), r.room)]
	r.copied, r.room = append(r.copied, data...), r.room-int64(len(data))
}

// parts returns the head and as much of the body as was copied; all of it if the response arrived with its head. Then
// both lie in the memory of the last read.
func (r *response) parts() (head, body []byte) {
	whole := r.copied
	if len(whole) == 0 {
		whole = r.whole[:max(len(r.whole)-r.excess, r.headBytes)]
	}
	return whole[:r.headBytes], whole[r.headBytes:]
}

// feed parses the next bytes of the connection. headDone is true if they contained the end of the response's head.
func (r *response) feed(data []byte) (headDone bool, err error) {
	if r.phase == inHead {
		if len(r.head) > 0 {
			r.head = append(r.head, data...)
			data = r.head
		}
		if data, err = r.feedHead(data); err != nil || r.phase == inHead {
			return false, err
		}
		headDone = true
	}
	return headDone, r.feedBody(data)
}

// feedHead returns the bytes after the head, or keeps an incomplete head for the next call.
func (r *response) feedHead(data []byte) (body []byte, err error) {
	for {
		end := endOfHead(data, r.scanned)
		if end < 0 {
			return nil, r.keepIncomplete(data)
		}
		if err := r.parseHead(data[:end]); err != nil {
			return nil, err
		}
		if r.framing.status/100 != 1 || r.framing.status == http.StatusSwitchingProtocols {
			r.whole, r.headBytes = data, end
			r.head = r.head[:0]
			r.startBody()
			return data[end:], nil
		}
		data, r.scanned, r.statusOK = data[end:], 0, false
		if r.info++; r.info > maxInformational {
			return nil, errManyInformational
		}
	}
}

// keepIncomplete keeps the beginning of a head until the rest arrives. It rejects what can no longer become one.
func (r *response) keepIncomplete(data []byte) error {
	if len(data) > maxHeadBytes {
		return errHeadTooLong
	}
	if end := bytes.IndexByte(data[r.scanned:], '\n'); end >= 0 && !r.statusOK {
		if _, err := r.parseWithGo(data[:r.scanned+end+1]); !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		r.statusOK = true
	}
	r.scanned = max(0, len(data)-3)
	if len(data) != len(r.head) { // otherwise data is r.head, and copying it for each byte that arrives is quadratic
		r.head = append(r.head[:0], data...) // data may be the end of r.head: append copies overlapping memory correctly
	}
	return nil
}

func (r *response) parseHead(data []byte) error {
	if bytes.Equal(data, r.commonHead) {
		r.framing = r.common
		return nil
	}
	common, ok := parseCommonHead(data)
	if ok {
		if r.framing = common; len(data) <= mostCommon {
			r.common, r.commonHead = common, append(r.commonHead[:0], data...)
		}
		return nil
	}
	full, err := r.parseWithGo(data)
	if err != nil {
		return err
	}
	r.framing = framing{full.StatusCode, full.ContentLength, len(full.TransferEncoding) > 0, full.Close}
	return nil
}

func (r *response) parseWithGo(data []byte) (*http.Response, error) {
	full, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &http.Request{Method: r.method})
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return full, err
}

func (r *response) startBody() {
	status := r.framing.status
	switch {
	case r.method == http.MethodHead, status == http.StatusNoContent, status == http.StatusNotModified,
		status == http.StatusSwitchingProtocols:
		r.phase = complete
	case r.framing.chunked:
		r.phase = inChunkedBody
	case r.framing.length < 0:
		r.phase, r.framing.closes = inUnsizedBody, true
	case r.framing.length == 0:
		r.phase = complete
	default:
		r.phase, r.left = inSizedBody, r.framing.length
	}
}

func (r *response) feedBody(data []byte) error {
	switch r.phase {
	case inSizedBody:
		n := min(r.left, int64(len(data)))
		r.bodyBytes, r.left = r.bodyBytes+n, r.left-n
		data = data[n:]
		if r.left == 0 {
			r.phase = complete
		}
	case inChunkedBody:
		rest, n, err := r.chunks.feed(data)
		r.bodyBytes += n
		if err != nil {
			return err
		}
		data = rest
		if r.chunks.done() {
			r.phase = complete
		}
	case inUnsizedBody:
		r.bodyBytes += int64(len(data))
		return nil
	}
	r.excess += len(data)
	return nil
}

// closed ends the response with the connection. It returns an error if the response is incomplete.
func (r *response) closed() error {
	switch {
	case r.phase == inUnsizedBody:
		r.phase = complete
		return nil
	case r.phase == inHead && len(r.head) > 0:
		if _, err := r.parseWithGo(r.head); err != nil {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// untouched returns whether nothing of a response has arrived.
func (r *response) untouched() bool { return r.phase == inHead && len(r.head) == 0 }

// reusable is true if the connection may carry another request.
func (r *response) reusable() bool {
	return r.phase == complete && !r.framing.closes && r.excess == 0 && r.framing.status != http.StatusSwitchingProtocols
}
