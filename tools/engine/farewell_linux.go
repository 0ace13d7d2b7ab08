package main

import "time"

// mostFarewells is how many connections all loops together close politely within a minute. A side that closes first
// keeps the local port for a minute (TIME_WAIT). Linux has 28,232 of them for each address of a target, so that 470
// journeys a second would use them up.
const mostFarewells = 8_000

// farewells counts the connections that this side has closed in the present minute.
type farewells struct {
	most  int
	since int64
	count int
}

// abrupt is true if the next connection has to end by a reset, which frees its port at once. Its last response is read
// completely, so nothing is lost by it.
func (f *farewells) abrupt(at int64) bool {
	if at-f.since >= int64(time.Minute) {
		f.since, f.count = at, 0
	}
	f.count++
	return f.count > f.most
}

// sayGoodbye decides how the connection ends, just before it is closed.
func (o *loop) sayGoodbye(c *conn) {
	if o.farewells.abrupt(now()) {
		c.resetOnClose()
	}
}
