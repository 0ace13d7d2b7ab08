package main

import "toril/tools/engine/internal/text"

// turn is a part of the load without interruption. A load has one, that of a duet has those of both arms in order of
// time. Times are seconds since the start. src/toril/engines/turns.py computes the same.
type turn struct {
	course     *course
	begin, end float64
	own        float64 // load time of the course at the begin: it stands still between its turns
}

// course is the schedule of one arm, by its load time.
type course struct {
	arm     int // 0: there is one only
	cursor  cursor
	local   int64        // number of the next arrival among this worker's
	program *program     // whose requests the requests model sends in turn
	values  *text.Values // of the present row
}

// at returns the second of a load time; false if the turn ends before.
func (t *turn) at(own float64) (float64, bool) {
	return t.begin + own - t.own, own < t.own+t.end-t.begin
}

// turnsOf returns the turns of a load for one of several loops. `programs` are those of its journeys.
func turnsOf(l *load, programs []*program, loop int64) []turn {
	of := func(arm int, p *program) *course {
		random := (*poisson)(nil)
		if l.Poisson {
			random = &poisson{seed: l.Seed} // both arms of a duet have the same moments
		}
		c := &course{arm: arm, cursor: cursor{curve: l.Points, poisson: random}, local: loop, program: p}
		if p != nil {
			c.values = text.NewValues(p.names, p.base)
		}
		return c
	}
	programs = append(programs, nil, nil)
	if len(l.Points) == 0 && len(l.Turns) == 0 {
		return []turn{{course: of(0, nil), end: l.Users.length()}}
	}
	if len(l.Turns) == 0 {
		return []turn{{course: of(0, programs[0]), end: l.Points.length()}}
	}
	courses, own := [2]*course{of(1, programs[1]), of(2, programs[0])}, [2]float64{}
	var turns []turn
	for _, planned := range l.Turns {
		arm, begin, end := int(planned[0])-1, planned[1], planned[2]
		turns = append(turns, turn{courses[arm], begin, end, own[arm]})
		own[arm] += end - begin
	}
	return turns
}
