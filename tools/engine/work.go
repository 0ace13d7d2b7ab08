package main

import "sync/atomic"

// work measures how long a loop works instead of waiting for events. A loop that always works handles responses late,
// which looks like a slow service. The loop writes; any goroutine reads.
type work struct {
	done  atomic.Int64 // ns, without the present turn
	since atomic.Int64 // begin of the present turn; 0: it waits
	taken int64        // what share has counted
}

func (w *work) pause() {
	if since := w.since.Load(); since != 0 {
		w.since.Store(0)
		w.done.Add(now() - since)
	}
}

// resume returns the present moment.
func (w *work) resume() int64 {
	at := now()
	w.since.Store(at)
	return at
}

// share returns the part of the time since the last call, in which elapsed ns have passed.
func (w *work) share(at, elapsed int64) float64 {
	worked := w.done.Load()
	if since := w.since.Load(); since != 0 {
		worked += max(0, at-since)
	}
	share := float64(worked-w.taken) / float64(max(elapsed, 1))
	w.taken = max(worked, w.taken)
	return min(max(share, 0), 1)
}
