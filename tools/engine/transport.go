package main

import (
	"errors"
	"net"
	"net/http"
)

// server is where requests go: a scheme and a host with its port, as in a URL.
type server struct{ scheme, host string }

// capture is what a caller wants of a response. It always gets the head.
type capture struct {
	body  bool
	limit int64 // bytes of the body as received; what follows is counted only
}

// bodyLimit is the usual limit of a captured body, JMeter's.
const bodyLimit = 10 << 20

// exchanged is the outcome of one exchange.
//
// head and body are as received, the body with its chunks and its content coding: the loop's `bodies` decode it. They are
// valid until done returns: a caller that keeps some of them makes a copy.
type exchanged struct {
	at      int64 // when the response was complete, or failed
	headers int64 // when its head was complete; 0: never
	connect int64 // ns that a new connection took, TLS handshake included; -1: none was made
	status  int   // 0: there is no complete response
	head    []byte
	body    []byte
	bytes   int64 // of the body
	err     error
	fresh   bool     // the connection was made for this request
	peer    net.Addr // nil: there was no connection
}

// connections are those of one user, one for each server. The zero value has none. They stay open while the user thinks.
// What a service closes meanwhile is replaced without a failure.
type connections struct {
	ownSockets
	transport *http.Transport // nil: it has sent nothing by Go's client
	epoch     int             // of the client at its last request
}

// close closes them. A request in flight fails with errClosed, in the loop's next turn.
func (own *connections) close(o *loop) {
	own.closeSockets(o)
	if own.transport != nil {
		own.transport.CloseIdleConnections()
		own.transport = nil
	}
}

// errClosed is the outcome of a request whose connection its user closed.
var errClosed = errors.New("the connection was closed before the response was whole")

// exchange sends one request of a slot and reads its response. It follows no redirect and sends nothing twice.
//
// It calls s.done in the loop's goroutine, once, and never before it returns. `wire` is the request as sent over HTTP/1;
// it must not change before done is called. `own` are the connections to use; nil: the loop's, which all requests share.
// The caller has set s.sent and called o.expect before; several exchanges of a slot, its redirects, share one deadline.
func (o *loop) exchange(s *slot, wire []byte, to server, method string, want capture, own *connections) {
	s.wire, s.to, s.method, s.want, s.own = wire, to, method, want, own
	s.headers, s.bytes, s.peer, s.fresh = 0, 0, nil, false
	if o.client != nil {
		o.client.exchange(o, s)
		return
	}
	o.exchangeBySocket(s)
}

// fault is an exchange that ended before it began.
type fault struct {
	slot *slot
	err  error
}

// settleLater calls done in the loop's next turn. A caller that begins the next request in done would otherwise
// recurse without end where each request fails at once.
func (o *loop) settleLater(s *slot, err error) { o.faults = append(o.faults, fault{s, err}) }

func (o *loop) settleFaults() {
	faults := o.faults
	o.faults = nil
	for _, f := range faults {
		o.settle(f.slot, exchanged{at: now(), err: f.err, connect: f.slot.connect, peer: f.slot.peer, fresh: f.slot.fresh})
	}
}

// settle hands the outcome to the caller.
func (o *loop) settle(s *slot, r exchanged) {
	s.headers, s.bytes, s.gotHead, s.gotBody = r.headers, r.bytes, r.head, r.body
	o.outcome = r
	s.done(o, s, &o.outcome)
}
