package main

import (
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
)

const (
	readsPerTurn = 8    // of one TLS connection before others have their turn
	leastPools   = 1000 // servers that a loop remembers: a service may redirect to ever new ones
	mostOwn      = 256  // connections of one user
)

// sockets is what a loop needs to send over sockets of its own.
type sockets struct {
	tls        *tls.Config
	pools      map[server]*pool
	mostPools  int
	conns      []*conn // by their numbers
	unused     []uint32
	generation uint32      // of the last connection
	unread     []*conn     // connections to read from again although the poller may report nothing
	mostConns  int         // connections that may be open
	nextDial   int64       // when it may open another connection, if it is late
	buffer     []byte      // of the last read
	parsers    []*response // of connections that are idle again
	farewells  farewells

	idleLongest, idleLatest *conn // the ends of the list of users' idle connections
}

// socketState is what the loop keeps in a slot.
type socketState struct {
	conn      *conn // in use for it
	connectBy int64 // the deadline of the connection being made; 0: none is
}

func newSockets(settings *tls.Config, mostConns, loops int) sockets {
	return sockets{
		tls: settings, mostConns: mostConns, pools: map[server]*pool{}, mostPools: leastPools, buffer: make([]byte, readBytes),
		farewells: farewells{most: mostFarewells / loops},
	}
}

// waitsUntil is true if this is the deadline of the request or of its connection.
func (s *slot) waitsUntil(at int64) bool { return s.deadline == at || s.connectBy == at && at != 0 }

// expired fails a request whose deadline has passed. While another goroutine connects, that knows the deadline.
func (o *loop) expired(s *slot) {
	if s.conn != nil {
		o.fail(s.conn, os.ErrDeadlineExceeded)
	}
}

// exchangeBySocket begins an exchange over a connection of its user, or of those that all share.
func (o *loop) exchangeBySocket(s *slot) {
	s.conn = nil
	p, err := o.pool(s.to)
	if err != nil {
		o.settleLater(s, err)
		return
	}
	if c := o.take(p, s.own); c != nil {
		o.use(c, s)
		return
	}
	o.startDialing(p, s)
}

func (o *loop) pool(to server) (*pool, error) {
	if p := o.pools[to]; p != nil {
		return p, nil
	}
	p, err := newPool(to, o.dialer, o.tls)
	if err != nil {
		return nil, err
	}
	if len(o.pools) >= o.mostPools {
		o.forgetPools()
	}
	o.pools[to] = p
	return p, nil
}

// forgetPools forgets the servers to which there is no connection.
func (o *loop) forgetPools() {
	connected := map[*pool]bool{}
	for _, c := range o.conns {
		if c != nil {
			connected[c.pool] = true
		}
	}
	maps.DeleteFunc(o.pools, func(_ server, p *pool) bool { return p.elsewhere == 0 && !connected[p] })
	o.mostPools = max(leastPools, 2*len(o.pools))
}

// take returns an idle connection to use; nil if the caller has to make one.
func (o *loop) take(p *pool, own *connections) *conn {
	if own == nil {
		return p.take(now(), alive, o.closeConn)
	}
	for _, c := range own.list {
		if c.pool != p || c.slot != nil {
			continue
		}
		if idleFor := now() - c.idleSince; p.usable(c, idleFor, ownAlive, alive) {
			o.rouse(c)
			return c
		}
		o.closeConn(c)
		break
	}
	return nil
}

// adopt gives a new connection its number and registers it with the poller.
func (o *loop) adopt(p *pool, c *conn, own *connections, dialing bool) error {
	if len(o.unused) == 0 {
		o.unused = append(o.unused, uint32(len(o.conns)))
		o.conns = append(o.conns, nil)
	}
	last := len(o.unused) - 1
	o.generation++
	c.pool, c.own, c.number, c.generation = p, own, o.unused[last], o.generation
	c.watchingWritable = dialing
	if err := o.poll.add(c.fd, c.number, c.generation, dialing); err != nil {
		c.close()
		return err
	}
	o.unused = o.unused[:last]
	o.conns[c.number] = c
	if own == nil {
		p.open++
		return nil
	}
	if len(own.list) >= mostOwn {
		if at := slices.IndexFunc(own.list, func(c *conn) bool { return c.slot == nil }); at >= 0 {
			o.closeConn(own.list[at])
		}
	}
	own.list = append(own.list, c)
	return nil
}

