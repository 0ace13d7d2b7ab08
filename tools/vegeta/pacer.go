package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	coarse = 2 * time.Millisecond // Go's timers are as late as 1 ms; the rest of a wait is the kernel's
	tick   = int64(500_000)       // ns: what is due more often is sent in groups, since each waking costs CPU
	leeway = int64(50_000_000)    // ns: so late what was due before the end is still sent, and later is dropped
)

// pacer says when the next request is due, by the curve and not by what became of the last one. For HTTP/2 it is vegeta's.
type pacer struct {
	gate     int64
	curve    *curve
	walk     walk
	stripe   *stripe
	own      int64 // the next one's number
	step     int64 // from it to the one after it: there are as many loops
	last     int64 // when the one before it was due
	begun    int64 // when the first one was sent, or could not be; 0: never
	ended    int64 // when nothing was sent any more
	shift    int64 // of this worker's ticks, so that workers do not tick together
	requests []request
	sources  []source
	rows     [][]string // of one arrival, shared by all where no request has columns
	slots    *slots
	late     *lateness
	alarm    *alarm
	changes  chan change
	ending   chan struct{} // closed when no request may begin any more
	stopped  atomic.Bool
}

// change is another rate for the whole execution, from a moment on.
type change struct {
	at  int64
	rps float64
}

// arrival is a request that is to be sent.
type arrival struct {
	exact int64 // when it is due
	at    int64 // when it is sent
	end   int64 // of the curve
	place int64 // in the whole schedule
}

// next is this worker's next arrival; false where there is none, and the end of the curve is what comes.
func (p *pacer) next() (arrival, bool) {
	place := p.stripe.place(p.own)
	end := p.gate + seconds(p.curve.length())
	due, more := p.walk.due(float64(place))
	if !more {
		return arrival{end, end, end, place}, false
	}
	exact := p.gate + seconds(due)
	return arrival{exact, min(p.ticked(exact), end), end, place}, true
}

// pass goes on to the one after it, and returns its number among this worker's.
func (p *pacer) pass(one arrival) int64 {
	own := p.own
	if p.begun == 0 {
		p.begun = now()
	}
	p.own, p.last = p.own+p.step, one.exact
	return own
}

// told is true when no request may begin any more; a change of rate is heard of, too.
func (p *pacer) told() bool {
	select {
	case <-p.ending:
		return true
	case one := <-p.changes:
		p.change(one)
	default:
	}
	return false
}

// ends is true when nothing is sent any more, since the curve is over.
func (p *pacer) ends(one arrival, more bool, at int64) bool {
	if more && at < one.end+leeway {
		return false
	}
	p.stop(at)
	return true
}

// stop ends it: what was due until then and has not been sent, since this program was too late, never will be.
func (p *pacer) stop(at int64) {
	for one, more := p.next(); more && one.at <= at; one, more = p.next() {
		p.pass(one)
		p.late.drop()
	}
	p.ended = at
	p.stopped.Store(true)
}

// Pace is vegeta's: it waits until a request is due and a slot is free, and lines it up for the next worker; true when
// all is sent.
//
// A request that is due while as many are in flight as may be is never sent, and counted: if it waited for a slot, the
// model would be closed, and a target that stalls would be asked for less.
func (p *pacer) Pace(time.Duration, uint64) (time.Duration, bool) {
	for {
		one, more := p.next()
		if !p.wait(one.at) {
			if p.isEnding() {
				p.stop(now())
				return 0, true
			}
			continue // the rate has changed
		}
		if p.ends(one, more, now()) {
			return 0, true
		}
		if now()-one.at > tick {
			runtime.Gosched() // a burst to make up for it would open as many connections, and be later still
		}
		own := p.pass(one)
		index, free := p.slots.take()
		if !free {
			p.late.drop()
			continue
		}
		p.fill(&p.slots.all[index], one.at, one.place, own)
		p.slots.line(index)
		return 0, false
	}
}

// ticked is the moment at which a request is meant to be sent: when it is due, or, where requests are less than a tick
// apart, at the first tick from then on. It depends on the schedule alone, and not on what became of other requests.
func (p *pacer) ticked(exact int64) int64 {
	if p.begun == 0 || exact-p.last >= tick {
		return exact
	}
	since := exact - p.gate - p.shift
	return p.gate + p.shift + (since+tick-1)/tick*tick
}

// Rate is part of vegeta's interface.
func (p *pacer) Rate(elapsed time.Duration) float64 { return 0 }

func (p *pacer) request(place int64) *request { return &p.requests[place%int64(len(p.requests))] }

func (p *pacer) fill(s *slot, due, place, own int64) {
	many := int64(len(p.requests))
	rows := p.rows
	if len(p.sources) > 0 {
		rows = make([][]string, len(p.sources))
		for i, source := range p.sources {
			pass := place / many
			if source.Own {
				pass = own / many
			}
			rows[i] = source.Rows[pass%int64(len(source.Rows))]
		}
	}
	*s = slot{due: due, place: place, own: own, request: p.request(place), rows: rows, connect: -1, busy: true}
}

// wait is false when something happened before that moment; the last of it is slept through.
func (p *pacer) wait(until int64) bool {
	for {
		left := until - now()
		if left <= int64(coarse) {
			select {
			case <-p.ending:
				return false
			case one := <-p.changes:
				p.change(one)
				return false
			default:
			}
			if left > 0 {
				if err := p.alarm.sleep(left); err != nil {
					panic(err) // a file of our own: nothing that happens while it goes on
				}
			}
			return true
		}
		timer := time.NewTimer(time.Duration(left) - coarse)
		select {
		case <-timer.C:
		case <-p.ending:
			timer.Stop()
			return false
		case one := <-p.changes:
			timer.Stop()
			p.change(one)
			return false
		}
	}
}

func (p *pacer) change(one change) {
	p.curve = p.curve.changed(float64(one.at-p.gate)/1e9, one.rps)
	p.walk = walk{curve: p.curve}
}

func (p *pacer) isEnding() bool {
	select {
	case <-p.ending:
		return true
	default:
		return false
	}
}

func seconds(s float64) int64 { return int64(s * 1e9) }
