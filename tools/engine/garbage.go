package main

import (
	"runtime/debug"
	"runtime/metrics"
)

const (
	mostGCPercent  = 400      // collects garbage a quarter as often as by default
	leastGCPercent = 50       // while many users think, garbage must not need more memory than they do
	garbageBytes   = 64 << 20 // that may gather while there is little else
)

// garbage sets how much of it may gather. Few users leave much room, and it is cheap to collect rarely.
type garbage struct {
	live    []metrics.Sample
	percent int
}

func (g *garbage) tune() {
	if g.live == nil {
		g.live = []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	}
	metrics.Read(g.live)
	percent := garbagePercent(g.live[0].Value.Uint64())
	if change := percent - g.percent; max(change, -change) > g.percent/8 { // each change stops the world
		g.percent = percent
		debug.SetGCPercent(percent)
	}
}

// garbagePercent returns how much garbage may gather, in percent of the bytes that are alive.
func garbagePercent(live uint64) int {
	return int(min(mostGCPercent, max(leastGCPercent, 100*garbageBytes/max(live, 1))))
}
