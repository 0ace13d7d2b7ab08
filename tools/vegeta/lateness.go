package main

import (
	"math/bits"
	"sync/atomic"
)

const (
	fine    = 5 // bits: a bucket is at most 1/32 wide
	buckets = 40 << fine
)

// lateness is how late sends were, since it was last told: anybody adds, one tells.
type lateness struct {
	counts  [buckets]atomic.Int32
	worst   atomic.Int64 // µs
	dropped atomic.Int64
}

func (l *lateness) add(us int64) {
	us = max(us, 0)
	l.counts[bucket(us)].Add(1)
	for worst := l.worst.Load(); us > worst && !l.worst.CompareAndSwap(worst, us); worst = l.worst.Load() {
	}
}

func (l *lateness) drop() { l.dropped.Add(1) }

// tell is the latest in µs, what nine in ten were no later than, and how many were never sent; false for nothing.
func (l *lateness) tell() (worst, ninth, dropped int64, any bool) {
	var counts [buckets]int64
	sum := int64(0)
	for i := range l.counts {
		counts[i] = int64(l.counts[i].Swap(0))
		sum += counts[i]
	}
	worst, dropped = l.worst.Swap(0), l.dropped.Swap(0)
	if sum == 0 {
		return 0, 0, dropped, dropped > 0
	}
	rank := (9*sum + 9) / 10
	for i, count := range counts {
		if rank -= count; rank <= 0 {
			return worst, min(highest(i), worst), dropped, true
		}
	}
	return worst, worst, dropped, true
}

func bucket(us int64) int {
	if us < 1<<fine {
		return int(us)
	}
	shift := bits.Len64(uint64(us)) - fine - 1
	return min(shift<<fine+int(us>>shift), buckets-1)
}

func lowest(bucket int) int64 {
	if bucket == 0 {
		return 0
	}
	return highest(bucket-1) + 1
}

func highest(bucket int) int64 {
	if bucket < 2<<fine {
		return int64(bucket)
	}
	shift := bucket>>fine - 1
	return (int64(bucket-shift<<fine)+1)<<shift - 1
}
