package main

import "toril/tools/engine/internal/text"

// side is the sessions of one arm in one loop.
type side struct {
	index    int // its place among the crowd's sides and the engine's programs
	arm      int // of a duet; 0: there is one only
	program  *program
	sleepers sleepers
	waiting  waiters // for a token of the schedule, for a slot, or for the end of a pause
	active   int
	frozenAt int64      // since when its time stands still; 0: it does not
	spare    []*session // memory of sessions that are over
	missing  map[missingValue]int
}

// missingValue is a variable that a label's responses lack.
type missingValue struct{ label, variable string }

// clock returns the side's moment: that at which it stands still, or the present one.
func (d *side) clock(at int64) int64 {
	if d.frozenAt != 0 {
		return min(at, d.frozenAt)
	}
	return at
}

func (d *side) freeze(at int64) {
	if d.frozenAt == 0 {
		d.frozenAt = at
	}
}

func (d *side) thaw(at int64) {
	if d.frozenAt == 0 {
		return
	}
	by := at - d.frozenAt
	d.frozenAt = 0
	d.sleepers.shift(by, at)
	for _, user := range d.waiting.all() {
		user.due = max(user.due+by, at)
	}
}

// waiters are sessions in the order in which they came.
type waiters struct {
	users []*session
	first int
}

func (l *waiters) all() []*session { return l.users[l.first:] }

func (l *waiters) add(u *session) { l.users = append(l.users, u) }

func (l *waiters) take() *session {
	u := l.users[l.first]
	l.users[l.first] = nil
	if l.first++; l.first > len(l.users)/2 {
		l.users, l.first = l.users[:copy(l.users, l.users[l.first:])], 0
	}
	return u
}

// join returns a new session of the side.
func (d *side) join(number int32, at int64) *session {
	var u *session
	if last := len(d.spare) - 1; last >= 0 {
		u = d.spare[last]
		d.spare[last], d.spare = nil, d.spare[:last]
	} else {
		u = &session{values: text.NewValues(d.program.names, d.program.base)}
		if d.program.counters > 0 {
			u.counters = make([]int32, d.program.counters)
		}
		if d.program.depth > 0 {
			u.open = make([]span, d.program.depth)
		}
	}
	u.side, u.number, u.due, u.lastOK, u.iteration = d, number, at, true, -1
	d.active++
	return u
}