func (o *loop) use(c *conn, s *slot) {
	c.slot, s.conn, s.peer = s, c, c.peer
	c.response = o.parser()
	c.response.reset(s.method)
	if c.idleFor == 0 && now() >= s.deadline { // the connection was made for it
		o.failLater(c, os.ErrDeadlineExceeded)
		return
	}
	o.afterWrite(c, c.send(s.wire))
}

func (o *loop) parser() *response {
	last := len(o.parsers) - 1
	if last < 0 {
		return &response{}
	}
	parser := o.parsers[last]
	o.parsers = o.parsers[:last]
	return parser
}

// afterWrite has the loop read soon if nothing more can be written: a service may have answered before it closed the
// connection. It does not read at once, for a caller may still need the buffer.
func (o *loop) afterWrite(c *conn, err error) {
	if err != nil {
		c.writeErr = err
		o.unread = append(o.unread, c)
		return
	}
	o.watchWritable(c)
}

// watchWritable has the poller report room for more bytes while some are unsent.
func (o *loop) watchWritable(c *conn) {
	if wanted := c.hasUnsent(); wanted != c.watchingWritable {
		c.watchingWritable = wanted
		if err := o.poll.wantWritable(c.fd, c.number, c.generation, wanted); err != nil {
			c.writeErr = err
		}
	}
}

func (o *loop) hasUnread() bool { return len(o.unread) > 0 }

func (o *loop) readAgain(at int64) {
	unread := o.unread
	o.unread = nil
	for _, c := range unread {
		if c.fd >= 0 {
			o.read(c, at)
		}
	}
}

// handle handles one event of the poller.
func (o *loop) handle(index int, at int64) {
	number, generation, writable := o.poll.event(index)
	if number == noConn {
		return
	}
	c := o.conns[number]
	if c == nil || c.generation != generation { // closed since the poller reported the event
		return
	}
	if c.dialing != nil {
		o.dialed(c, at)
		return
	}
	if writable && c.watchingWritable {
		if o.afterWrite(c, c.flush()); c.fd < 0 || c.writeErr != nil {
			return
		}
	}
	o.read(c, at)
}

func (o *loop) read(c *conn, at int64) {
	for range readsPerTurn {
		n, err := c.read(o.buffer)
		if c.slot == nil {
			if !errors.Is(err, errWouldBlock) || c.hasUnsent() { // closed, or bytes that no request asked for
				c.pool.learn(at - c.idleSince)
				o.closeConn(c)
			}
			return
		}
		if n > 0 {
			r := c.response
			headDone, err := r.feed(o.buffer[:n])
			if headDone {
				c.slot.headers = at
				if whole := r.phase == complete; !whole || o.keeper != nil || c.slot.want.body {
					if r.room = o.room(c.slot, r.framing.status, whole, at); !whole {
						r.copyHead(o.roomy())
					}
				}
			} else if r.room > 0 {
				r.copyMore(o.buffer[:n])
			}
			if err != nil {
				o.fail(c, err)
				return
			}
			if r.phase == complete {
				o.finish(c, at)
				return
			}
		}
		if c.hasUnsent() && !c.watchingWritable && c.writeErr == nil { // reading made TLS answer, e.g. a key update
			if c.writeErr = c.flush(); c.writeErr == nil {
				o.watchWritable(c)
			}
		}
		switch {
		case err == nil && c.tls != nil, c.writeErr != nil && n > 0: // there may be more that the poller does not report
		case err == nil:
			return
		case errors.Is(err, errWouldBlock):
			if c.writeErr != nil {
				o.fail(c, c.writeErr)
			}
			return
		default:
			o.ended(c, at, err)
			return
		}
	}
	if c.tls != nil || c.writeErr != nil {
		o.unread = append(o.unread, c)
	}
}

