package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
)

const connectionsOfHTTP2 = 8

// tripper is the client's transport: it finds the slot of a request, and writes down what vegeta does not measure.
type tripper struct {
	inner []*http.Transport // taken in turn
	slots *slots
	open  *atomic.Int64 // connections
	plain bool          // HTTP/1
	keep  bool
}

// newTransports are one, or for HTTP/2 several: one alone would send everything over one connection, and so to one
// address of a load balancer.
func newTransports(l *load, dials *dialer) []*http.Transport {
	made := make([]*http.Transport, 1)
	if l.HTTP2 {
		made = make([]*http.Transport, connectionsOfHTTP2)
	}
	for i := range made {
		made[i] = newTransport(l, dials)
	}
	dials.changed = func() {
		for _, one := range made {
			one.CloseIdleConnections()
		}
	}
	return made
}

func newTransport(l *load, dials *dialer) *http.Transport {
	made := &http.Transport{
		DialContext:         dials.dial,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: l.Insecure}, //nolint:gosec // the suite asks for it
		MaxIdleConnsPerHost: l.MaxWorkers,
		DisableKeepAlives:   !l.KeepAlive,
		DisableCompression:  true, // bytes are those that were sent, and no header is added to the suite's
		Protocols:           &http.Protocols{},
	}
	made.Protocols.SetHTTP1(!l.HTTP2)
	made.Protocols.SetHTTP2(l.HTTP2)
	made.Protocols.SetUnencryptedHTTP2(l.HTTP2)
	return made
}

// empty is a body that makes a request one that is not sent twice: Go repeats those without a body when a connection
// that was used before is closed or reset, and a failure that nobody sees is none that anybody mends.
var empty = io.NopCloser(strings.NewReader(""))

func (t *tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	s := t.slotOf(req)
	delete(req.Header, "X-Vegeta-Seq")
	if t.plain && (req.Body == nil || req.GetBody != nil) {
		if req.Body == nil {
			req.Body, req.ContentLength = empty, 0
			req.TransferEncoding = identity
		} else {
			again := *req
			again.GetBody = nil
			req = &again
		}
	}
	if s.connect < 0 && t.mayConnect() {
		req = t.traced(req, s)
	}
	response, err := t.inner[s.own%int64(len(t.inner))].RoundTrip(req)
	s.headers = now()
	if err != nil {
		s.headers, s.err = 0, err
		return nil, err
	}
	s.body.inner, s.body.bytes = response.Body, 0
	response.Body = &s.body
	return response, nil
}

var identity = []string{"identity"}

func (t *tripper) mayConnect() bool {
	if !t.plain {
		return t.open.Load() < int64(len(t.inner))
	}
	return !t.keep || t.open.Load() < int64(t.slots.inFlight())
}

// traced has its connection's making measured, if it should need a new one; of those that find an idle one most are
// spared the trouble.
func (t *tripper) traced(req *http.Request, s *slot) *http.Request {
	wanted := now()
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			if !got.Reused {
				s.connect = now() - wanted
			}
		},
	}))
}

// slotOf finds it in the fragment, which is never sent; a redirect's is that of the request it answers.
func (t *tripper) slotOf(req *http.Request) *slot {
	first := req
	for first.Response != nil {
		first = first.Response.Request
	}
	if first != req {
		req.URL.Fragment = first.URL.Fragment
		if referer := req.Header.Get("Referer"); referer != "" {
			address, _, _ := strings.Cut(referer, "#")
			req.Header.Set("Referer", address)
		}
	}
	index, _ := strconv.ParseUint(first.URL.Fragment, 10, 32)
	return &t.slots.all[index]
}
