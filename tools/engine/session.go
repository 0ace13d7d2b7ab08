package main

import (
	"strconv"
	"strings"
	"time"

	"toril/tools/engine/internal/cache"
	"toril/tools/engine/internal/cookie"
	"toril/tools/engine/internal/text"
)

const (
	mostSteps = 10_000           // of a session without a request or a pause, before others have their turn
	breather  = int64(1_000_000) // ns that it then waits
)

// session is one user: what it knows, and where it is in its program. It has no goroutine, and a slot only while a
// request of it is in flight.
type session struct {
	side      *side
	values    *text.Values
	cookies   cookie.Jar
	cache     cache.Cache
	own       connections
	due       int64 // the moment of its next step
	iteration int64
	number    int32 // of the user, from 1
	step      int32
	depth     int8 // of open transactions
	lastOK    bool
	ending    bool // no further pass
	over      bool
	counters  []int32 // of loops; for `once` 1 after the first time
	open      []span  // transactions, by depth
}

// leave ends a session: it keeps nothing but the memory of its record for the next one.
func (c *crowd) leave(u *session) {
	if u.over {
		return
	}
	d := u.side
	d.active--
	if !c.ended { // the files are no longer needed then, and closing many would delay the last responses
		u.own.close(c.loop)
	}
	u.values.Reset()
	clear(u.counters)
	*u = session{values: u.values, counters: u.counters, open: u.open, over: true}
	if c.reuses {
		u.over = false
		d.spare = append(d.spare, u)
	}
}

// begin begins a pass of the session: a new row of data, perhaps no cookies. It returns false if the session is over.
func (c *crowd) begin(u *session, local, global int64) bool {
	d := u.side
	u.iteration++
	u.step, u.depth = 0, 0
	if d.program.journey.FreshCookies {
		u.cookies.Clear()
	}
	began := d.program.fill(u.values, c.feeds, local, global)
	if !began { // no row is left
		u.iteration--
	}
	return began
}

// resume takes the session's steps until it has to wait: for a response, a moment, a token or a slot.
func (c *crowd) resume(u *session) {
	d := u.side
	for range mostSteps {
		s := &d.program.steps[u.step]
		u.step++
		switch s.operation {
		case doRequest:
			if !c.request(u, s) {
				return
			}
		case doPause:
			if c.sleep(u, c.pauseOf(u, s)) {
				return
			}
		case doAssign:
			c.scopeOf(u)
			for i := range s.assigned {
				u.values.SetBytes(s.assigned[i].variable, c.loop.text(&s.assigned[i].value))
			}
		case doJump:
			u.step = int32(s.to)
		case doUnless:
			holds, err := s.condition.True(c.scopeOf(u))
			if err != nil {
				c.scriptError(s, err)
			}
			if err != nil || !holds {
				u.step = int32(s.to)
			}
		case doBegin:
			u.counters[s.index] = 0
			for _, flag := range s.flags {
				u.counters[flag] = 0
			}
		case doCount:
			rounds := s.rounds
			if rounds < 0 {
				rounds, _ = parseRounds(s.text.String(c.scopeOf(u)))
			}
			if u.counters[s.index]++; rounds != 0 && int64(u.counters[s.index]) > rounds || rounds == 0 && s.rounds < 0 {
				u.step = int32(s.to)
			}
		case doEach:
			u.counters[s.index]++
			value, found := u.values.Get(s.input + "_" + strconv.Itoa(int(u.counters[s.index])))
			if !found {
				u.step = int32(s.to)
				break
			}
			u.values.SetValue(s.variable, value)
		case doOnce:
			if u.counters[s.index]++; u.counters[s.index] > 1 {
				u.counters[s.index], u.step = 1, int32(s.to)
			}
		case doEnter:
			u.depth = int8(s.index + 1)
			u.open[s.index] = span{began: u.due}
		case doLeave:
			u.depth = int8(s.index)
			c.recordTransaction(u, s)
		case doAct:
			if c.act(u, s.action) {
				return
			}
		case doEnd:
			if c.endPass(u) {
				return
			}
		}
	}
	u.due = d.clock(now()) + breather
	d.sleepers.add(u.due, u)
}

// scriptError records a step of the suite that means nothing with the present values.
func (c *crowd) scriptError(s *step, err error) {
	at := now()
	c.loop.results.writeSpan(at, at, 0, 0, s.label, outcome{"ConditionError", clean(err.Error()), false})
	if c.scriptErrors == nil {
		c.scriptErrors = map[string]int{}
	}
	c.scriptErrors[s.condition.Source()]++
}

