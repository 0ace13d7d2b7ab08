package main

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"toril/tools/engine/internal/check"
	"toril/tools/engine/internal/sign"
)

// sessionAnswered is the end of an exchange of a session.
func sessionAnswered(o *loop, one *slot, e *exchanged) {
	c, u, r := o.crowd, one.session, one.step.request
	if e.err == nil && r.cookies {
		c.storeCookies(u, one, e)
	}
	next, moved := o.redirected(one, e, r.cookies)
	if !moved {
		c.settle(u, one, e)
		return
	}
	wire := next.wire
	if r.cookies {
		wire = c.withCookies(u, one, next)
	}
	if r.signer != nil && next.to == one.to {
		if signed, err := r.signer.Sign(wire, time.Now()); err == nil { // it has signed the first request
			wire = signed
		}
	} else if r.signer != nil {
		wire = sign.Strip(wire)
	}
	o.exchange(one, wire, next.to, next.method, r.capture, &u.own)
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
func (c *crowd) withCookies(u *session, one *slot, next hop) []byte {
	host, end := hostOf(next.to.host), endOfHead(next.wire, 0)
	wire := slices.Clone(next.wire[:end-2])
	r := one.step.request
	own := r.ownCookie && sameOrSubdomain(host, hostOf(one.to.host))
	wire = r.appendCookies(wire, c.scopeOf(u), &c.scratch, u, next.to, pathOf(targetIn(next.wire)), own)
	return append(wire, next.wire[end-2:]...)
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
