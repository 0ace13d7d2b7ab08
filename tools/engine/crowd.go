package main

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"toril/tools/engine/internal/check"
)

// mostAtOnce bounds the sessions that go on before the loop reads responses again.
const mostAtOnce = 128

// crowd is the sessions of one loop: users, or journeys that arrive. Only the loop's goroutine uses it, but for `shown`,
// and for what the collector reads after the loop's end.
type crowd struct {
	loop      *loop
	watcher   *watcher
	sides     []*side // one; in a duet that of base and that of head
	feeds     *feeds
	random    *rand.Rand
	response  check.Response
	checked   []checked // of the last response
	wanted    int64     // passes of each session; 0: until the end
	capped    bool      // each request waits for a token of the schedule
	reuses    bool      // the memory of sessions that are over
	ended     bool      // no request begins any more
	exhausted bool      // no journey begins any more: the rows are used up

	next, step int    // the number of this loop's next user, and the distance to the one after it
	endAt      int64  // when the load ends at the latest
	starts     uint32 // the label of journeys' starts
	switches   []turnSwitch
	pauses     []rateChange

	shown           atomic.Int64 // active sessions
	unfinishedUsers int
	scriptErrors    map[string]int // by the condition
}

// turnSwitch is the begin or end of a side's turn.
type turnSwitch struct {
	at     int64
	side   int
	begins bool
}

// newCrowd returns the crowd of one of several loops.
func newCrowd(o *loop, e *engine, loop, loops int) *crowd {
	l := o.load
	c := &crowd{
		loop: o, feeds: e.feeds, random: o.scope.Rand,
		next: loop, step: loops, starts: e.starts, reuses: l.Model == arrivalsModel, wanted: 1,
		capped: l.Model == usersModel && len(l.Points) > 0,
	}
	if l.Model == usersModel {
		c.wanted = l.Users.Iterations
	}
	for i, p := range e.programs {
		d := &side{index: i, program: p}
		if len(e.programs) > 1 {
			d.arm = 2 - i // the first program is head's
		}
		c.sides = append(c.sides, d)
	}
	return c
}

// open begins the load.
func (c *crowd) open(startAt int64) {
	l := c.loop.load
	c.endAt = math.MaxInt64
	if l.Model == arrivalsModel {
		turns := c.loop.pacer.turns
		c.endAt = startAt + seconds(turns[len(turns)-1].end)
	} else if length := l.Users.length(); length > 0 {
		c.endAt = startAt + seconds(length)
	}
	if len(l.Turns) == 0 {
		return
	}
	for _, d := range c.sides {
		d.freeze(startAt)
	}
	for _, turn := range l.Turns {
		side := 2 - int(turn[0])
		c.switches = append(c.switches, turnSwitch{startAt + seconds(turn[1]), side, true},
			turnSwitch{startAt + seconds(turn[2]), side, false})
	}
}

// advance has everything happen that is due. It returns the moment of what comes next.
func (c *crowd) advance() int64 {
	p := c.loop.pacer
	at := now()
	if c.ended {
		c.show()
		return math.MaxInt64
	}
	ending, changed := p.interrupted()
	if changed {
		c.pauses = append(c.pauses, p.changed)
	}
	if ending || at >= c.endAt {
		if !ending && c.feeds.users == nil {
			c.startJourneys(at) // due before the end
		}
		c.end(at)
		return math.MaxInt64
	}
	until := min(c.endAt, c.turn(at), c.pause(at))
	if c.feeds.users != nil {
		until = min(until, c.startUsers(at))
	} else {
		until = min(until, c.startJourneys(at))
	}
	until = min(until, c.wake(at), c.serve(at))
	c.show()
	if c.over() {
		c.end(at)
	}
	return until
}

// wake has the sessions go on whose moment has come.
func (c *crowd) wake(at int64) int64 {
	next := int64(math.MaxInt64)
	for _, d := range c.sides {
		if d.frozenAt != 0 {
			continue
		}
		for range mostAtOnce {
			if d.sleepers.next() > at {
				break
			}
			c.resume(d.sleepers.take().user)
		}
		next = min(next, d.sleepers.next())
	}
	return next
}

