package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
)

const readsPerTurn = 8 // of one TLS connection before others have their turn

// exchange sends one request of a slot: the arrival's own, or a redirect's, whose response goes to `answer`.
func (o *loop) exchange(s *slot, wire []byte, to server, method string, answer chan<- answer) {
	s.wire, s.hop, s.answer, s.headers, s.bytes = wire, method, answer, 0, 0
	s.to, s.peer, s.fresh = to, nil, false
	o.reclaim(&s.raw)
	p, err := o.pool(to)
	if err != nil {
		o.settle(s, now(), 0, nil, err)
		return
	}
	if c := p.take(alive, o.closeConn); c != nil {
		o.use(c, s)
		return
	}
	o.nextDial = now() + dialPeriod
	deadline := s.deadline
	go func() {
		c, took, err := p.dial(o.dialer, o.tls, deadline)
		o.post(func() { o.dialed(p, c, took, err, s) })
	}()
}

func (o *loop) pool(to server) (*pool, error) {
	if p := o.pools[to]; p != nil {
		return p, nil
	}
	p, err := newPool(to, o.dialer)
	if err == nil {
		o.pools[to] = p
	}
	return p, err
}

func (o *loop) dialed(p *pool, c *conn, took int64, err error, s *slot) {
	if err == nil {
		err = o.adopt(p, c)
	}
	if err != nil {
		p.open--
		o.settle(s, now(), 0, nil, err)
		return
	}
	s.connect, s.fresh = took, true
	o.use(c, s)
}

// adopt gives a new connection its number and registers it with the poller.
func (o *loop) adopt(p *pool, c *conn) error {
	if len(o.unused) == 0 {
		o.unused = append(o.unused, uint32(len(o.conns)))
		o.conns = append(o.conns, nil)
	}
	last := len(o.unused) - 1
	o.generation++
	c.pool, c.number, c.generation = p, o.unused[last], o.generation
	if err := o.poll.add(c.fd, c.number, c.generation); err != nil {
		c.close()
		return err
	}
	o.unused = o.unused[:last]
	o.conns[c.number] = c
	return nil
}

func (o *loop) use(c *conn, s *slot) {
	c.slot, s.conn, s.peer = s, c, c.peer
	c.response.reset(s.hop, s.request.follow, s.answer != nil)
	if now() >= s.deadline {
		o.fail(c, os.ErrDeadlineExceeded)
		return
	}
	o.afterWrite(c, c.send(s.wire))
}

// afterWrite reads if nothing more can be written: a service may have answered before it closed the connection.
func (o *loop) afterWrite(c *conn, err error) {
	if err != nil {
		c.writeErr = err
		o.read(c, now())
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
			headDone, err := c.response.feed(o.buffer[:n])
			if headDone {
				c.slot.headers = at
				if room := o.room(c, at); room >= 0 {
					c.response.copyHead(o.memory(), room)
				}
			} else if c.response.room > 0 {
				c.response.copyMore(o.buffer[:n])
			}
			if err != nil {
				o.fail(c, err)
				return
			}
			if c.response.phase == complete {
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
	s := c.slot
	s.bytes = c.response.bodyBytes
	status, head := c.response.framing.status, c.response.parsedHead
	c.release(s)
	if o.load.KeepAlive && c.response.reusable() && !c.hasUnsent() && c.writeErr == nil {
		c.pool.give(c)
	} else {
		o.closeConn(c)
	}
	o.settle(s, at, status, head, nil)
}

// release parts a connection from its slot, which takes the copy of the response.
func (c *conn) release(s *slot) {
	s.raw, c.response.copied = c.response.copied, nil
	c.slot, s.conn = nil, nil
}

// room returns how much of the body to copy of a response whose head has just arrived; -1: nothing, and no head.
func (o *loop) room(c *conn, at int64) int64 {
	if o.keeper == nil {
		return -1
	}
	return o.keeper.room(c.slot, c.response.framing.status, c.response.phase == complete, at)
}

// memory returns some to append to, for a copy that reclaim takes back.
func (o *loop) memory() []byte {
	last := len(o.spare) - 1
	if last < 0 {
		return nil
	}
	memory := o.spare[last]
	o.spare = o.spare[:last]
	return memory
}

func (o *loop) reclaim(memory *[]byte) {
	if cap(*memory) > 0 {
		o.spare = append(o.spare, (*memory)[:0])
		*memory = nil
	}
}

// fail ends the exchange without one, and closes the connection.
func (o *loop) fail(c *conn, err error) {
	s := c.slot
	o.closeConn(c)
	if s == nil {
		return
	}
	if c.pool.lost(c, err) {
		err = errIdleClosed
	}
	s.bytes = c.response.bodyBytes
	c.release(s)
	o.settle(s, now(), 0, nil, err)
}

// settle passes on the outcome of an exchange: to the redirect that made it, to a new redirect, or to the results.
func (o *loop) settle(s *slot, at int64, status int, head *http.Response, err error) {
	switch {
	case s.answer != nil:
		s.answer <- answer{head, err}
	case err == nil && head != nil && s.request.follow:
		o.follow(s, head)
	default:
		o.record(s, at, status, err)
	}
}

// closeConn closes a connection, idle or not.
func (o *loop) closeConn(c *conn) {
	if c.fd < 0 {
		return
	}
	if at := slices.Index(c.pool.idle, c); at >= 0 {
		c.pool.idle = slices.Delete(c.pool.idle, at, at+1)
	}
	c.pool.open--
	o.conns[c.number] = nil
	o.unused = append(o.unused, c.number)
	c.close()
}

// closeIdle closes all idle connections: their addresses may no longer be the name's.
func (o *loop) closeIdle() {
	for _, p := range o.pools {
		for len(p.idle) > 0 {
			o.closeConn(p.idle[0])
		}
	}
}