// pauseOf returns the length of a pause in ns.
func (c *crowd) pauseOf(u *session, s *step) int64 {
	if s.think != nil {
		return s.think.draw(c.random)
	}
	return parseDuration(s.text.String(c.scopeOf(u)))
}

// parseDuration returns a duration in ns as Taurus writes it, such as 1.5, 500ms or 1m30s; 0 if it is none.
func parseDuration(text string) int64 {
	text = strings.TrimSpace(text)
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		return max(0, seconds(s))
	}
	found, _ := time.ParseDuration(text)
	return max(0, int64(found))
}

// sleep has the session go on after a pause. It returns false if there is none: then it goes on at once.
func (c *crowd) sleep(u *session, length int64) bool {
	if length <= 0 || c.loop.load.Tried {
		return false
	}
	if c.ended {
		c.leave(u)
		return true
	}
	for i := range u.depth {
		u.open[i].pending += length
	}
	u.due += length
	u.side.sleepers.add(u.due, u)
	return true
}

// act returns true if the session is over, or waits.
func (c *crowd) act(u *session, what action) bool {
	switch what {
	case nextPass, stopUser:
		c.closeTransactions(u)
		if p := u.side.program; int(u.step) > p.teardown { // it is a step of the teardown
			u.step = int32(len(p.steps) - 1)
		} else {
			u.step = int32(p.teardown)
		}
		u.ending = u.ending || what == stopUser
	case stopUserNow:
		c.unfinished(u)
		c.leave(u)
		return true
	case stopAll, stopAllNow:
		c.leave(u)
		c.watcher.ended.Store(true)
		return true
	}
	return false
}

// endPass begins the session's next pass. It returns true if the session is over.
func (c *crowd) endPass(u *session) bool {
	wanted := c.wanted
	switch {
	case u.ending:
		c.unfinished(u)
	case wanted > 0 && u.iteration+1 >= wanted:
	default:
		if u.side.program.journey.Cache {
			u.cache.Clear()
		}
		local, global := c.feeds.nextPass(u.side.index)
		if c.begin(u, local, global) {
			return false
		}
		c.unfinished(u)
	}
	c.leave(u)
	return true
}

// unfinished counts a user that ends before its last pass.
func (c *crowd) unfinished(u *session) {
	if c.wanted > 0 && c.feeds.users != nil && u.iteration+1 < c.wanted {
		c.unfinishedUsers++
	}
}

func (c *crowd) scopeOf(u *session) *text.Scope {
	scope := &c.loop.scope
	scope.Values, scope.Thread, scope.Iteration, scope.LastOK = u.values, int(u.number), u.iteration, u.lastOK
	return scope
}

// request sends the request of a step as soon as there are a token and a slot for it. It returns true if the session
// goes on at once, since the user's cache has the response.
func (c *crowd) request(u *session, s *step) bool {
	d := u.side
	switch {
	case c.ended:
		c.leave(u)
		return false
	case d.frozenAt == 0 && !c.capped && len(d.waiting.all()) == 0:
		if one := c.loop.slots.acquire(); one != nil {
			return !c.send(u, s, one) && !c.sleep(u, s.think.draw(c.random))
		}
	}
	d.waiting.add(u)
	return false
}

// grant has the session that has waited longest send its request, which is due at this moment or was due before. It
// returns whether a request was sent, which the user's cache may spare, and false if there was no slot.
func (c *crowd) grant(d *side, at int64) (sent, granted bool) {
	one := c.loop.slots.acquire()
	if one == nil {
		return false, false
	}
	u := d.waiting.take()
	if waited := at - u.due; waited > 0 {
		for i := range u.depth { // a timer, as a think time is
			u.open[i].pending += waited
		}
		u.due = at
	}
	s := &d.program.steps[u.step-1]
	if sent = c.send(u, s, one); !sent && !c.sleep(u, s.think.draw(c.random)) {
		c.resume(u)
	}
	return sent, true
}

// send sends a request. It returns false if none is needed, since the user's cache has the response.
func (c *crowd) send(u *session, s *step, one *slot) bool {
	one.session, one.step, one.request, one.arm, one.due = u, s, s.request, u.side.arm, u.due
	c.scopeOf(u)
	return c.loop.start(one, &u.own)
}
