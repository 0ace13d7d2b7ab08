package main

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"toril/tools/engine/internal/cache"
	"toril/tools/engine/internal/check"
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

// span is a transaction that has begun.
type span struct {
	began    int64
	ended    int64 // with its last response
	still    int64 // for how long its side had stood still in all by its begin
	stood    int64 // and between its begin and its end
	pauses   int64 // between its responses
	pending  int64 // since the last one
	bytes    int64
	requests int32
	failed   int32
}

// add adds a response. `still` is for how long its side stood still in all.
func (p *span) add(at, still, bytes int64, ok bool) {
	p.ended, p.stood = at, still-p.still
	p.pauses, p.pending = p.pauses+p.pending, 0
	p.bytes += bytes
	p.requests++
	if !ok {
		p.failed++
	}
}

// side is the sessions of one arm in one loop.
type side struct {
	index    int
	arm      int
	program  *program
	sleepers sleepers
	waiting  waiters // for a token of the schedule, for a slot, or for the end of a pause
	active   int
	frozenAt int64 // since when its time stands still; 0: it does not
	still    int64 // ns for which it stood still in all
	spare    []*session
	missing  map[missingValue]int
}

// missingValue is a variable that a label's responses lack.
type missingValue struct{ label, variable string }

// clock returns the side's moment: that at which it stands still, or the present one.
func (d *side) clock(at int64) int64 {
	if d.frozenAt != 0 {
		return min(at, d.frozenAt)
	}
	return at
}

// stillAt returns for how long its time has stood still in all.
func (d *side) stillAt(at int64) int64 { return d.still + at - d.clock(at) }

func (d *side) freeze(at int64) {
	if d.frozenAt == 0 {
		d.frozenAt = at
	}
}

func (d *side) thaw(at int64) {
	if d.frozenAt == 0 {
		return
	}
	by := at - d.frozenAt
	d.frozenAt, d.still = 0, d.still+by
	d.sleepers.shift(by)
	for _, user := range d.waiting.all() {
		user.due += by
	}
}

// waiters are sessions in the order in which they came.
type waiters struct {
	users []*session
	first int
}

func (l *waiters) all() []*session { return l.users[l.first:] }

func (l *waiters) add(u *session) { l.users = append(l.users, u) }

func (l *waiters) take() *session {
	u := l.users[l.first]
	l.users[l.first] = nil
	if l.first++; l.first > len(l.users)/2 {
		l.users, l.first = l.users[:copy(l.users, l.users[l.first:])], 0
	}
	return u
}

// join returns a new session of the side.
func (d *side) join(number int32, at int64, base *text.Values) *session {
	var u *session
	if last := len(d.spare) - 1; last >= 0 {
		u = d.spare[last]
		d.spare[last], d.spare = nil, d.spare[:last]
	} else {
		u = &session{values: text.NewValues(d.program.names, base)}
		if d.program.counters > 0 {
			u.counters = make([]int32, d.program.counters)
		}
		if d.program.depth > 0 {
			u.open = make([]span, d.program.depth)
		}
	}
	u.side, u.number, u.due, u.lastOK, u.iteration = d, number, at, true, -1
	d.active++
	return u
}

