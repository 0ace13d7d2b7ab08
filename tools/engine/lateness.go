package main

import (
	"math/bits"
	"sync/atomic"
)

const (
	subBuckets = 5 // bits: a bucket is at most 1/32 of its value wide
	buckets    = 40 << subBuckets
)

// lateness is a histogram of how late requests were sent, and the number of those never sent. Any goroutine adds; one
// takes.
type lateness struct {
	counts  [buckets]atomic.Int32
	max     atomic.Int64 // µs
	dropped atomic.Int64
}

func (l *lateness) add(us int64) {
	us = max(us, 0)
	l.counts[bucket(us)].Add(1)
	for most := l.max.Load(); us > most && !l.max.CompareAndSwap(most, us); most = l.max.Load() {
	}
}

func (l *lateness) drop() { l.dropped.Add(1) }

// take returns the maximum and the 90th percentile in µs and the number dropped since the last call, and forgets them.
// some is false if nothing was sent or dropped.
func (l *lateness) take() (most, p90, dropped int64, some bool) {
	var counts [buckets]int64
	sum := int64(0)
	for i := range l.counts {
		counts[i] = int64(l.counts[i].Swap(0))
		sum += counts[i]
	}
	most, dropped = l.max.Swap(0), l.dropped.Swap(0)
	if sum == 0 {
		return 0, 0, dropped, dropped > 0
	}
	rank := (9*sum + 9) / 10
	for i, count := range counts {
		if rank -= count; rank <= 0 {
			return most, min(highest(i), most), dropped, true
		}
	}
	return most, most, dropped, true
}

func bucket(us int64) int {
	if us < 1<<subBuckets {
		return int(us)
	}
	shift := bits.Len64(uint64(us)) - subBuckets - 1
	return min(shift<<subBuckets+int(us>>shift), buckets-1)
}

func lowest(bucket int) int64 {
	if bucket == 0 {
		return 0
	}
	return highest(bucket-1) + 1
}

func highest(bucket int) int64 {
	if bucket < 2<<subBuckets {
		return int64(bucket)
	}
	shift := bucket>>subBuckets - 1
	return (int64(bucket-shift<<subBuckets)+1)<<shift - 1
}
