package main

import (
	"os"
	"time"
)

const flushEvery = 100 * time.Millisecond

// collector writes the number of requests in flight and the lateness of sends from time to time, and at the end the
// requests without a response.
type collector struct {
	slots      []*slots
	lateness   *lateness
	results    *results
	keeper     *keeper // nil: nothing is kept
	watcher    *watcher
	latenessTo int64 // the lateness of sends is written up to here
}

// collect returns when `answered` is closed. If the time of requests in flight runs out first, it calls abort, which
// stops the senders, records the requests without a response and ends the process.
func (c *collector) collect(answered <-chan struct{}, abort func()) {
	c.latenessTo = now()
	for ticker := time.NewTicker(flushEvery); ; {
		select {
		case <-answered:
			c.finish()
			return
		case <-ticker.C:
			c.write()
			if c.watcher.timeIsUp() {
				abort()
				c.writeUnfinished()
				c.finish()
				os.Exit(0)
			}
		}
	}
}

func (c *collector) write() {
	inFlight := 0
	for _, slots := range c.slots {
		inFlight += slots.inFlight()
	}
	c.results.writeRow(epochUS(now()), 0, 0, int64(inFlight), inFlightRow)
	if now()-c.latenessTo >= int64(time.Second) {
		c.writeLateness(false)
		c.latenessTo += int64(time.Second)
	}
	c.flush()
}

func (c *collector) flush() {
	c.results.flush()
	if c.keeper != nil {
		c.keeper.flush()
	}
}

// writeLateness writes the maximum as `response`, the 90th percentile as `headers` and the dropped requests as `bytes`.
func (c *collector) writeLateness(always bool) {
	most, p90, dropped, some := c.lateness.take()
	if some || always {
		c.results.writeRow(epochUS(c.latenessTo), most, p90, dropped, latenessRow)
	}
}

// writeUnfinished writes for each label a histogram of the time that requests without a response have waited since they
// were due. Requests that were queued and never sent are dropped.
func (c *collector) writeUnfinished() {
	at, waits := now(), map[uint32]map[int]int{}
	for _, slots := range c.slots {
		for index, queued := slots.dequeue(); queued; index, queued = slots.dequeue() {
			slots.all[index].busy = false
			c.lateness.drop()
		}
		for i := range slots.all {
			if s := &slots.all[i]; s.busy {
				if waits[s.request.label] == nil {
					waits[s.request.label] = map[int]int{}
				}
				waits[s.request.label][bucket(max(at-s.due, 0)/1000)]++
			}
		}
	}
	for label, number := range c.results.labels {
		for bucket, count := range waits[number] {
			c.results.writeName("unfinished", label, count, float64(lowest(bucket))/1e6)
		}
	}
}

func (c *collector) finish() {
	c.writeLateness(true) // even if nothing was dropped: 0 is not the same as unknown
	c.results.writeRow(epochUS(now()), 0, 0, 0, inFlightRow)
	c.flush()
	c.results.writeName("fact", "begun_at", c.watcher.firstSent())
	c.results.writeName("fact", "ended_at", c.watcher.lastSend())
	c.results.writeName("end", c.watcher.reason())
}
