package main

// turn is a part of the load without interruption. A load has one, that of a duet has those of both arms in order of
// time. Times are seconds since the start. src/toril/engines/turns.py computes the same.
type turn struct {
	course     *course
	begin, end float64
	own        float64 // load time of the course at the begin: it stands still between its turns
}

// course is the schedule of one arm, by its load time.
type course struct {
	arm      int // 0: there is one only
	cursor   cursor
	local    int64 // number of the next arrival among this worker's
	requests []request
}

// at returns the second of a load time; false if the turn ends before.
func (t *turn) at(own float64) (float64, bool) {
	return t.begin + own - t.own, own < t.own+t.end-t.begin
}

// turnsOf returns the turns of a load for one of several loops. `base` are the requests of arm 1, if it is a duet's.
func turnsOf(l *load, requests, base []request, loop int64) []turn {
	of := func(arm int, requests []request) *course {
		random := (*poisson)(nil)
		if l.Poisson {
			random = &poisson{seed: l.Seed} // both arms of a duet have the same moments
		}
		return &course{arm: arm, cursor: cursor{curve: l.Points, poisson: random}, local: loop, requests: requests}
	}
	if len(l.Points) == 0 && len(l.Turns) == 0 {
		return []turn{{course: of(0, nil), end: l.Users.length()}}
	}
	if len(l.Turns) == 0 {
		return []turn{{course: of(0, requests), end: l.Points.length()}}
	}
	courses, own := [2]*course{of(1, base), of(2, requests)}, [2]float64{}
	var turns []turn
	for _, planned := range l.Turns {
		arm, begin, end := int(planned[0])-1, planned[1], planned[2]
		turns = append(turns, turn{courses[arm], begin, end, own[arm]})
		own[arm] += end - begin
	}
	return turns
}