// leave ends a session: it keeps nothing but the memory of its record for the next one.
func (c *crowd) leave(u *session) {
	if u.over {
		return
	}
	d := u.side
	d.active--
	u.own.close(c.loop)
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
	for i := range d.program.columns {
		row := c.feeds.row(i, local, global)
		if row == nil {
			return false
		}
		for at, column := range d.program.columns[i] {
			u.values.SetValue(column, row[at])
		}
	}
	return true
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
			scope := c.scopeOf(u)
			for i := range s.assigned {
				c.scratch = s.assigned[i].value.Append(c.scratch[:0], scope)
				u.values.SetBytes(s.assigned[i].variable, c.scratch)
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
			u.open[s.index] = span{began: u.due, still: d.still}
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
	u.due = d.clock(now())
	c.sleep(u, breather)
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

// sleep has the session go on so much later. It returns false if that is no time at all.
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
	case nextPass:
		c.closeTransactions(u)
		u.step = int32(u.side.program.teardown)
	case stopUser:
		c.closeTransactions(u)
		u.step, u.ending = int32(u.side.program.teardown), true
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
	c.scope.Values, c.scope.Thread, c.scope.Iteration, c.scope.LastOK = u.values, int(u.number), u.iteration, u.lastOK
	return &c.scope
}

// request sends the request of a step as soon as there are a token and a slot for it. It returns true if none is needed,
// since the user's cache has the response, and if the session goes on at once.
func (c *crowd) request(u *session, s *step) bool {
	d := u.side
	switch {
	case c.ended:
		c.leave(u)
		return false
	case s.request.cache && u.cache.Fresh(s.request.address(c.scopeOf(u)), c.scope.Now()):
		return !c.sleep(u, s.think.draw(c.random))
	case d.frozenAt == 0 && !c.capped && len(d.waiting.all()) == 0:
		if one := c.loop.slots.acquire(); one != nil {
			c.send(u, s, one)
			return false
		}
	}
	d.waiting.add(u)
	return false
}

// grant has the session that has waited longest send its request. It returns false if there is no slot for it.
func (c *crowd) grant(d *side, at int64) bool {
	one := c.loop.slots.acquire()
	if one == nil {
		return false
	}
	u := d.waiting.take()
	u.due = max(u.due, at)
	c.send(u, &d.program.steps[u.step-1], one)
	return true
}

func (c *crowd) send(u *session, s *step, one *slot) {
	o, r := c.loop, s.request
	one.session, one.step, one.label, one.arm, one.follow = u, s, r.label, u.side.arm, r.follow
	one.due, one.done, one.closes = u.due, sessionAnswered, r.closes
	one.sent = now()
	o.pacer.lateness.add((one.sent - one.due) / 1000)
	o.expect(one, r.timeout)
	one.memory = o.memory()
	wire, to, method, err := r.wire(one.memory, c.scopeOf(u), &c.scratch, u)
	one.memory = wire
	if err != nil {
		o.settleLater(one, err)
		return
	}
	if r.traced {
		setTrace(traceIn(wire))
	}
	o.exchange(one, wire, to, method, r.capture, &u.own)
}

// sessionAnswered is the end of an exchange of a session.
func sessionAnswered(o *loop, one *slot, e *exchanged) {
	c, u, r := o.crowd, one.session, one.step.request
	if e.err == nil && r.cookies {
		c.storeCookies(u, one, e)
	}
	if e.err == nil && one.follow {
		from := hop{one.method, one.to, one.wire, r.cookies, one.referred}
		next, moved, err := redirect(from, e.status, headerIn(e.head, "location"))
		switch {
		case !moved:
		case err == nil && one.hops == o.load.Redirects:
			e.err = tooManyRedirects(one.hops)
		case err != nil:
			e.err = err
		default:
			one.hops++
			one.referred = next.referred
			wire := next.wire
			if r.cookies {
				wire = c.withCookies(u, next)
			}
			o.exchange(one, wire, next.to, next.method, r.capture, &u.own)
			return
		}
	}
	c.settle(u, one, e)
}

// storeCookies keeps the cookies of a response.
func (c *crowd) storeCookies(u *session, one *slot, e *exchanged) {
	host, path := "", ""
	for value := range headersIn(e.head, "set-cookie") {
		if host == "" {
			host, path = hostOf(one.to.host), pathOf(targetIn(one.wire))
		}
		u.cookies.Store(host, path, one.to.scheme == "https", value, c.scope.Now())
	}
}

// withCookies returns a redirect's request with the cookies that its server gets.
func (c *crowd) withCookies(u *session, next hop) []byte {
	host, path := hostOf(next.to.host), pathOf(targetIn(next.wire))
	c.scratch = u.cookies.AppendHeader(c.scratch[:0], host, path, next.to.scheme == "https", c.scope.Now())
	if len(c.scratch) == 0 {
		return next.wire
	}
	end := endOfHead(next.wire, 0)
	field := fmt.Appendf(nil, "Cookie: %s\r\n", c.scratch)
	return slices.Concat(next.wire[:end-2], field, next.wire[end-2:])
}

// headersIn yields the values of a head's fields of this name, which is in lower case.
func headersIn(head []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(head) > 0 {
			line, rest, _ := bytes.Cut(head, []byte{'\n'})
			head = rest
			if len(line) > len(name) && line[len(name)] == ':' && equalFold(line[:len(name)], name) {
				if !yield(bytes.TrimSpace(line[len(name)+1:])) {
					return
				}
			}
		}
	}
}

// targetIn returns the target of a request as sent.
func targetIn(wire []byte) []byte {
	from := bytes.IndexByte(wire, ' ') + 1
	length := bytes.IndexByte(wire[from:], ' ')
	return wire[from : from+max(0, length)]
}

// pathOf returns a target without its query.
func pathOf(target []byte) string {
	path, _, _ := bytes.Cut(target, []byte{'?'})
	return string(path)
}

// checked is an assertion with what it said of a response; empty: it holds.
type checked struct {
	spec  *check.AssertionSpec
	wrong string
}

// line returns the assertion as keeping.py has it.
func (c *checked) line() map[string]any {
	name, expected := c.spec.Kind, c.spec.Expression
	switch {
	case c.spec.Kind == "contains":
		name, expected = cmp.Or(c.spec.Subject, "body"), strings.Join(c.spec.Contains, ", ")
		if c.spec.Not {
			expected = "not " + expected
		}
	case c.spec.Expected != nil:
		expected += " = " + *c.spec.Expected
	}
	return map[string]any{"name": name, "ok": c.wrong == "", "expected": expected, "message": clean(c.wrong)}
}

