package main

import "strconv"

// span is a transaction that has begun.
type span struct {
	began    int64
	ended    int64 // with its last response
	busy     int64 // response times
	pauses   int64 // between its responses
	pending  int64 // since the last one
	bytes    int64
	requests int32
	failed   int32
}

// add adds a response to a request that was due at this moment.
func (p *span) add(due, at, bytes int64, ok bool) {
	p.ended, p.busy = at, p.busy+at-due
	p.pauses, p.pending = p.pauses+p.pending, 0
	p.bytes += bytes
	p.requests++
	if !ok {
		p.failed++
	}
}

func (c *crowd) closeTransactions(u *session) {
	for ; u.depth > 0; u.depth-- {
		for i := int(u.step); i < len(u.side.program.steps); i++ {
			if s := &u.side.program.steps[i]; s.operation == doLeave && s.index == int(u.depth)-1 {
				c.recordTransaction(u, s)
				break
			}
		}
	}
}

// leaves returns whether the session's next step ends a transaction; it takes jumps on the way there.
func (c *crowd) leaves(u *session) bool {
	steps := u.side.program.steps
	at := u.step
	for steps[at].operation == doJump && int(steps[at].to) > int(at) {
		at = int32(steps[at].to)
	}
	if steps[at].operation != doLeave {
		return false
	}
	u.step = at
	return true
}

// recordTransaction writes the row of a transaction. One without a request has none.
func (c *crowd) recordTransaction(u *session, s *step) {
	p := &u.open[s.index]
	if p.requests == 0 {
		return
	}
	took := p.busy // without the time for which its side stood still between them
	if s.timers {
		took += p.pauses
	}
	o := outcome{"", "", true}
	if p.failed > 0 {
		o = outcome{"", "Number of samples in transaction : " + strconv.Itoa(int(p.requests)) +
			", number of failing samples : " + strconv.Itoa(int(p.failed)), false}
	}
	c.loop.results.writeSpan(p.began, p.ended, took, p.bytes, s.label, o)
}
