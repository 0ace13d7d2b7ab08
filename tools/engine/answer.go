package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"toril/tools/engine/internal/check"
	"toril/tools/engine/internal/sign"
)

// answered is the end of an exchange.
func answered(o *loop, s *slot, e *exchanged) {
	u, r := s.session, s.request
	if e.err != nil && s.hops == 0 && exhausted(e.err) { // this machine's limit is no failure of the service
		o.postpone(s)
		return
	}
	if e.err == nil && r.cookies {
		o.storeCookies(u, s, e)
	}
	next, moved := o.redirected(s, e)
	if !moved {
		if u == nil {
			o.record(s, e, outcomeOf(e.status, e.err))
		} else {
			o.crowd.settle(u, s, e)
		}
		return
	}
	wire := next.wire
	if r.cookies || r.cache {
		o.crowd.scopeOf(u)
		own := r.cookies && sameOrSubdomain(hostOf(next.to.host), hostOf(s.to.host))
		end := endOfHead(wire, 0) - len("\r\n")
		wire = append(r.appendKept(slices.Clone(wire[:end]), &o.encoder, u, next.to, targetIn(wire), own), wire[end:]...)
	}
	if r.signer != nil && next.to == s.to {
		if signed, err := r.signer.Sign(wire, time.Now()); err == nil { // it has signed the first request
			wire = signed
		}
	} else if r.signer != nil {
		wire = sign.Strip(wire)
	}
	o.exchange(s, wire, next.to, next.method, r.capture, s.own)
}

// postpone takes back a request that was not sent. A session tries again, and is late then; another request is dropped.
func (o *loop) postpone(s *slot) {
	u := s.session
	o.release(s)
	switch {
	case u == nil:
		o.pacer.lateness.drop()
	case o.crowd.ended:
		o.crowd.leave(u)
	default:
		if o.crowd.capped {
			o.pacer.lateness.drop() // its token
		}
		u.step--
		u.side.sleepers.add(now()+retryAfter, u)
	}
}

const retryAfter = int64(100 * time.Millisecond)

// storeCookies keeps the cookies of a response.
func (o *loop) storeCookies(u *session, s *slot, e *exchanged) {
	host, path := "", ""
	for value := range headersIn(e.head, "set-cookie") {
		if host == "" {
			host, path = hostOf(s.to.host), pathOf(targetIn(s.wire))
		}
		u.cookies.Store(host, path, s.to.scheme == "https", value, o.scope.Now())
	}
}

// redirected returns the request that follows the slot's response; false if none does. It counts the redirect. A wrong
// one, and one too many, is the error of the exchange.
func (o *loop) redirected(s *slot, e *exchanged) (next hop, ok bool) {
	if e.err != nil || !s.follow || e.status/100 != 3 {
		return hop{}, false
	}
	from := hop{s.method, s.to, s.wire, s.request.cookies, s.request.cache, s.referred}
	next, moved, err := redirect(from, e.status, headerIn(e.head, "location"))
	switch {
	case !moved:
		return hop{}, false
	case err == nil && s.hops == o.load.Redirects:
		err = fmt.Errorf("%w after %d redirects", errManyRedirects, s.hops)
	}
	if err != nil {
		e.err = err
		return hop{}, false
	}
	s.hops, s.referred = s.hops+1, next.referred
	return next, true
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

// url returns the address of a target.
func (s server) url(target []byte) string { return s.scheme + "://" + s.host + string(target) }

// address returns the URL of a slot's last request.
func (s *slot) address() string { return s.to.url(targetIn(s.wire)) }

// settle records a request that is over and lets its session go on.
func (c *crowd) settle(u *session, one *slot, e *exchanged) {
	s, d := one.step, u.side
	outcome := c.judge(u, one, e, outcomeOf(e.status, e.err))
	u.lastOK = outcome.ok
	for i := range u.depth {
		u.open[i].add(one.due, e.at, e.bytes, outcome.ok)
	}
	c.loop.record(one, e, outcome)
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
	r, scope := one.request, c.scopeOf(u)
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

// reasonOf returns the reason phrase of a response's first line.
func reasonOf(head []byte) string {
	line, _, _ := strings.Cut(string(head[:min(len(head), 256)]), "\n")
	if _, rest, found := strings.Cut(strings.TrimRight(line, "\r"), " "); found {
		_, reason, _ := strings.Cut(rest, " ")
		return reason
	}
	return ""
}