// address returns the URL of a slot's last request.
func (s *slot) address() string { return s.to.scheme + "://" + s.to.host + string(targetIn(s.wire)) }

// settle records a request that is over and lets its session go on.
func (c *crowd) settle(u *session, one *slot, e *exchanged) {
	o, s, d := c.loop, one.step, u.side
	outcome := c.judge(u, one, e, outcomeOfExchange(e))
	u.lastOK = outcome.ok
	o.results.writeSample(one, e.at, outcome)
	if o.keeper != nil {
		o.keeper.offer(one, e.at, e.status, outcome)
	}
	for i := range u.depth {
		u.open[i].add(e.at, d.stillAt(e.at), one.bytes, outcome.ok)
	}
	o.release(one)
	u.due = d.clock(e.at)
	for c.leaves(u) { // the transactions that end here do not wait for the pause
		c.recordTransaction(u, &d.program.steps[u.step])
		u.depth, u.step = int8(d.program.steps[u.step].index), u.step+1
	}
	think := s.think.draw(c.random)
	if c.feeds.users == nil && d.program.steps[u.step].operation == doEnd {
		think = 0 // nothing follows
	}
	if !c.sleep(u, think) {
		c.resume(u)
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

// judge runs the extractors and assertions of a response and returns the outcome.
func (c *crowd) judge(u *session, one *slot, e *exchanged, o outcome) outcome {
	r, scope := one.step.request, c.scopeOf(u)
	if e.err != nil {
		c.response.Reset()
		for _, extractor := range r.extractors {
			extractor.Run(&c.response, scope) // sets the default
		}
		return o
	}
	if r.judges {
		o = outcome{o.rc, "", true}
	}
	if r.cache {
		u.cache.Store(one.address(), e.status, e.head, scope.Now())
	}
	if len(r.extractors) == 0 && len(r.assertions) == 0 {
		return o
	}
	body := e.body
	if r.capture.body {
		var err error
		if body, err = c.loop.bodies.decode(e.head, e.body); err != nil && o.ok {
			o = outcome{o.rc, clean(err.Error()), false}
		}
	}
	response := &c.response
	response.Reset()
	response.Status, response.Head, response.Body = e.status, e.head, body
	if r.named {
		response.Message, response.URL = reasonOf(e.head), one.address()
	}
	var missing []string
	for _, extractor := range r.extractors {
		if !extractor.Run(response, scope) {
			missing = append(missing, extractor.Name())
		}
	}
	failure := ""
	c.checked = c.checked[:0]
	for i, assertion := range r.assertions {
		wrong := assertion.Check(response, scope)
		if failure == "" {
			failure = wrong
		}
		c.checked = append(c.checked, checked{&r.checks[i], wrong})
	}
	one.checked = c.checked
	for _, name := range r.needed {
		for _, lacking := range missing {
			if lacking != name {
				continue
			}
			if c.loop.load.RequireValues && failure == "" {
				failure = "extractor " + name + " found nothing"
			} else if o.ok && failure == "" {
				c.miss(u, r.name, name)
			}
		}
	}
	if failure != "" && o.ok {
		o = outcome{o.rc, clean(failure), false}
	}
	return o
}

func (c *crowd) miss(u *session, label, variable string) {
	d := u.side
	if d.missing == nil {
		d.missing = map[missingValue]int{}
	}
	d.missing[missingValue{label, variable}]++
}

// recordTransaction writes the row of a transaction. One without a request has none.
func (c *crowd) recordTransaction(u *session, s *step) {
	p := &u.open[s.index]
	if p.requests == 0 {
		return
	}
	took := p.ended - p.began - p.stood
	if !s.timers {
		took -= p.pauses
	}
	o := outcome{"", "", true}
	if p.failed > 0 {
		o = outcome{"", "Number of samples in transaction : " + strconv.Itoa(int(p.requests)) +
			", number of failing samples : " + strconv.Itoa(int(p.failed)), false}
	}
	c.loop.results.writeSpan(p.began, p.ended, max(0, took), p.bytes, s.label, o)
}

func outcomeOfExchange(e *exchanged) outcome {
	status, message := e.status, ""
	if e.err != nil {
		status, message = 0, e.err.Error()
	}
	return outcomeOf(uint16(status), e.err, message)
}

// reasonOf returns the reason phrase of a response's first line.
func reasonOf(head []byte) string {
	line, _, _ := strings.Cut(string(head[:min(len(head), 256)]), "\n")
	if _, rest, found := strings.Cut(strings.TrimRight(line, "\r"), " "); found {
		_, reason, _ := strings.Cut(rest, " ")
		return reason
	}
	return ""
}
