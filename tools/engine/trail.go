package main

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// trail is what a slot knows of its last request, a redirect's included, and of the response.
type trail struct {
	wire     []byte // the request as sent over HTTP/1; nil: it is invalid
	memory   []byte // of wire, if it was made for this request
	to       server
	hops     int       // redirects before this request
	referred bool      // the last of them set the Referer field
	peer     net.Addr  // nil: no connection was made
	fresh    bool      // the connection was made for this request
	head     *sentHead // Go's client: in place of the head of wire
	gotHead  []byte    // of the response, as received
	gotBody  []byte    // its beginning, as far as it was copied
	checked  []checked // assertions
}

// sentHead is a head as Go's client sends it, in a goroutine that may outlive the request.
type sentHead struct {
	mutex sync.Mutex
	text  []byte
}

func newSentHead(req *http.Request) *sentHead {
	text := make([]byte, 0, 512)
	text = append(append(append(append(text, req.Method...), ' '), req.URL.RequestURI()...), " HTTP\r\n"...)
	return &sentHead{text: text}
}

func (h *sentHead) add(name string, values []string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, value := range values {
		if name[0] != ':' { // such fields are HTTP/2's request line
			h.text = append(append(append(append(h.text, name...), ": "...), value...), "\r\n"...)
		}
	}
}

// sentBytes returns the request of a slot.
func (s *slot) sentBytes() (head, body []byte) {
	end := endOfHead(s.wire, 0)
	if end < 0 {
		return nil, nil
	}
	if s.head == nil {
		return s.wire[:end], s.wire[end:]
	}
	s.head.mutex.Lock()
	defer s.head.mutex.Unlock()
	return append(bytes.Clone(s.head.text), "\r\n"...), s.wire[end:]
}

// kept is one request with its response.
type kept struct {
	outcome
	why                             string
	label                           uint32
	due, sent, headers, connect, at int64
	url                             string
	request, response               []byte // from the head on, without the rest of a long body
	requestBytes, responseBytes     int64
	hops                            int
	peer                            net.Addr
	fresh                           bool
	checked                         []checked
	variables                       [][2]string
}

// set copies a slot, which its next request will change.
func (e *kept) set(s *slot, at int64, o outcome, mostBody int64) {
	head, body := s.sentBytes()
	url := ""
	if head != nil {
		url = s.address()
	} else if s.request != nil {
		url = s.request.written
	}
	got := s.gotBody[:min(int64(len(s.gotBody)), mostBody)]
	*e = kept{
		outcome: o, why: e.why, label: s.label, url: url, hops: s.hops, peer: s.peer, fresh: s.fresh,
		due: s.due, sent: s.sent, headers: s.headers, connect: s.connect, at: at,
		request:      append(append(e.request[:0], head...), body[:min(int64(len(body)), mostBody)]...),
		response:     append(append(e.response[:0], s.gotHead...), got...),
		requestBytes: int64(len(body)), responseBytes: s.bytes,
		checked: slices.Clone(s.checked),
	}
	if s.session != nil && e.why == "tried" {
		e.variables = s.session.values.All()
	}
}

// line is what the worker reads; src/toril/engines/keeping.py explains its fields.
func (e *kept) line(label string, mostBody int64) map[string]any {
	method, _, sent, body := parseHead(e.request)
	line := map[string]any{
		"why": e.why, "label": label, "kind": "request", "ok": e.ok, "rc": e.rc, "error": e.message,
		"started_s": float64(epochUS(e.sent)) / 1e6, "response_us": (e.at - e.due) / 1000, "ttfb_us": nil, "connect_us": nil,
		"method": method, "url": e.url, "request_headers": sent, "request": body, "request_bytes": e.requestBytes,
		"status": nil, "response_headers": [][2]string{}, "response": nil, "response_bytes": 0,
		"asserted": e.asserted(), "variables": append([][2]string{}, e.variables...), "connection": "", "remote": "", "hops": e.hops, "notes": []string{},
	}
	if e.peer == nil {
		line["notes"] = []string{"The request was not sent: there was no connection."}
		line["request_headers"], line["request"], line["request_bytes"] = [][2]string{}, nil, 0
		return line
	}
	line["remote"], line["connection"] = e.peer.String(), "reused"
	if e.fresh {
		line["connection"] = "new"
	}
	if e.connect >= 0 {
		line["connect_us"] = e.connect / 1000
	}
	if e.headers > 0 {
		line["ttfb_us"] = (e.headers - e.sent) / 1000
	}
	if len(e.response) == 0 {
		return line
	}
	_, status, got, body := parseHead(e.response)
	line["status"], _ = strconv.Atoi(status)
	line["response_headers"], line["response_bytes"] = got, e.responseBytes
	whole, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(e.response)), &http.Request{Method: method})
	if err == nil {
		body, _ = io.ReadAll(io.LimitReader(whole.Body, mostBody)) // without chunks; ends early where the copy does
	}
	line["response"] = body
	return line
}

// asserted returns the assertions as keeping.py has them.
func (e *kept) asserted() []map[string]any {
	found := []map[string]any{}
	for i := range e.checked {
		found = append(found, e.checked[i].line())
	}
	return found
}

// parseHead returns the first two words of a head, its fields in their order, and what follows it.
func parseHead(text []byte) (first, second string, fields [][2]string, rest []byte) {
	fields = [][2]string{}
	end := max(endOfHead(text, 0), 0)
	start, lines, _ := strings.Cut(string(text[:end]), "\n")
	if words := strings.Fields(start); len(words) > 1 {
		first, second = words[0], words[1]
	}
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields = append(fields, [2]string{name, strings.TrimSpace(value)})
		}
	}
	return first, second, fields, text[end:]
}

const (
	traceHeader = "Traceparent"
	noTrace     = "00-00000000000000000000000000000000-0000000000000000-01" // the place of a W3C trace context
)

// traceIn returns the place of the trace context in a request.
func traceIn(wire []byte) []byte {
	before := "\r\n" + traceHeader + ": "
	at := bytes.Index(wire, []byte(before)) + len(before)
	return wire[at : at+len(noTrace)]
}

// setTrace makes a trace context a new one.
func setTrace(text []byte) {
	const digits = "0123456789abcdef"
	for _, at := range [...]int{3, 19, 36} {
		for bits, i := rand.Uint64()|1, 0; i < 16; i++ { // never all zeros
			text[at+i] = digits[bits>>(4*i)&15]
		}
	}
}
