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

// tripper is the transport of vegeta's client over HTTP/2: it finds the slot of a request, and writes down what vegeta
// does not measure.
type tripper struct {
	slots *slots
	inner []*http.Transport // taken in turn
	open  *atomic.Int64     // connections
}

func newTripper(l *load, dials *dialer, all *slots) *tripper {
	secure := &tls.Config{InsecureSkipVerify: l.Insecure} // where the suite asks for it
	made := &tripper{slots: all, open: &dials.open}
	// One alone would send everything over one connection, and so to one address of a load balancer.
	for range connectionsOfHTTP2 {
		made.inner = append(made.inner, newTransport(secure.Clone(), dials))
	}
	dials.changed = func() {
		for _, one := range made.inner {
			one.CloseIdleConnections()
		}
	}
	return made
}

func newTransport(secure *tls.Config, dials *dialer) *http.Transport {
	made := &http.Transport{
		DialContext:         dials.dial,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: connecting,
		DisableCompression:  true, // bytes are those that were sent, and no header is added to the suite's
		Protocols:           &http.Protocols{},

		MaxResponseHeaderBytes: maxHeadBytes,
	}
	made.Protocols.SetHTTP2(true)
	made.Protocols.SetUnencryptedHTTP2(true)
	return made
}

func (t *tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	s := t.slotOf(req)
	delete(req.Header, "X-Vegeta-Seq")
	response, err := t.send(req, s)
	if err != nil {
		s.headers, s.err = 0, err
		return nil, err
	}
	s.headers = now()
	response.Body = &counted{response.Body, s}
	return response, nil
}

func (t *tripper) send(req *http.Request, s *slot) (*http.Response, error) {
	s.bytes = 0
	if s.connect < 0 && t.open.Load() < int64(len(t.inner)) {
		req = traced(req, s)
	}
	return t.inner[s.own%int64(len(t.inner))].RoundTrip(req)
}

// counted is a response's body, of which only the length is kept.
type counted struct {
	io.ReadCloser
	slot *slot
}

func (c *counted) Read(into []byte) (int, error) {
	read, err := c.ReadCloser.Read(into)
	c.slot.bytes += int64(read)
	if err != nil && err != io.EOF {
		c.slot.err = err
	}
	return read, err
}

// traced has its connection's making measured, if it should need a new one.
func traced(req *http.Request, s *slot) *http.Request {
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
