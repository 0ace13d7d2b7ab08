package main

import "math"

// startUsers begins the users whose moment has come, in a duet one of each side. It returns the moment of the next one.
func (c *crowd) startUsers(at int64) int64 {
	users, p := c.feeds.users, c.loop.pacer
	for range mostAtOnce {
		if c.next >= users.Count {
			return math.MaxInt64
		}
		due := p.startAt + seconds(users.start(c.next))
		if due > at {
			return due
		}
		if p.firstSent == 0 {
			p.firstSent = max(at, due)
		}
		for i, d := range c.sides {
			local, global := c.feeds.nextPass(i)
			begin := due
			if len(c.loop.load.Turns) == 0 { // who is due in a pause begins at its end
				begin = d.clock(due)
			}
			u := d.join(int32(users.First+c.next+1), begin)
			if !c.begin(u, local, global) {
				c.unfinished(u)
				c.leave(u)
				continue
			}
			if d.frozenAt != 0 {
				d.sleepers.add(u.due, u)
			} else {
				c.resume(u)
			}
		}
		c.next += c.step
	}
	return at
}

// startJourneys begins the journeys that are due. It returns the moment of the next one.
func (c *crowd) startJourneys(at int64) int64 {
	p := c.loop.pacer
	for range mostAtOnce {
		if c.exhausted {
			return math.MaxInt64
		}
		a, more := p.next()
		if a.sendAt > at {
			return a.sendAt
		}
		if p.missed(a, more, at) {
			continue
		}
		if p.finished(a, more, at) {
			c.end(at)
			return math.MaxInt64
		}
		local := p.advance(a)
		c.startJourney(a, local)
	}
	return at
}

func (c *crowd) startJourney(a arrival, local int64) {
	p, at := c.loop.pacer, now()
	d := c.sideOf(p.arm)
	if c.loop.slots.full() {
		p.lateness.drop()
		return
	}
	u := d.join(int32(a.global+1), a.sendAt)
	if !c.begin(u, local, a.global) { // no rows are left
		c.leave(u)
		c.exhausted = true
		return
	}
	p.lateness.add((at - a.sendAt) / 1000)
	c.loop.results.writeSpan(a.sendAt, at, at-a.sendAt, 0, c.starts, outcome{"", "", true})
	if d.frozenAt != 0 {
		d.sleepers.add(u.due, u)
		return
	}
	c.resume(u)
}
