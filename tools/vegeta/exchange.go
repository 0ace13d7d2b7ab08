package main

import (
	"errors"
	"io"
	"os"
)

const readsInRow = 8 // of one connection with TLS, before others have their turn

// exchange sends one request of a slot's: its first, or with somebody who waits for the answer, a redirect's.
func (o *loop) exchange(s *slot, wire []byte, to server, method string, waits chan<- answer) {
	s.wire, s.hop, s.waits, s.headers, s.bytes = wire, method, waits, 0, 0
	at, err := o.pool(to)
	if err != nil {
		o.over(s, now(), 0, nil, err)
		return
	}
	l := at.take(alive, o.drop)
	if l != nil {
		o.use(l, s)
		return
	}
	o.mayDial = now() + dialEvery
	deadline := s.deadline
	go func() {
		l, took, err := at.dialed(o.dials, o.secure, deadline)
		o.tell(func() { o.dialed(at, l, took, err, s) })
	}()
}

func (o *loop) dialed(at *pool, l *line, took int64, err error, s *slot) {
	if err == nil {
		err = o.adopt(at, l)
	}
	if err != nil {
		at.many--
		o.over(s, now(), 0, nil, err)
		return
	}
	s.connect = took
	o.use(l, s)
}

// adopt gives a new connection a number.
func (o *loop) adopt(at *pool, l *line) error {
	if len(o.spare) == 0 {
		o.spare = append(o.spare, uint32(len(o.lines)))
		o.lines = append(o.lines, nil)
	}
	last := len(o.spare) - 1
	l.pool, l.number = at, o.spare[last]
	o.adopted++
	l.generation = o.adopted
	if err := o.poll.add(l.fd, l.number, l.generation); err != nil {
		l.close()
		return err
	}
	o.spare = o.spare[:last]
	o.lines[l.number] = l
	return nil
}

func (o *loop) pool(to server) (*pool, error) {
	if known := o.pools[to]; known != nil {
		return known, nil
	}
	made, err := newPool(to, o.dials)
	if err == nil {
		o.pools[to] = made
	}
	return made, err
}

func (o *loop) use(l *line, s *slot) {
	l.slot, s.line = s, l
	l.response.reset(s.hop, s.request.follow, s.waits != nil)
	if now() >= s.deadline {
		o.fail(l, os.ErrDeadlineExceeded)
		return
	}
	o.wrote(l, l.send(s.wire))
}

// wrote looks what there is to read when nothing can be written: a service may have answered before it closed.
func (o *loop) wrote(l *line, err error) {
	if err != nil {
		l.broken = err
		o.read(l, now())
		return
	}
	o.ask(l)
}

// ask has it told when more can be written, if something is left.
func (o *loop) ask(l *line) {
	if wants := l.wants(); wants != l.asks {
		l.asks = wants
		if err := o.poll.writable(l.fd, l.number, l.generation, wants); err != nil {
			l.broken = err
		}
	}
}

func (o *loop) event(index int, at int64) {
	number, generation, write := o.poll.event(index)
	if number == nobody {
		return
	}
	l := o.lines[number]
	if l == nil || l.generation != generation {
		return // closed meanwhile
	}
	if write && l.asks {
		if o.wrote(l, l.flush()); l.fd < 0 || l.broken != nil {
			return
		}
	}
	o.read(l, at)
}

func (o *loop) read(l *line, at int64) {
	for range readsInRow {
		read, err := l.read(o.buffer)
		if l.slot == nil {
			if !errors.Is(err, errAgain) || l.wants() {
				o.drop(l) // closed, or it says what nobody asked for
			}
			return
		}
		if read > 0 {
			headed, err := l.response.feed(o.buffer[:read])
			if headed {
				l.slot.headers = at
			}
			if err != nil {
				o.fail(l, err)
				return
			}
			if l.response.phase == complete {
				o.done(l, at)
				return
			}
		}
		if l.wants() && !l.asks && l.broken == nil { // TLS has an answer of its own
			if l.broken = l.flush(); l.broken == nil {
				o.ask(l)
			}
		}
		switch {
		case err == nil && l.secure != nil, l.broken != nil && read > 0:
		case err == nil:
			return
		case errors.Is(err, errAgain):
			if l.broken != nil {
				o.fail(l, l.broken)
			}
			return
		default:
			o.cut(l, at, err)
			return
		}
	}
	if l.secure != nil || l.broken != nil {
		o.eager = append(o.eager, l)
	}
}

// cut is what an end means that came before the response was known to be whole.
func (o *loop) cut(l *line, at int64, err error) {
	if errors.Is(err, io.EOF) {
		err = l.response.closed()
	}
	switch {
	case err == nil:
		o.done(l, at)
	case l.broken != nil:
		o.fail(l, l.broken)
	default:
		o.fail(l, err)
	}
}

func (o *loop) done(l *line, at int64) {
	s := l.slot
	s.bytes = l.response.bodyBytes
	status, full := l.response.framing.status, l.response.parsedHead
	l.slot, s.line = nil, nil
	if o.load.KeepAlive && l.response.reusable() && !l.wants() && l.broken == nil {
		l.pool.give(l)
	} else {
		o.drop(l)
	}
	o.over(s, at, status, full, nil)
}

// fail drops the connection, and settles what it was used for.
func (o *loop) fail(l *line, err error) {
	s := l.slot
	o.drop(l)
	if s == nil {
		return
	}
	s.bytes = l.response.bodyBytes
	l.slot, s.line = nil, nil
	o.over(s, now(), 0, nil, err)
}
