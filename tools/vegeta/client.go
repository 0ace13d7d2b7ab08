package main

import (
	"crypto/tls"
	"fmt"
	"io"
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
			Transport: newTransport(l, e.dialer, slots),
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
				record(hit, slots, e.results)
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
		target.Body = s.request.bodyFor(s.rows)
		return nil
	}
}

func record(hit *vegeta.Result, slots *slots, results *results) {
	index := slotIndex(hit.URL)
	s := &slots.all[index]
	s.sent = int64(hit.Timestamp.Sub(processStart))
	results.writeSample(s, s.sent+int64(hit.Latency), outcomeOf(hit.Code, s.err, hit.Error))
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
	slots *slots
	inner []*http.Transport // used in turn
}

func newTransport(l *load, dialer *dialer, slots *slots) *transport {
	count := 1
	if l.HTTP2 {
		count = http2Connections // one would send all requests over one connection, to one address of a load balancer
	}
	t := &transport{slots: slots}
	for range count {
		inner := &http.Transport{
			DialContext:            dialer.dial,
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
	dialer.changed = func() {
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
	response, err := t.inner[s.local%int64(len(t.inner))].RoundTrip(t.traced(req, s))
	if err != nil {
		s.headers, s.err = 0, err
		return nil, err
	}
	s.headers = now()
	response.Body = &countedBody{response.Body, s}
	return response, nil
}

// traced measures how long a new connection takes and bounds informational responses.
func (t *transport) traced(req *http.Request, s *slot) *http.Request {
	asked, informational := now(), 0
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
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
	}))
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
}

func (c *countedBody) Read(into []byte) (int, error) {
	n, err := c.ReadCloser.Read(into)
	c.slot.bytes += int64(n)
	if err != nil && err != io.EOF {
		c.slot.err = err
	}
	return n, err
}
