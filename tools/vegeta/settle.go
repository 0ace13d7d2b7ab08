package main

import (
	"bytes"
	"net/http"
	"slices"
	"syscall"
)

// answer is what became of one request of a chain of redirects.
type answer struct {
	response *http.Response
	err      error
}

// over settles one exchange: its answer is the request's, or a redirect to follow.
func (o *loop) over(s *slot, at int64, status int, full *http.Response, err error) {
	switch {
	case s.waits != nil:
		s.waits <- answer{full, err}
	case err == nil && full != nil && s.request.follow:
		o.follow(s, full)
	default:
		o.record(s, at, status, err)
	}
}

// follow leaves redirects to Go's client, which knows what becomes of methods, bodies and headers: it is given the
// answer that there is, and what it asks for next goes through this loop.
func (o *loop) follow(s *slot, first *http.Response) {
	rows := s.rows
	go func() {
		client := http.Client{Transport: &hops{o, s, first}, CheckRedirect: redirects(o.load.Redirects)}
		status, at := 0, now()
		req, err := s.request.made(rows)
		if err == nil {
			var last *http.Response
			if last, err = client.Do(req); err == nil {
				status = last.StatusCode
			}
			at = now()
		}
		o.tell(func() { o.record(s, at, status, err) })
	}()
}

// hops is the client's way back into the loop.
type hops struct {
	loop  *loop
	slot  *slot
	first *http.Response
}

func (h *hops) RoundTrip(req *http.Request) (*http.Response, error) {
	found := answer{response: h.first}
	if h.first == nil {
		var wire bytes.Buffer
		if err := req.Write(&wire); err != nil {
			return nil, err
		}
		waits := make(chan answer, 1)
		h.loop.tell(func() {
			h.loop.exchange(h.slot, wire.Bytes(), server{req.URL.Scheme, req.URL.Host}, req.Method, waits)
		})
		found = <-waits
	}
	h.first = nil
	if found.err != nil {
		return nil, found.err
	}
	found.response.Request, found.response.Body = req, http.NoBody
	return found.response, nil
}

// record writes down what became of a request, and frees its slot.
func (o *loop) record(s *slot, at int64, status int, err error) {
	text := ""
	if err != nil {
		status, text = 0, err.Error()
	}
	o.written.became(s, at, outcomeOf(uint16(status), err, text))
	s.busy = false
	o.slots.give(s.index)
}

// drop closes a connection, idle or not.
func (o *loop) drop(l *line) {
	if l.fd < 0 {
		return
	}
	if at := slices.Index(l.pool.idle, l); at >= 0 {
		l.pool.idle = slices.Delete(l.pool.idle, at, at+1)
	}
	l.pool.many--
	o.lines[l.number] = nil
	o.spare = append(o.spare, l.number)
	l.close()
}

// dropIdle gives up connections to addresses that may not be the name's any more.
func (o *loop) dropIdle() {
	for _, one := range o.pools {
		for len(one.idle) > 0 {
			o.drop(one.idle[0])
		}
	}
}

func (l *line) close() {
	if l.secure != nil {
		l.unsealed = nil
		if _ = l.secure.Close(); !l.asks { // says that it ends, and closes nothing
			_ = l.flush()
		}
	}
	_ = syscall.Close(l.fd)
	l.fd = -1
}

// alive is false when the other side has closed it meanwhile.
func alive(l *line) bool {
	var some [1]byte
	_, _, failed := syscall.Recvfrom(l.fd, some[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return failed == syscall.EAGAIN // what was not asked for is the end, or says that it comes
}