// serve lets waiting sessions send: with a schedule as many as it has tokens, else as many as there are slots.
func (c *crowd) serve(at int64) int64 {
	if !c.capped {
		for _, d := range c.sides {
			for granted := 0; d.frozenAt == 0 && len(d.waiting.all()) > 0; granted++ {
				if granted == mostAtOnce { // the user's cache has a response at once
					return at
				}
				if _, ok := c.grant(d, 0); !ok {
					return at + int64(time.Millisecond)
				}
			}
		}
		return math.MaxInt64
	}
	p := c.loop.pacer
	for range mostAtOnce {
		a, more := p.next()
		if !more {
			return math.MaxInt64
		}
		d := c.sideOf(p.arm)
		if a.sendAt > at {
			return a.sendAt
		}
		switch {
		case len(d.waiting.all()) > 0 && d.frozenAt == 0:
			sent, granted := c.grant(d, a.sendAt)
			if !granted {
				return at + int64(time.Millisecond)
			}
			if sent { // else the next user takes the token
				p.advance(a)
			}
		case at-a.sendAt > tokenLife:
			p.advance(a)
			p.lateness.drop()
		case p.missed(a, more, at):
		default:
			return a.sendAt + tokenLife
		}
	}
	return at
}

// tokenLife is how long a token of the schedule waits for a user who is ready. What the users cannot send within it is
// dropped, since sending all of it later would be another load.
const tokenLife = int64(time.Second)

// sideOf returns the side of an arm; 0: the only one.
func (c *crowd) sideOf(arm int) *side {
	for _, d := range c.sides {
		if d.arm == arm {
			return d
		}
	}
	return c.sides[0]
}

// turn freezes and thaws the sides at the switches of a duet.
func (c *crowd) turn(at int64) int64 {
	for len(c.switches) > 0 && c.switches[0].at <= at {
		d := c.sides[c.switches[0].side]
		if c.switches[0].begins {
			d.thaw(c.switches[0].at)
		} else {
			d.freeze(c.switches[0].at)
		}
		c.switches = c.switches[1:]
	}
	if len(c.switches) > 0 {
		return c.switches[0].at
	}
	return math.MaxInt64
}

// pause has all sessions stand still from a change to the rate 0 to the next one.
func (c *crowd) pause(at int64) int64 {
	for len(c.pauses) > 0 && c.pauses[0].at <= at {
		for _, d := range c.sides {
			if c.pauses[0].rps == 0 {
				d.freeze(c.pauses[0].at)
			} else if len(c.loop.load.Turns) == 0 {
				d.thaw(c.pauses[0].at)
			}
		}
		c.pauses = c.pauses[1:]
	}
	if len(c.pauses) > 0 {
		return c.pauses[0].at
	}
	return math.MaxInt64
}

// show notes how many sessions are active: in a duet those of the side whose turn it is.
func (c *crowd) show() {
	most := 0
	for _, d := range c.sides {
		most = max(most, d.active)
	}
	c.shown.Store(int64(most))
}

// over is true if all users have ended, or all journeys that ever begin.
func (c *crowd) over() bool {
	for _, d := range c.sides {
		if d.active > 0 {
			return false
		}
	}
	if c.feeds.users != nil {
		return c.next >= c.feeds.users.Count
	}
	return c.exhausted
}

// end ends the load: no request begins any more, and only sessions with a request in flight go on until its response.
func (c *crowd) end(at int64) {
	if c.ended {
		return
	}
	c.ended = true
	for _, d := range c.sides {
		for _, one := range d.sleepers {
			c.leave(one.user)
		}
		d.sleepers = nil
		for _, u := range d.waiting.all() {
			c.leave(u)
		}
		d.waiting = waiters{}
	}
	c.show()
	if p := c.loop.pacer; !p.stopped.Load() {
		if c.feeds.users == nil && !c.exhausted {
			p.stop(at)
			return
		}
		p.stoppedAt = min(at, c.endAt)
		p.stopped.Store(true)
	}
}
