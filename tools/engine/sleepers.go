package main

import "math"

// sleepers are sessions that wait for a moment, the earliest first: a heap with four children for each node, since it
// moves entries less often than one with two.
type sleepers []sleeper

type sleeper struct {
	at   int64
	user *session
}

const children = 4

// next returns the earliest moment; math.MaxInt64 if there is none.
func (q sleepers) next() int64 {
	if len(q) == 0 {
		return math.MaxInt64
	}
	return q[0].at
}

func (q *sleepers) add(at int64, user *session) {
	*q = append(*q, sleeper{})
	queue := *q
	i := len(queue) - 1
	for i > 0 {
		parent := (i - 1) / children
		if queue[parent].at <= at {
			break
		}
		queue[i] = queue[parent]
		i = parent
	}
	queue[i] = sleeper{at, user}
}

// take removes the earliest one.
func (q *sleepers) take() sleeper {
	queue := *q
	first, last := queue[0], queue[len(queue)-1]
	queue[len(queue)-1] = sleeper{}
	queue = queue[:len(queue)-1]
	*q = queue
	for i := 0; len(queue) > 0; {
		least := i*children + 1
		for child := least + 1; child < min(i*children+children+1, len(queue)); child++ {
			if queue[child].at < queue[least].at {
				least = child
			}
		}
		if least >= len(queue) || queue[least].at >= last.at {
			queue[i] = last
			break
		}
		queue[i] = queue[least]
		i = least
	}
	return first
}

// shift moves all moments, because the sleepers' time stood still until now.
func (q sleepers) shift(by, now int64) {
	for i := range q {
		q[i].at = max(q[i].at+by, now)
		q[i].user.due = max(q[i].user.due+by, now)
	}
}
