package main

import (
	"bytes"
	"net/http"
)

// answer is the outcome of one request of a redirect.
type answer struct {
	head *http.Response
	err  error
}

// follow leaves redirects to Go's client, which knows how they change methods, bodies and headers. The client gets the
// response that has arrived, and its further requests go through the loop.
func (o *loop) follow(s *slot, first *http.Response) {
	rows, trace := s.rows, ""
	if s.request.traced {
		trace = string(traceIn(s.wire))
	}
	go func() {
		client := http.Client{Transport: &hops{o, s, first}, CheckRedirect: limitRedirects(o.load.Redirects)}
		status, at := 0, now()
		req, err := s.request.forGo(rows)
		if err == nil {
			if trace != "" {
				req.Header.Set(traceHeader, trace)
			}
			var last *http.Response
			if last, err = client.Do(req); err == nil {
				status = last.StatusCode
			}
			at = now()
		}
		o.post(func() { o.record(s, at, status, err) })
	}()
}

// hops is the client's transport: the loop.
type hops struct {
	loop  *loop
	slot  *slot
	first *http.Response // the response to the client's first request
}

func (h *hops) RoundTrip(req *http.Request) (*http.Response, error) {
	got := answer{head: h.first}
	if h.first == nil {
		var wire bytes.Buffer
		if err := req.Write(&wire); err != nil {
			return nil, err
		}
		answers := make(chan answer, 1)
		h.loop.post(func() {
			h.slot.hops++
			h.loop.exchange(h.slot, wire.Bytes(), server{req.URL.Scheme, req.URL.Host}, req.Method, answers)
		})
		got = <-answers
	}
	h.first = nil
	if got.err != nil {
		return nil, got.err
	}
	got.head.Request, got.head.Body = req, http.NoBody
	return got.head, nil
}
