package main

import (
	"crypto/tls"
	"math"
	"os"
	"sync"
	"sync/atomic"
)

const (
	nobody     = math.MaxUint32 // the number of what is no connection
	readAtOnce = 1 << 16        // bytes
	dialEvery  = int64(50_000)  // ns, at most, while it is late
)

// loop sends its part of a load over HTTP/1 and takes the responses, in one goroutine that never waits for one of them.
//
// Nothing is sent twice. A moment at which something came is the one at which the loop was told of it.
type loop struct {
	load    *load
	poll    *poller
	pace    *pacer
	slots   *slots
	dials   *dialer
	secure  *tls.Config
	written *records

	pools   map[server]*pool
	lines   []*line // by their numbers
	spare   []uint32
	adopted uint32 // lines so far
	timed   queue
	eager   []*line // with TLS, of which something may be left that was read from the network already
	mayDial int64   // when it may open another connection, if it is late
	buffer  []byte
	leaving atomic.Bool

	mutex sync.Mutex
	told  []func()
	any   atomic.Bool
}

func newLoop(l *load, pace *pacer, dials *dialer, written *records) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		load: l, poll: poll, pace: pace, slots: pace.slots, dials: dials, written: written,
		secure: &tls.Config{InsecureSkipVerify: l.Insecure}, // where the suite asks for it
		pools:  map[server]*pool{},
		buffer: make([]byte, readAtOnce),
	}, nil
}

// run is over when all that was due has been sent and answered, or when it is to leave.
func (o *loop) run() error {
	for {
		until := o.send()
		if o.leaving.Load() || o.pace.stopped.Load() && o.slots.inFlight() == 0 {
			return nil
		}
		if len(o.eager) > 0 {
			until = 0
		}
		found, err := o.poll.wait(min(until, o.timed.next()))
		if err != nil {
			return err
		}
		at := now()
		eager := o.eager
		o.eager = nil
		for _, l := range eager {
			if l.fd >= 0 {
				o.read(l, at)
			}
		}
		for i := range found {
			o.event(i, at)
		}
		if o.any.Swap(false) {
			o.listen()
		}
		o.timed.expire(o.slots, at, func(s *slot) {
			if s.line != nil {
				o.fail(s.line, os.ErrDeadlineExceeded)
			}
		})
	}
}

// hasIdle is whether a connection waits for the request with that number; where data names its server, for any.
func (o *loop) hasIdle(place int64) bool {
	if r := o.pace.request(place); r.wire != nil {
		at := o.pools[r.to]
		return at != nil && len(at.idle) > 0
	}
	for _, at := range o.pools {
		if len(at.idle) > 0 {
			return true
		}
	}
	return false
}

// tell has the loop do it, from another goroutine.
func (o *loop) tell(what func()) {
	o.mutex.Lock()
	o.told = append(o.told, what)
	o.mutex.Unlock()
	o.any.Store(true)
	o.poll.ring()
}

func (o *loop) listen() {
	o.mutex.Lock()
	told := o.told
	o.told = nil
	o.mutex.Unlock()
	for _, what := range told {
		what()
	}
}

// send begins all that is due, and returns when the next request is.
func (o *loop) send() int64 {
	p := o.pace
	for !p.stopped.Load() {
		at := now()
		if p.told() {
			p.stop(at)
			break
		}
		one, more := p.next()
		if one.at > at {
			return one.at
		}
		if p.ends(one, more, at) {
			break
		}
		if at-one.at > tick && at < o.mayDial && !o.hasIdle(one.place) {
			return o.mayDial // a burst to make up for it would open as many connections, and be later still
		}
		own := p.pass(one)
		index, free := o.slots.take()
		if !free {
			p.late.drop()
			continue
		}
		s := &o.slots.all[index]
		p.fill(s, one.at, one.place, own)
		s.index = index
		o.begin(s)
	}
	return math.MaxInt64
}

func (o *loop) begin(s *slot) {
	s.sent = now()
	o.pace.late.add((s.sent - s.due) / 1000)
	s.deadline = s.sent + seconds(o.load.TimeoutS)
	o.timed.put(s)
	wire, to, err := s.request.ready(s.rows)
	if err != nil {
		o.record(s, now(), 0, err)
		return
	}
	o.exchange(s, wire, to, s.request.method, nil)
}
