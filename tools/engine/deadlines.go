package main

import (
	"math"
	"slices"
)

// deadlines are the moments at which requests time out. Requests with the same timeout form a queue in the order in which
// they were sent, which is the order of their deadlines. Answered requests stay until they reach the front, or until they
// are half of a long queue.
type deadlines struct{ queues []*deadlineQueue }

type deadlineQueue struct {
	timeout int64
	queue   []deadline
	first   int
	most    int // compact a longer queue
}

const leastDeadlines = 1 << 12 // a shorter queue is not compacted

type deadline struct {
	at    int64
	index uint32 // of a slot, which may belong to another request by now
}

// counts is false if the request is over.
func (d deadline) counts(slots *slots) bool {
	s := slots.at(d.index)
	return s.busy && s.waitsUntil(d.at)
}

// add has the slot expire a timeout after now. A suite has few different timeouts.
func (d *deadlines) add(s *slot, at, timeout int64) {
	for _, q := range d.queues {
		if q.timeout == timeout {
			q.queue = append(q.queue, deadline{at, s.index})
			return
		}
	}
	d.queues = append(d.queues, &deadlineQueue{timeout: timeout, queue: []deadline{{at, s.index}}})
}

// next returns the earliest deadline, whether or not that request is answered.
func (d *deadlines) next() int64 {
	next := int64(math.MaxInt64)
	for _, q := range d.queues {
		if q.first < len(q.queue) {
			next = min(next, q.queue[q.first].at)
		}
	}
	return next
}

// expire calls late for each unanswered request whose deadline has passed.
func (d *deadlines) expire(slots *slots, at int64, late func(*slot)) {
	for _, q := range d.queues {
		q.expire(slots, at, late)
	}
}

func (q *deadlineQueue) expire(slots *slots, at int64, late func(*slot)) {
	for ; q.first < len(q.queue); q.first++ {
		one := q.queue[q.first]
		if !one.counts(slots) {
			continue
		}
		if one.at > at {
			break
		}
		late(slots.at(one.index))
	}
	switch {
	case q.first > len(q.queue)/2:
		q.queue = q.queue[:copy(q.queue, q.queue[q.first:])]
		q.first = 0
	case len(q.queue) > max(q.most, leastDeadlines):
		q.queue = slices.DeleteFunc(q.queue[q.first:], func(d deadline) bool { return !d.counts(slots) })
		q.first, q.most = 0, 2*len(q.queue)
	}
}

// expect sets the deadline of a request, which counts from s.sent.
func (o *loop) expect(s *slot, timeout int64) {
	s.deadline = s.sent + timeout
	o.deadlines.add(s, s.deadline, timeout)
}
