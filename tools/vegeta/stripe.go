package main

// stripe says which arrivals of the whole schedule are this worker's: the law is in src/toril/stripe.py.
type stripe struct {
	Weight int64      `json:"weight"`
	Mates  [][3]int64 `json:"mates"` // of one weight: the weight, how many workers, how many of them come before this one
}

// place is the place in the whole schedule of this worker's own arrival; both count from 0.
func (s *stripe) place(own int64) int64 {
	place := int64(0)
	for _, mates := range s.Mates {
		above, below := (2*own+1)*mates[0]-s.Weight, 2*s.Weight
		ahead, rest := above/below, above%below
		if rest < 0 { // Go rounds towards 0
			ahead, rest = ahead-1, rest+below
		}
		place += mates[2] * (ahead + 1)
		if rest > 0 {
			ahead++
		}
		place += (mates[1] - mates[2]) * ahead
	}
	return place
}

// part is this worker's of the whole.
func (s *stripe) part() float64 {
	whole := int64(0)
	for _, mates := range s.Mates {
		whole += mates[0] * mates[1]
	}
	return float64(s.Weight) / float64(whole)
}

// shift is this worker's part of a period, or that of one of its loops, by its place among the first arrivals of all.
func (s *stripe) shift(period, loop, loops int64) int64 {
	workers := int64(0)
	for _, mates := range s.Mates {
		workers += mates[1]
	}
	return (s.place(0)%workers*loops + loop) * period / (workers * loops)
}
