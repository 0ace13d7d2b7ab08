package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	initialWorkers   = 64
	http2Connections = 8
)

// sendWithClient sends the load by vegeta's attack over Go's HTTP client: HTTP/2, and where there is no loop HTTP/1.
func sendWithClient(l *load, e *engine) error {
	slots := newSlots(l.MaxWorkers)
	pacer := e.addPacer(l, slots, 0, 1)
	var err error
	if pacer.alarm, err = newAlarm(); err != nil {
		return err
	}
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport: newTransport(l, e, slots),
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				if !slots.all[slotIndex(via[0].URL.Fragment)].request.follow {
					return http.ErrUseLastResponse
				}
				return limitRedirects(l.Redirects)(req, via)
			},
		}),
		vegeta.Timeout(time.Duration(l.TimeoutS*1e9)),
		vegeta.MaxBody(0), // bodies are read and not kept
		vegeta.Workers(uint64(min(initialWorkers, l.MaxWorkers))),
		vegeta.MaxWorkers(uint64(l.MaxWorkers)),
	)
	if err := e.start(l, func() {}); err != nil {
		return err
	}
	done, aborted := make(chan struct{}), make(chan struct{})
	hits := attacker.Attack(newTargeter(slots, pacer.lateness), pacer, 0, "")
	go func() {
		defer close(done)
		for {
			select {
			case <-aborted:
				return
			case hit, more := <-hits:
				if !more {
					return
				}
				record(hit, slots, e)
			}
		}
	}()
	e.collector.collect(done, func() {
		close(aborted)
		<-done
	})
	return nil
}

// newTargeter gives vegeta's workers the queued requests, oldest first.
func newTargeter(slots *slots, lateness *lateness) vegeta.Targeter {
	return func(target *vegeta.Target) error {
		index, queued := slots.dequeue()
		if !queued { // counted as dropped meanwhile
			return vegeta.ErrNoTargets
		}
		s := &slots.all[index]
		lateness.add((now() - s.due) / 1000)
		target.Method = s.request.method
		target.URL = withSlot(s.request.urlFor(s.rows), index)
		target.Header = s.request.headerFor(s.rows)
		if s.request.traced {
			trace := []byte(noTrace)
			setTrace(trace)
			target.Header = maps.Clone(target.Header)
			target.Header.Set(traceHeader, string(trace))
		}
		target.Body = s.request.bodyFor(s.rows)
		return nil
	}
}

func record(hit *vegeta.Result, slots *slots, e *engine) {
	index := slotIndex(hit.URL)
	s := &slots.all[index]
	s.sent = int64(hit.Timestamp.Sub(processStart))
	at, outcome := s.sent+int64(hit.Latency), outcomeOf(hit.Code, s.err, hit.Error)
	e.results.writeSample(s, at, outcome)
	if e.keeper != nil {
		e.keeper.offer(s, at, int(hit.Code), outcome)
	}
	s.trail = trail{} // a slot may wait for long until its next request
	s.busy = false
	slots.release(index)
}

func limitRedirects(limit int) func(*http.Request, []*http.Request) error {
	return func(_ *http.Request, via []*http.Request) error {
		if limit < len(via) {
			return fmt.Errorf("stopped after %d redirects", limit)
		}
		return nil
	}
}

// withSlot puts a slot's index into the URL's fragment: vegeta passes the URL through to the transport and to its
// result, and a fragment is never sent.
func withSlot(url string, index uint32) string {
	marked := make([]byte, 0, len(url)+11)
	marked = append(marked, url...)
	marked = append(marked, '#')
	return string(strconv.AppendUint(marked, uint64(index), 10))
}

// slotIndex reads it from a URL or a fragment.
func slotIndex(text string) uint32 {
	if at := strings.LastIndexByte(text, '#'); at >= 0 {
		text = text[at+1:]
	}
	index, _ := strconv.ParseUint(text, 10, 32)
	return uint32(index)
}

