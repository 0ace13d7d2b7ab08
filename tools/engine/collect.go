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
	crowds     []*crowd // of the models of users and arrivals
	works      []*work  // of the loops
	workedTo   int64    // their work is written up to here
	busy       bool     // the busiest one worked most of the time, as last written
	lateness   *lateness
	results    *results
	keeper     *keeper // nil: nothing is kept
	watcher    *watcher
	garbage    garbage
	latenessTo int64 // the lateness of sends is written up to here
	switches   []armSwitch
}

// armSwitch separates the lateness of two turns.
type armSwitch struct{ over, begin int64 } // when the earlier turn has no more sends; begin of the later one

// switchesOf returns the switches of a load that starts at this moment.
func switchesOf(turns []turn, startAt int64) []armSwitch {
	var found []armSwitch
	for i := 1; i < len(turns); i++ {
		over, begin := seconds(turns[i-1].end)+endGrace, seconds(turns[i].begin)
		found = append(found, armSwitch{startAt + over, startAt + begin})
	}
	return found
}

// collect returns when `answered` is closed. If the time of requests in flight runs out first, it calls abort, which
// stops the senders, records the requests without a response and ends the process.
func (c *collector) collect(answered <-chan struct{}, abort func()) {
	c.garbage.tune()
	c.latenessTo = now()
	c.busiest()
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
	active := 0
	for _, slots := range c.slots {
		active += slots.inFlight()
	}
	if len(c.crowds) > 0 {
		active = 0
	}
	for _, crowd := range c.crowds {
		active += int(crowd.shown.Load())
	}
	c.results.writeRow(epochUS(now()), 0, 0, 0, int64(active), activeRow)
	if at := now(); len(c.switches) > 0 && at >= c.switches[0].over {
		c.writeLateness(false)
		for ; len(c.switches) > 0 && at >= c.switches[0].over; c.switches = c.switches[1:] {
			c.latenessTo = c.switches[0].begin + 1000 // rows have whole µs, rounded down
		}
	} else if at-c.latenessTo >= int64(time.Second) {
		c.writeLateness(false)
		c.latenessTo += int64(time.Second)
	}
	c.garbage.tune()
	c.flush()
}

func (c *collector) flush() {
	c.results.flush()
	if c.keeper != nil {
		c.keeper.flush()
	}
}

// writeLateness writes the maximum as `response`, the 90th percentile as `headers`, the share of the time in which the
// busiest loop worked as `connect`, in millionths, and the dropped requests as `bytes`.
func (c *collector) writeLateness(always bool) {
	most, p90, dropped, some := c.lateness.take()
	busiest := c.busiest()
	if busy := busiest > 0.5; some || always || busy || c.busy {
		c.busy = busy
		c.results.writeRow(epochUS(c.latenessTo), most, p90, int64(1e6*busiest), dropped, latenessRow)
	}
}

// busiest returns the share of the time since the last call in which the busiest loop worked.
func (c *collector) busiest() float64 {
	at, most := now(), 0.0
	for _, work := range c.works {
		most = max(most, work.share(at, at-c.workedTo))
	}
	c.workedTo = at
	return most
}

// writeUnfinished writes for each label and arm a histogram of the time that requests without a response have waited
// since they were due.
func (c *collector) writeUnfinished() {
	type series struct {
		label uint32
		arm   int
	}
	at, waits := now(), map[series]map[int]int{}
	for _, slots := range c.slots {
		slots.each(func(s *slot) {
			one := series{s.label, s.arm}
			if waits[one] == nil {
				waits[one] = map[int]int{}
			}
			waits[one][bucket(max(at-s.due, 0)/1000)]++
		})
	}
	for label, number := range c.results.labels {
		for arm := range 3 {
			for bucket, count := range waits[series{number, arm}] {
				c.results.writeName("unfinished", label.text, count, float64(lowest(bucket))/1e6, arm)
			}
		}
	}
}

func (c *collector) finish() {
	c.writeLateness(true) // even if nothing was dropped: 0 is not the same as unknown
	c.results.writeRow(epochUS(now()), 0, 0, 0, 0, activeRow)
	c.flush()
	c.results.writeName("fact", "begun_at", c.watcher.firstSent())
	c.results.writeName("fact", "ended_at", c.watcher.lastSend())
	c.writeFacts()
	c.results.writeName("end", c.watcher.reason())
}

// writeFacts writes what only sessions know.
func (c *collector) writeFacts() {
	unfinished, missing, errors := 0, map[missingValue]int{}, map[string]int{}
	for _, crowd := range c.crowds {
		unfinished += crowd.unfinishedUsers
		for label, count := range crowd.scriptErrors {
			errors[label] += count
		}
		for _, side := range crowd.sides {
			for value, count := range side.missing {
				missing[value] += count
			}
		}
	}
	if unfinished > 0 {
		c.results.writeName("fact", "unfinished_users", unfinished)
	}
	if len(errors) > 0 {
		c.results.writeName("fact", "script_errors", errors)
	}
	if len(missing) == 0 {
		return
	}
	var values [][3]any
	for value, count := range missing {
		values = append(values, [3]any{value.label, value.variable, count})
	}
	c.results.writeName("fact", "missing_values", values)
}