// ended handles the end of a connection before the end of the response was known.
func (o *loop) ended(c *conn, at int64, err error) {
	if errors.Is(err, io.EOF) {
		err = c.response.closed()
	}
	switch {
	case err == nil:
		o.finish(c, at)
	case c.writeErr != nil:
		o.fail(c, c.writeErr)
	default:
		o.fail(c, err)
	}
}

// finish ends the exchange with a complete response.
func (o *loop) finish(c *conn, at int64) {
	s, r := c.slot, c.response
	c.slot, c.response, s.conn = nil, nil, nil
	if !s.closes && r.reusable() && !c.hasUnsent() && c.writeErr == nil && c.generation > c.pool.outdated {
		o.rest(c, at)
	} else {
		o.closeConn(c)
	}
	o.settleParsed(s, r, exchanged{at: at, status: r.framing.status})
}

// settleParsed hands an outcome to the caller, and takes its memory back afterwards. r is nil without a connection.
func (o *loop) settleParsed(s *slot, r *response, e exchanged) {
	e.headers, e.connect, e.fresh, e.peer = s.headers, s.connect, s.fresh, s.peer
	if r == nil {
		o.settle(s, e)
		return
	}
	e.bytes = r.bodyBytes
	e.head, e.body = r.parts()
	o.settle(s, e)
	o.reclaim(&r.copied)
	o.parsers = append(o.parsers, r)
}

// fail ends the exchange without a complete response, and closes the connection.
func (o *loop) fail(c *conn, err error) {
	s, r := c.slot, c.response
	o.closeConn(c)
	if s == nil {
		return
	}
	if c.pool.lost(c, err) {
		err = errIdleClosed
	}
	c.slot, c.response, s.conn = nil, nil, nil
	o.settleParsed(s, r, exchanged{at: now(), err: err})
}

// failLater does so in the loop's next turn.
func (o *loop) failLater(c *conn, err error) {
	s := c.slot
	o.closeConn(c)
	if c.response != nil {
		o.parsers = append(o.parsers, c.response)
	}
	c.slot, c.response, s.conn = nil, nil, nil
	o.settleLater(s, err)
}

// closeConn closes a connection, idle or not.
func (o *loop) closeConn(c *conn) {
	if c.fd < 0 {
		return
	}
	if c.own != nil {
		o.rouse(c)
		if at := slices.Index(c.own.list, c); at >= 0 { // -1: its session ended with the load
			c.own.list = slices.Delete(c.own.list, at, at+1)
		}
	} else {
		if at := slices.Index(c.pool.idle, c); at >= 0 {
			c.pool.idle = slices.Delete(c.pool.idle, at, at+1)
		}
		c.pool.open--
	}
	o.conns[c.number] = nil
	o.unused = append(o.unused, c.number)
	o.sayGoodbye(c)
	c.close()
}

// renew closes the connections to a name, whose addresses have changed: idle ones now, the others after the response.
func (o *loop) renew(name *hostname) {
	if o.client != nil {
		o.client.closeIdle()
	}
	for _, c := range o.conns {
		if c == nil || c.pool.hostname != name {
			continue
		}
		if c.pool.outdated = o.generation; c.slot == nil {
			o.closeConn(c)
		}
	}
}

// mustWait is true if the loop is late and the request needs another connection too soon after the last one.
func (o *loop) mustWait(a arrival, at int64) bool { return at < o.nextDial && !o.hasIdle(a) }

// hasIdle is true if an idle connection could carry the request; if its server depends on data, if any is idle.
func (o *loop) hasIdle(a arrival) bool {
	if r := o.pacer.request(a.global); r.whole == nil {
		p := o.pools[r.to]
		return p != nil && len(p.idle) > 0
	}
	for _, p := range o.pools {
		if len(p.idle) > 0 {
			return true
		}
	}
	return false
}

// ownSockets are a user's connections.
type ownSockets struct{ list []*conn }

func (own *ownSockets) closeSockets(o *loop) {
	for len(own.list) > 0 {
		if c := own.list[0]; c.slot != nil {
			o.failLater(c, errClosed)
		} else {
			o.closeConn(c)
		}
	}
}
