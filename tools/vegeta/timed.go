package main

import "math"

// queue is the slots of requests in the order in which they were sent, which is that of their deadlines, too.
type queue struct {
	waiting []deadline
	first   int
}

type deadline struct {
	at    int64
	own   int64 // the request's number: a slot may be another's by now
	index uint32
}

func (q *queue) put(s *slot) { q.waiting = append(q.waiting, deadline{s.deadline, s.own, s.index}) }

// next is the moment of the first one, whether or not it has been answered.
func (q *queue) next() int64 {
	if q.first == len(q.waiting) {
		return math.MaxInt64
	}
	return q.waiting[q.first].at
}

// expire forgets what has been answered, and hands over what should have been by then.
func (q *queue) expire(all *slots, by int64, late func(*slot)) {
	for ; q.first < len(q.waiting); q.first++ {
		one := q.waiting[q.first]
		s := &all.all[one.index]
		if !s.busy || s.own != one.own {
			continue
		}
		if one.at > by {
			break
		}
		late(s)
	}
	if q.first > len(q.waiting)/2 {
		q.waiting = q.waiting[:copy(q.waiting, q.waiting[q.first:])]
		q.first = 0
	}
}
