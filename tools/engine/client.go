package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"
)

const http2Connections = 8

// client sends a loop's requests by Go's HTTP client: over HTTP/2, and where there is no epoll over HTTP/1. Each request in
// flight has a goroutine.
type client struct {
	load   *load
	engine *engine
	shared []*http.Transport // those that all requests share, used in turn
	next   int
	epoch  int // of the addresses of names
}

func newClient(l *load, e *engine) *client {
	count := 1
	if l.HTTP2 {
		count = http2Connections // one would send all requests over one connection, to one address of a load balancer
	}
	t := &client{load: l, engine: e}
	for range count {
		t.shared = append(t.shared, newTransport(l, e))
	}
	return t
}

// transport returns the transport for the next request of a user, or of all: nil.
func (t *client) transport(own *connections) *http.Transport {
	if own == nil {
		t.next++
		return t.shared[t.next%len(t.shared)]
	}
	if own.transport == nil {
		own.transport = newTransport(t.load, t.engine)
	} else if own.epoch != t.epoch {
		own.transport.CloseIdleConnections()
	}
	own.epoch = t.epoch
	return own.transport
}

func newTransport(l *load, e *engine) *http.Transport {
	t := &http.Transport{
		DialContext:            e.dialer.dial,
		TLSClientConfig:        e.tls.Clone(),
		TLSHandshakeTimeout:    connectTimeout,
		DisableCompression:     true, // adds no header to the suite's, and bytes are counted as sent
		MaxIdleConnsPerHost:    l.MaxWorkers,
		MaxResponseHeaderBytes: maxHeadBytes,
		Protocols:              &http.Protocols{},
	}
	t.Protocols.SetHTTP1(!l.HTTP2)
	t.Protocols.SetHTTP2(l.HTTP2)
	t.Protocols.SetUnencryptedHTTP2(l.HTTP2)
	return t
}

// closeIdle closes idle connections, those of a user just before its next request.
func (t *client) closeIdle() {
	t.epoch++
	for _, transport := range t.shared {
		transport.CloseIdleConnections()
	}
}

// exchange sends a slot's request and posts the outcome to the loop.
func (t *client) exchange(o *loop, s *slot) {
	req, err := parseRequest(s.wire, s.to, t.load.HTTP2)
	if err != nil {
		o.settleLater(s, err)
		return
	}
	s.head = nil
	if o.keeper != nil {
		s.head = newSentHead(req)
	}
	req.Close = req.Close || s.closes
	transport := t.transport(s.own)
	go func() {
		trip := trip{slot: s}
		r := trip.run(o, transport, req)
		o.post(func() { s.peer, s.fresh, s.connect = r.peer, r.fresh, r.connect; o.settle(s, r) })
	}()
}

// parseRequest returns a request as Go's client takes it. Over HTTP/2 that repeats only what a service says it has not
// seen. Over HTTP/1 it would repeat a request on which a connection ended, unless there is a body that it cannot get again.
func parseRequest(wire []byte, to server, http2 bool) (*http.Request, error) {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		return nil, err
	}
	req.URL.Scheme, req.URL.Host, req.RequestURI = to.scheme, to.host, ""
	body := bytes.Clone(wire[endOfHead(wire, 0):]) // the transport may read it after the slot has gone on
	again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	switch mayBeRepeated := req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == http.MethodOptions; {
	case len(body) > 0:
		req.Body, _ = again()
		req.ContentLength = int64(len(body))
	case mayBeRepeated && !http2:
		req.Body, _ = again() // empty: net/http finds that out, and sends none
	}
	if http2 && len(body) > 0 {
		req.GetBody = again
	}
	if req.Header["User-Agent"] == nil {
		req.Header["User-Agent"] = []string{""} // none rather than Go's
	}
	return req, nil
}

// trip is one request in flight.
type trip struct {
	slot *slot
	exchanged
	informational int
}

func (t *trip) run(o *loop, transport *http.Transport, req *http.Request) exchanged {
	s := t.slot
	t.connect = s.connect
	ctx, cancel := context.WithDeadline(context.Background(), processStart.Add(time.Duration(s.deadline)))
	defer cancel()
	response, err := transport.RoundTrip(req.WithContext(t.traced(ctx)))
	if err != nil {
		t.err, t.at = err, now()
		return t.exchanged
	}
	defer response.Body.Close()
	t.headers = now()
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s\r\n", response.Proto, response.Status)
	_ = response.Header.Write(&head)
	t.head = append(head.Bytes(), "\r\n"...)
	room := o.room(s, response.StatusCode, false, t.headers)
	body, err := io.ReadAll(io.LimitReader(response.Body, room))
	t.body, t.bytes = body, int64(len(body))
	if err == nil {
		more, failed := io.Copy(io.Discard, response.Body)
		t.bytes, err = t.bytes+more, failed
	}
	if t.err = err; err == nil {
		t.status = response.StatusCode
	}
	t.at = now()
	return t.exchanged
}

// traced measures how long a new connection takes and bounds informational responses.
func (t *trip) traced(ctx context.Context) context.Context {
	asked := now()
	trace := &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			t.peer, t.fresh = got.Conn.RemoteAddr(), !got.Reused
			if !got.Reused && t.connect < 0 {
				t.connect = now() - asked
			}
		},
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			if t.informational++; t.informational > maxInformational {
				return errManyInformational
			}
			return nil
		},
	}
	if t.slot.head != nil {
		trace.WroteHeaderField = t.slot.head.add
	}
	return httptrace.WithClientTrace(ctx, trace)
}