// transport records in a request's slot what vegeta does not measure.
type transport struct {
	slots  *slots
	keeper *keeper           // nil: nothing is kept
	inner  []*http.Transport // used in turn
}

func newTransport(l *load, e *engine, slots *slots) *transport {
	count := 1
	if l.HTTP2 {
		count = http2Connections // one would send all requests over one connection, to one address of a load balancer
	}
	t := &transport{slots: slots, keeper: e.keeper}
	for range count {
		inner := &http.Transport{
			DialContext:            e.dialer.dial,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: l.Insecure}, // only if the suite asks for it
			TLSHandshakeTimeout:    connectTimeout,
			DisableKeepAlives:      !l.KeepAlive,
			DisableCompression:     true, // adds no header to the suite's, and bytes are counted as sent
			MaxIdleConnsPerHost:    l.MaxWorkers,
			MaxResponseHeaderBytes: maxHeadBytes,
			Protocols:              &http.Protocols{},
		}
		inner.Protocols.SetHTTP1(!l.HTTP2)
		inner.Protocols.SetHTTP2(l.HTTP2)
		inner.Protocols.SetUnencryptedHTTP2(l.HTTP2)
		t.inner = append(t.inner, inner)
	}
	e.dialer.changed = func() {
		for _, inner := range t.inner {
			inner.CloseIdleConnections()
		}
	}
	return t
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	s := t.slotOf(req)
	delete(req.Header, "X-Vegeta-Seq")
	s.bytes = 0
	if s.trail = (trail{to: server{req.URL.Scheme, req.URL.Host}}); t.keeper != nil {
		s.head = newSentHead(req)
	}
	for via := req.Response; via != nil; via = via.Request.Response {
		s.hops++
	}
	response, err := t.inner[s.local%int64(len(t.inner))].RoundTrip(t.traced(req, s))
	if err != nil {
		s.headers, s.err = 0, err
		return nil, err
	}
	s.headers = now()
	body := &countedBody{ReadCloser: response.Body, slot: s}
	if t.keeper != nil {
		s.reply, body.room = response, max(0, t.keeper.room(s, response.StatusCode, false, s.headers))
	}
	response.Body = body
	return response, nil
}

// traced measures how long a new connection takes and bounds informational responses.
func (t *transport) traced(req *http.Request, s *slot) *http.Request {
	asked, informational := now(), 0
	trace := &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			s.peer, s.fresh = got.Conn.RemoteAddr(), !got.Reused
			if !got.Reused && s.connect < 0 {
				s.connect = now() - asked
			}
		},
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			if informational++; informational > maxInformational {
				return errManyInformational
			}
			return nil
		},
	}
	if s.head != nil {
		trace.WroteHeaderField = s.head.add
	}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
}

// slotOf returns the slot of a request, or of the request that a redirect follows.
func (t *transport) slotOf(req *http.Request) *slot {
	first := req
	for first.Response != nil {
		first = first.Response.Request
	}
	if first != req {
		req.URL.Fragment = first.URL.Fragment
		if referer := req.Header.Get("Referer"); referer != "" {
			url, _, _ := strings.Cut(referer, "#")
			req.Header.Set("Referer", url)
		}
	}
	return &t.slots.all[slotIndex(first.URL.Fragment)]
}

// countedBody counts the bytes of a response's body.
type countedBody struct {
	io.ReadCloser
	slot *slot
	room int64 // bytes that may be copied further
}

func (c *countedBody) Read(into []byte) (int, error) {
	n, err := c.ReadCloser.Read(into)
	c.slot.bytes += int64(n)
	if c.room > 0 {
		some := into[:min(int64(n), c.room)]
		c.slot.raw, c.room = append(c.slot.raw, some...), c.room-int64(len(some))
	}
	if err != nil && err != io.EOF {
		c.slot.err = err
	}
	return n, err
}
