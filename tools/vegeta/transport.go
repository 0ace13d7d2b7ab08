package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
)

const connectionsOfHTTP2 = 8

// tripper is the client's transport: it finds the slot of a request, and writes down what vegeta does not measure.
type tripper struct {
	slots  *slots
	direct *direct           // HTTP/1
	inner  []*http.Transport // HTTP/2, taken in turn
	open   *atomic.Int64     // connections
}

func newTripper(l *load, dials *dialer, all *slots) *tripper {
	secure := &tls.Config{InsecureSkipVerify: l.Insecure} // where the suite asks for it
	made := &tripper{slots: all, open: &dials.open}
	if l.HTTP2 {
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
	made.direct = &direct{
		dials: dials, tls: secure, timeout: seconds(l.TimeoutS), keep: l.KeepAlive,
		idle: map[server][]*line{}, many: map[server]int{},
	}
	dials.changed = made.direct.closeIdle
	return made
}

func newTransport(secure *tls.Config, dials *dialer) *http.Transport {
	made := &http.Transport{
		DialContext:        dials.dial,
		TLSClientConfig:    secure,
		DisableCompression: true, // bytes are those that were sent, and no header is added to the suite's
		Protocols:          &http.Protocols{},
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
	response.Body = &s.body
	return response, nil
}

func (t *tripper) send(req *http.Request, s *slot) (*http.Response, error) {
	if t.direct != nil {
		return t.direct.roundTrip(req, s)
	}
	if s.connect < 0 && t.open.Load() < int64(len(t.inner)) {
		req = traced(req, s)
	}
	response, err := t.inner[s.own%int64(len(t.inner))].RoundTrip(req)
	if err == nil {
		s.body = counted{inner: response.Body, slot: s}
	}
	return response, err
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
