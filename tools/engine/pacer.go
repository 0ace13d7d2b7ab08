package main

import "sync/atomic"

const tick = int64(500_000) // ns: arrivals that are closer are sent in groups, because each wake-up costs CPU

var endGrace = int64(50_000_000) // ns after a turn's end in which late arrivals are still sent

// pacer yields the arrivals of one loop at the moments of the schedule, independent of responses.
type pacer struct {
	*course    // of the current turn
	turns      []turn
	turn       int // the current one
	startAt    int64
	interleave *interleave
	step       int64 // the number of loops: each takes every step-th arrival
	lastDue    int64 // of the arrival before the next one
	firstSent  int64 // when the first arrival was sent or dropped; 0: never
	stoppedAt  int64
	tickShift  int64 // shifts the ticks against other workers' and loops'
	lateness   *lateness
	changes    chan rateChange
	changed    rateChange   // the last one
	ending     *atomic.Bool // no further request may begin
	stopped    atomic.Bool
}

// rateChange is another rate for all workers together, from a moment on.
type rateChange struct {
	at  int64
	rps float64
}

// arrival is a request of the schedule.
type arrival struct {
	due     int64 // by the curve
	sendAt  int64 // when it should be sent: due, or the next tick
	turnEnd int64
	global  int64 // its number in the whole schedule of its course
}

// next returns the next arrival; false if the last turn ends before it, and then its moments are those of the end.
func (p *pacer) next() (arrival, bool) {
	for {
		global := p.interleave.global(p.local)
		own, more := p.cursor.due(float64(global))
		t, last := &p.turns[p.turn], p.turn == len(p.turns)-1
		end := p.startAt + seconds(t.end)
		if due, within := t.at(own); more && (within || last) {
			at := p.startAt + seconds(due)
			return arrival{at, min(p.sendTime(at), end), end, global}, true
		}
		if last {
			return arrival{end, end, end, global}, false
		}
		p.turn++
		p.course = p.turns[p.turn].course
	}
}

// advance goes on to the arrival after a. It returns a's number among this worker's.
func (p *pacer) advance(a arrival) int64 {
	local := p.local
	if p.firstSent == 0 {
		p.firstSent = now()
	}
	p.local, p.lastDue = p.local+p.step, a.due
	return local
}

// interrupted tells whether the load is ending or its rate has changed, without waiting. It applies the change.
func (p *pacer) interrupted() (ending, changed bool) {
	if p.ending.Load() {
		return true, false
	}
	if len(p.changes) == 0 {
		return false, false
	}
	p.apply(<-p.changes)
	return false, true
}

// missed drops an arrival whose turn is over: another turn follows. Late arrivals are sent for a while beyond the end.
func (p *pacer) missed(a arrival, more bool, at int64) bool {
	if !more || p.turn == len(p.turns)-1 || at < a.turnEnd+endGrace {
		return false
	}
	p.advance(a)
	p.lateness.drop()
	return true
}

// finished stops the pacer if the last turn is over.
func (p *pacer) finished(a arrival, more bool, at int64) bool {
	if more && at < a.turnEnd+endGrace {
		return false
	}
	p.stop(at)
	return true
}

// stop counts arrivals that were due by now and not sent as dropped: the engine was too late for them.
func (p *pacer) stop(at int64) {
	for a, more := p.next(); more && a.sendAt <= at; a, more = p.next() {
		p.advance(a)
		p.lateness.drop()
	}
	p.stoppedAt = at
	p.stopped.Store(true)
}

// sendTime returns when an arrival should be sent: when it is due, or at the next tick if it follows the one before
// within less than a tick. That depends on the schedule alone, not on how late the engine is.
func (p *pacer) sendTime(due int64) int64 {
	if p.firstSent == 0 || due-p.lastDue >= tick {
		return due
	}
	since := due - p.startAt - p.tickShift
	return p.startAt + p.tickShift + (since+tick-1)/tick*tick
}

// request returns the request of an arrival.
func (p *pacer) request(global int64) *request {
	return p.program.requests[global%int64(len(p.program.requests))]
}

func (p *pacer) apply(change rateChange) {
	p.changed = change
	if len(p.cursor.curve) == 0 {
		return
	}
	p.cursor = cursor{
		curve: p.cursor.curve.changed(float64(change.at-p.startAt)/1e9, change.rps), poisson: p.cursor.poisson.changed(),
	}
}
