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
		c.tellLateness(c.told, false)
		c.told += int64(time.Second)
	}
	c.written.flush()
	return c.watched.over()
}

func (c *collector) tellLateness(from int64, anyway bool) {
	worst, ninth, dropped, any := c.late.tell()
	if any || anyway {
		c.written.row(epochUS(from), 0, worst, ninth, 0, dropped, lateRow, 0)
	}
}

// giveUp counts the requests that have not been answered in time, by how long they have waited since they were due; and
// those that were not even sent, since nobody had the time.
func (c *collector) giveUp() {
	at, unfinished := now(), map[uint32]map[int]int{}
	for _, some := range c.slots {
		for index, waits := some.next(); waits; index, waits = some.next() {
			some.all[index].busy = false
			c.late.drop()
		}
		for i := range some.all {
			if s := &some.all[i]; s.busy {
				waited := unfinished[s.request.label]
				if waited == nil {
					waited = map[int]int{}
					unfinished[s.request.label] = waited
				}
				waited[bucket(max(at-s.due, 0)/1000)]++
			}
		}
	}
	for label, code := range c.written.labels {
		for bucket, count := range unfinished[code] {
			c.written.say("unfinished", label, count, float64(lowest(bucket))/1e6)
		}
	}
}

func (c *collector) finish() {
	c.tellLateness(c.told, true) // that nothing was dropped is worth a word, too
	c.written.row(epochUS(now()), 0, 0, 0, 0, 0, users, 0)
	c.written.flush()
	c.written.say("fact", "begun_at", c.watched.begun())
	c.written.say("fact", "ended_at", c.watched.ended())
	c.written.say("end", c.watched.why())
}
