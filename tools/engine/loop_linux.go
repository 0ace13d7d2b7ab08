package main

import (
	"crypto/tls"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	loopRate   = 40_000        // requests a second, about half of what one loop can send
	readBytes  = 1 << 16       // of one read
	dialPeriod = int64(50_000) // ns between new connections while the loop is late
)

// sendHTTP1 sends the load by loops.
func sendHTTP1(l *load, e *engine) error {
	return sendByLoops(l, e, loopCount(l, runtime.GOMAXPROCS(0)))
}

// loopCount is one, or one for each processor if this worker's share of the peak rate is too much for one loop.
func loopCount(l *load, processors int) int {
	if l.PeakRPS*l.Interleave.share() > loopRate {
		return processors
	}
	return 1
}

func sendByLoops(l *load, e *engine, count int) error {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + count) // a loop occupies one even while it waits: see poller
	var loops []*loop
	for i := range count {
		slots := l.MaxWorkers / count
		if i < l.MaxWorkers%count {
			slots++
		}
		o, err := newLoop(l, e, e.addPacer(l, newSlots(max(1, slots)), int64(i), int64(count)))
		if err != nil {
			return err
		}
		defer o.poll.close()
		loops = append(loops, o)
	}
	e.dialer.changed = func() {
		for _, o := range loops {
			o.post(o.closeIdle)
		}
	}
	if err := e.start(l, func() {
		for _, o := range loops {
			o.poll.wake()
		}
	}); err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, o := range loops {
		running.Go(func() {
			if err := o.run(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	e.collector.collect(done, func() {
		for _, o := range loops {
			o.aborted.Store(true)
			o.poll.wake()
		}
		<-done
	})
	return nil
}

// loop sends its part of a load over HTTP/1 and reads the responses, all in one goroutine that waits for nothing but
// the poller. Other goroutines connect and follow redirects, and post their results to the loop.
//
// It sends no request twice. A response's time is the moment at which the poller reported it.
type loop struct {
	load    *load
	poll    *poller
	pacer   *pacer
	slots   *slots
	dialer  *dialer
	tls     *tls.Config
	results *results
	keeper  *keeper // nil: nothing is kept

	pools      map[server]*pool
	conns      []*conn // by their numbers
	unused     []uint32
	generation uint32 // of the last connection
	timeouts   timeouts
	unread     []*conn // connections to read from again although the poller may report nothing
	nextDial   int64   // when it may open another connection, if it is late
	buffer     []byte
	spare      [][]byte // memory of copies that are over
	aborted    atomic.Bool

	mutex     sync.Mutex
	posted    []func()
	anyPosted atomic.Bool
}

// loopState is what a loop keeps in a slot.
type loopState struct {
	index    uint32 // of the slot
	deadline int64  // of the request and all its redirects
	hop      string // the method of the last request sent: a redirect may change it
	conn     *conn  // in use for it
	answer   chan<- answer
}

func newLoop(l *load, e *engine, pacer *pacer) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		load: l, poll: poll, pacer: pacer, slots: pacer.slots, dialer: e.dialer, results: e.results,
		keeper: e.keeper,
		tls:    &tls.Config{InsecureSkipVerify: l.Insecure}, // only if the suite asks for it
		pools:  map[server]*pool{},
		buffer: make([]byte, readBytes),
	}, nil
}

// run returns when all requests are sent and answered, or when the loop is aborted.
func (o *loop) run() error {
	for {
		until := o.send()
		if o.aborted.Load() || o.pacer.stopped.Load() && o.slots.inFlight() == 0 {
			return nil
		}
		if len(o.unread) > 0 {
			until = 0
		}
		events, err := o.poll.wait(min(until, o.timeouts.next()))
		if err != nil {
			return err
		}
		at := now()
		unread := o.unread
		o.unread = nil
		for _, c := range unread {
			if c.fd >= 0 {
				o.read(c, at)
			}
		}
		for i := range events {
			o.handle(i, at)
		}
		if o.anyPosted.Swap(false) {
			o.runPosted()
		}
		o.timeouts.expire(o.slots, at, func(s *slot) {
			if s.conn != nil {
				o.fail(s.conn, os.ErrDeadlineExceeded)
			}
		})
	}
}

// post has the loop call f. Any goroutine may call it.
func (o *loop) post(f func()) {
	o.mutex.Lock()
	o.posted = append(o.posted, f)
	o.mutex.Unlock()
	o.anyPosted.Store(true)
	o.poll.wake()
}

func (o *loop) runPosted() {
	o.mutex.Lock()
	posted := o.posted
	o.posted = nil
	o.mutex.Unlock()
	for _, f := range posted {
		f()
	}
}

// send sends all requests that are due. It returns the moment of the next one.
func (o *loop) send() int64 {
	p := o.pacer
	for !p.stopped.Load() {
		at := now()
		if ending, _ := p.interrupted(); ending {
			p.stop(at)
			break
		}
		a, more := p.next()
		if a.sendAt > at {
			return a.sendAt
		}
		if p.missed(a, more, at) {
			continue
		}
		if p.finished(a, more, at) {
			break
		}
		// Catching up in one burst would open a connection for each request, and make the loop later still.
		if at-a.sendAt > tick && at < o.nextDial && !o.hasIdle(a) {
			return o.nextDial
		}
		local := p.advance(a)
		index, free := o.slots.acquire()
		if !free {
			p.lateness.drop()
			continue
		}
		s := &o.slots.all[index]
		p.fill(s, a, local)
		s.index = index
		o.begin(s)
	}
	return math.MaxInt64
}

// hasIdle is true if an idle connection could carry the request; if its server depends on data, if any is idle.
func (o *loop) hasIdle(a arrival) bool {
	if r := o.pacer.request(a.global); r.fixedWire != nil {
		p := o.pools[r.fixedServer]
		return p != nil && len(p.idle) > 0
	}
	for _, p := range o.pools {
		if len(p.idle) > 0 {
			return true
		}
	}
	return false
}

func (o *loop) begin(s *slot) {
	s.sent = now()
	o.pacer.lateness.add((s.sent - s.due) / 1000)
	s.deadline = s.sent + seconds(o.load.TimeoutS)
	o.timeouts.add(s)
	s.trail = trail{}
	wire, to, err := s.request.wire(s.rows)
	if err != nil {
		o.record(s, now(), 0, err)
		return
	}
	if s.request.traced {
		s.own = append(o.memory(), wire...)
		wire = s.own
		setTrace(traceIn(wire))
	}
	o.exchange(s, wire, to, s.request.method, nil)
}

// record writes the result of a request and releases its slot.
func (o *loop) record(s *slot, at int64, status int, err error) {
	text := ""
	if err != nil {
		status, text = 0, err.Error()
	}
	outcome := outcomeOf(uint16(status), err, text)
	o.results.writeSample(s, at, outcome)
	if o.keeper != nil {
		o.keeper.offer(s, at, status, outcome)
	}
	o.reclaim(&s.raw)
	o.reclaim(&s.own)
	s.busy = false
	o.slots.release(s.index)
}

// timeouts are the deadlines of requests in the order in which they were sent. That is the order of the deadlines, too,
// since all have the same timeout. Answered requests stay until they reach the front.
type timeouts struct {
	queue []timeout
	first int
}

type timeout struct {
	at    int64
	index uint32 // of a slot, which may belong to another request by now
}

func (t *timeouts) add(s *slot) { t.queue = append(t.queue, timeout{s.deadline, s.index}) }

// next returns the deadline at the front, whether or not that request is answered.
func (t *timeouts) next() int64 {
	if t.first == len(t.queue) {
		return math.MaxInt64
	}
	return t.queue[t.first].at
}

// expire calls late for each unanswered request whose deadline has passed.
func (t *timeouts) expire(slots *slots, at int64, late func(*slot)) {
	for ; t.first < len(t.queue); t.first++ {
		one := t.queue[t.first]
		s := &slots.all[one.index]
		if !s.busy || s.deadline != one.at {
			continue
		}
		if one.at > at {
			break
		}
		late(s)
	}
	if t.first > len(t.queue)/2 {
		t.queue = t.queue[:copy(t.queue, t.queue[t.first:])]
		t.first = 0
	}
}
