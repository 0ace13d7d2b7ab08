package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// curve is a rate over time: straight lines between points, which may jump. Points are seconds since the start and
// requests per second of all workers. src/toril/load/curve.py defines what it means.
type curve [][2]float64

func (c curve) length() float64 { return c[len(c)-1][0] }

// changed returns the curve with another rate from a second on to its end.
func (c curve) changed(at, rps float64) curve {
	length := c.length()
	if at >= length {
		return c
	}
	if at <= 0 {
		return curve{{0, rps}, {length, rps}}
	}
	var points curve
	before := 0.0 // the rate at that second, by the old curve
	for i, point := range c {
		if point[0] < at {
			points = append(points, point)
			if next := c[i+1]; next[0] >= at {
				before = point[1] + (next[1]-point[1])*(at-point[0])/(next[0]-point[0])
			}
		}
	}
	return append(points, [2]float64{at, before}, [2]float64{at, rps}, [2]float64{length, rps})
}

// count returns the integral of the rate up to a second.
func (c curve) count(to float64) float64 {
	sum := 0.0
	for i := 0; i+1 < len(c) && c[i][0] < to; i++ {
		from, length := c[i], c[i+1][0]-c[i][0]
		if length > 0 {
			t := min(to-from[0], length)
			sum += t * (from[1] + (c[i+1][1]-from[1])*t/length/2)
		}
	}
	return sum
}

// cursor finds the due times of arrivals with rising numbers. Arrival n is due when the integral of the rate reaches n.
type cursor struct {
	curve   curve
	piece   int
	before  float64  // the integral up to this piece
	poisson *poisson // nil: evenly spaced
}

// poisson spreads the arrivals of each whole second at random over it: a Poisson process, given the number of its
// arrivals. All workers compute the same moments.
type poisson struct {
	seed    uint64
	drawn   bool
	second  float64 // of the present moments
	first   float64 // the number of its first arrival
	moments []float64
}

// changed returns it for another curve.
func (p *poisson) changed() *poisson {
	if p == nil {
		return nil
	}
	return &poisson{seed: p.seed}
}

// at returns the moment of an arrival that the curve has at `due`.
func (p *poisson) at(arrival, due float64, of curve) float64 {
	second := math.Floor(due)
	if !p.drawn || p.second != second {
		p.spread(second, of)
	}
	place := int(arrival - p.first)
	if place < 0 || place >= len(p.moments) {
		return due // of another rate, in the second of a change
	}
	return p.moments[place]
}

// spread draws the moments of a second in rising order: sums of exponentially distributed distances.
func (p *poisson) spread(second float64, of curve) {
	length := min(1, of.length()-second)
	p.drawn, p.second, p.first = true, second, math.Ceil(of.count(second))
	count := max(0, int(math.Ceil(of.count(second+length))-p.first))
	random := rand.New(rand.NewPCG(p.seed, uint64(second)))
	p.moments = slices.Grow(p.moments[:0], count)[:count]
	sum := 0.0
	for i := range p.moments {
		sum += random.ExpFloat64()
		p.moments[i] = sum
	}
	sum += random.ExpFloat64()
	for i := range p.moments {
		p.moments[i] = second + length*p.moments[i]/sum
	}
}

// due returns the second at which an arrival is due; false if the curve ends before. Arrivals count from 0.
func (c *cursor) due(arrival float64) (float64, bool) {
	for ; c.piece+1 < len(c.curve); c.piece++ {
		from, to := c.curve[c.piece], c.curve[c.piece+1]
		length := to[0] - from[0]
		if length <= 0 {
			continue
		}
		requests := length * (from[1] + to[1]) / 2
		if arrival < c.before+requests {
			due := from[0] + timeFor(arrival-c.before, from[1], (to[1]-from[1])/length)
			if c.poisson != nil {
				due = c.poisson.at(arrival, due, c.curve)
			}
			return due, true
		}
		c.before += requests
	}
	return 0, false
}

// timeFor solves rate·t + slope·t²/2 = count for t.
func timeFor(count, rate, slope float64) float64 {
	if count <= 0 {
		return 0
	}
	return 2 * count / (rate + math.Sqrt(math.Max(0, rate*rate+2*slope*count)))
}

// interleave tells which arrivals of the whole schedule this worker sends. src/toril/load/interleave.py explains the arithmetic.
type interleave struct {
	Weight int64       `json:"weight"`
	Peers  []peerGroup `json:"mates"`
}

// peerGroup is the workers of one weight: the weight, their number, and how many of them come before this worker.
type peerGroup [3]int64

// global returns the number in the whole schedule of this worker's own arrival. Both count from 0.
func (i *interleave) global(local int64) int64 {
	global := int64(0)
	for _, peers := range i.Peers {
		weight, workers, before := peers[0], peers[1], peers[2]
		numerator, denominator := (2*local+1)*weight-i.Weight, 2*i.Weight
		ahead, rest := numerator/denominator, numerator%denominator
		if rest < 0 { // Go rounds towards 0
			ahead, rest = ahead-1, rest+denominator
		}
		global += before * (ahead + 1)
		if rest > 0 {
			ahead++
		}
		global += (workers - before) * ahead
	}
	return global
}

// share returns this worker's part of all requests.
func (i *interleave) share() float64 {
	total := int64(0)
	for _, peers := range i.Peers {
		total += peers[0] * peers[1]
	}
	return float64(i.Weight) / float64(total)
}

// shift spreads the loops of all workers evenly over a period, in the order of their first arrivals.
func (i *interleave) shift(period, loop, loops int64) int64 {
	workers := int64(0)
	for _, peers := range i.Peers {
		workers += peers[1]
	}
	return (i.global(0)%workers*loops + loop) * period / (workers * loops)
}
