package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"toril/tools/engine/internal/text"
)

const (
	loopRate    = 40_000        // requests a second, about half of what one loop can send
	journeyRate = 1_000         // journeys a second of one loop
	loopUsers   = 500           // users of one loop
	readBytes   = 1 << 16       // of one read
	dialPeriod  = int64(50_000) // ns between new connections while the loop is late
)

// loopCount is one, or one for each processor if this worker's share of the peak rate is too much for one loop.
func loopCount(l *load, processors int) int {
	rate := l.PeakRPS
	if l.Interleave.Weight > 0 {
		rate *= l.Interleave.share()
	}
	if rate > loopRate || l.Model == arrivalsModel && rate > journeyRate || l.Model == usersModel && l.Users.Count > loopUsers {
		return processors
	}
	return 1
}

// sendByLoops sends the load by `count` loops.
func sendByLoops(l *load, e *engine, count int) error {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + count) // a loop occupies one even while it waits: see poller
	var loops []*loop
	for i := range count {
		limit := l.MaxWorkers / count
		if i < l.MaxWorkers%count {
			limit++
		}
		if l.Model == usersModel {
			limit = 2 * l.Users.Count // a user has one request in flight, in a duet one of each side
		}
		o, err := newLoop(l, e, e.addPacer(l, int64(i), int64(count)), newSlots(max(1, limit)), e.files/count)
		if err != nil {
			return err
		}
		defer o.poll.close()
		loops = append(loops, o)
	}
	e.dialer.changed = func(name *hostname) {
		for _, o := range loops {
			o.post(func() { o.renew(name) })
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

// loop sends its part of a load and reads the responses, all in one goroutine that waits for nothing but the poller.
// Over HTTP/1, other goroutines only look names up and make TLS handshakes; over HTTP/2, and on systems without epoll,
// each request in flight has one of its own. They post their results to the loop.
//
// It sends no request twice. A response's time is the moment at which the poller reported it.
type loop struct {
	load    *load
	poll    *poller
	pacer   *pacer
	slots   *slots
	dialer  *dialer
	results *results
	keeper  *keeper // nil: nothing is kept
	client  *client // nil: HTTP/1 over the loop's own sockets
	crowd   *crowd  // nil: independent requests

	sockets
	encoder
	feeds     *feeds
	deadlines deadlines
	faults    []fault
	outcome   exchanged // of the last exchange, as done sees it
	bodies    decoder
	spare     spares
	aborted   atomic.Bool
	work      *work

	mutex     sync.Mutex
	posted    []func()
	anyPosted atomic.Bool
}

func newLoop(l *load, e *engine, pacer *pacer, slots *slots, files int) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	o := &loop{
		load: l, poll: poll, pacer: pacer, slots: slots, dialer: e.dialer, results: e.results,
		keeper: e.keeper, feeds: e.feeds, sockets: newSockets(e.tls, files, int(pacer.step)), work: &work{},
	}
	e.collector.works = append(e.collector.works, o.work)
	random := rand.New(rand.NewPCG(l.Seed+uint64(len(e.collector.slots)), rand.Uint64()))
	o.scope = text.Scope{Shared: e.shared, Rand: random, Now: time.Now}
	if useClient || l.HTTP2 || l.byClient {
		o.client = newClient(l, e)
	}
	e.collector.slots = append(e.collector.slots, slots)
	if l.ofSessions() {
		o.crowd = newCrowd(o, e, len(e.collector.crowds), int(pacer.step))
		e.collector.crowds = append(e.collector.crowds, o.crowd)
	}
	return o, nil
}

// run returns when all requests are sent and answered, or when the loop is aborted.
func (o *loop) run() error {
	defer o.work.pause() // a loop that has ended does not work
	for {
		until := o.send()
		o.settleFaults()
		if o.aborted.Load() || o.pacer.stopped.Load() && o.slots.inFlight() == 0 {
			return nil
		}
		if err := o.turn(until); err != nil {
			return err
		}
	}
}

// turn waits until that moment or until something happens, and handles what has happened.
func (o *loop) turn(until int64) error {
	if len(o.faults) > 0 || o.hasUnread() {
		until = 0
	}
	o.work.pause()
	events, err := o.poll.wait(min(until, o.deadlines.next()))
	if err != nil {
		return err
	}
	at := o.work.resume()
	o.readAgain(at)
	for i := range events {
		if o.aborted.Load() { // a check of a large body may take long
			return nil
		}
		o.handle(i, at)
	}
	if o.anyPosted.Swap(false) {
		o.runPosted()
	}
	o.deadlines.expire(o.slots, at, o.expired)
	return nil
}

// post has the loop call f. Any goroutine may call it.
func (o *loop) post(f func()) {
	o.mutex.Lock()
	o.posted = append(o.posted, f)
	o.mutex.Unlock()
	if !o.anyPosted.Swap(true) {
		o.poll.wake()
	}
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
	if o.crowd != nil {
		return o.crowd.advance()
	}
	p := o.pacer
	for at := now(); !p.stopped.Load(); {
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
		if at-a.sendAt > tick && o.mustWait(a, at) {
			return min(o.nextDial, at+int64(maxWait))
		}
		local := p.advance(a)
		s := o.slots.acquire()
		if s == nil {
			p.lateness.drop()
			continue
		}
		o.begin(s, a, local)
		at = s.sent
	}
	return math.MaxInt64
}

// begin sends a request of the requests model. It is the arrival a, and the `local`th of this worker's.
func (o *loop) begin(s *slot, a arrival, local int64) {
	p := o.pacer.program
	count := int64(len(p.requests))
	o.scope.Values = o.pacer.values
	p.fill(o.scope.Values, o.feeds, local/count, a.global/count)
	s.due, s.arm, s.request = a.sendAt, o.pacer.arm, o.pacer.request(a.global)
	o.start(s, nil)
}

// start sends the request of a slot that is due. It returns false if none is needed, since the user's cache has the
// response.
func (o *loop) start(s *slot, own *connections) bool {
	r := s.request
	s.label, s.follow, s.closes, s.done, s.sent = r.label, r.follow, r.closes, answered, now()
	wire, to, method, err := r.wire, r.to, "", error(nil)
	if wire != nil && !r.traced {
		method, _ = r.method.Fixed()
	} else {
		s.memory, to, method, err = r.append(o.memory(), &o.encoder, s.session)
		wire = s.memory
	}
	if err == nil && r.cache && !s.session.cache.Empty() && s.session.cache.Fresh(to.url(targetIn(wire)), o.scope.Now()) {
		o.release(s)
		return false
	}
	o.pacer.lateness.add((s.sent - s.due) / 1000)
	o.expect(s, r.timeout)
	if err == nil && r.signer != nil {
		wire, err = r.signer.Sign(wire, time.Now())
	}
	if err != nil {
		o.settleLater(s, err)
		return true
	}
	if r.traced {
		setTrace(traceIn(wire))
	}
	o.exchange(s, wire, to, method, r.capture, own)
	return true
}

// record writes the result of a request and releases its slot.
func (o *loop) record(s *slot, e *exchanged, result outcome) {
	o.results.writeSample(s, e.at, result)
	if o.keeper != nil {
		o.keeper.offer(s, e.at, e.status, result)
	}
	o.release(s)
}

// release returns a slot whose request is over, with its memory.
func (o *loop) release(s *slot) {
	o.reclaim(&s.memory)
	s.trail = trail{}
	o.slots.release(s)
}

// room returns how many bytes to copy of a body whose head has just arrived.
func (o *loop) room(s *slot, status int, whole bool, at int64) int64 {
	room := int64(0)
	if s.want.body {
		room = s.want.limit
	}
	if o.keeper != nil {
		room = max(room, o.keeper.room(s, status, whole, at))
	}
	return room
}

// spares is memory to use again. Requests get small pieces only. Otherwise each would end up with one of the size of the
// largest response.
type spares struct{ small, large [][]byte }

const (
	smallSpare = 16 << 10
	mostSpare  = 1 << 20 // larger memory is not kept
	mostLarge  = 64
)

// memory returns some to append a request to. reclaim takes it back.
func (o *loop) memory() []byte { return pop(&o.spare.small) }

// roomy returns memory to append a copy of a response to.
func (o *loop) roomy() []byte {
	if len(o.spare.large) > 0 {
		return pop(&o.spare.large)
	}
	return pop(&o.spare.small)
}

func pop(spare *[][]byte) []byte {
	last := len(*spare) - 1
	if last < 0 {
		return nil
	}
	memory := (*spare)[last]
	*spare = (*spare)[:last]
	return memory
}

func (o *loop) reclaim(memory *[]byte) {
	switch size := cap(*memory); {
	case size > 0 && size <= smallSpare:
		o.spare.small = append(o.spare.small, (*memory)[:0])
	case size > 0 && size <= mostSpare && len(o.spare.large) < mostLarge:
		o.spare.large = append(o.spare.large, (*memory)[:0])
	}
	*memory = nil
}
