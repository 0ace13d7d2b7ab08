package main

import (
	"os"
	"time"
)

const flushEvery = 100 * time.Millisecond

// collector writes down from time to time how many are in flight and how late requests were sent, and what became of
// all of them at the end.
type collector struct {
	slots   []*slots
	late    *lateness
	written *records
	watched *watcher
	told    int64 // until when lateness was told
}

// collect goes on until all have answered, or their time is over: then the program ends.
func (c *collector) collect(all <-chan struct{}, leave func()) {
	c.told = now()
	for flush := time.NewTicker(flushEvery); ; {
		select {
		case <-all:
			c.finish()
			return
		case <-flush.C:
			if c.look() {
				leave()
				c.giveUp()
				c.finish()
				os.Exit(0)
			}
		}
	}
}

// look is true when nobody waits any longer.
func (c *collector) look() bool {
	inFlight := 0
	for _, one := range c.slots {
		inFlight += one.inFlight()
	}
	c.written.row(epochUS(now()), 0, 0, 0, 0, int64(inFlight), users, 0)
	if now()-c.told >= int64(time.Second) {
		c.tellLateness(c.told)
		c.told += int64(time.Second)
	}
	c.written.flush()
	return c.watched.over()
}

func (c *collector) tellLateness(from int64) {
	worst, ninth, dropped, any := c.late.tell()
	if any {
		c.written.row(epochUS(from), 0, worst, ninth, 0, dropped, lateRow, 0)
	}
}

// giveUp counts the requests that have not been answered in time.
func (c *collector) giveUp() {
	unfinished := map[uint32]int{}
	for _, some := range c.slots {
		for i := range some.all {
			if s := &some.all[i]; s.busy {
				unfinished[s.request.label]++
			}
		}
	}
	for label, code := range c.written.labels {
		if count := unfinished[code]; count > 0 {
			c.written.say("unfinished", label, count)
		}
	}
}

func (c *collector) finish() {
	c.tellLateness(now())
	c.written.row(epochUS(now()), 0, 0, 0, 0, 0, users, 0)
	c.written.flush()
	c.written.say("end", c.watched.why())
}
