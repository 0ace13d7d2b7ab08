package main

import "math"

// curve is a rate over time, as src/toril/curve.py has it: straight lines between points, which may jump.
type curve struct {
	points [][2]float64 // seconds since the gate, requests per second
}

func (c *curve) length() float64 { return c.points[len(c.points)-1][0] }

// changed is the same until then, and that rate from then on to its end.
func (c *curve) changed(at, rps float64) *curve {
	length := c.length()
	if at >= length {
		return c
	}
	if at <= 0 {
		return &curve{[][2]float64{{0, rps}, {length, rps}}}
	}
	var points [][2]float64
	then := 0.0
	for i, point := range c.points {
		if point[0] < at {
			points = append(points, point)
			if next := c.points[i+1]; next[0] >= at {
				then = point[1] + (next[1]-point[1])*(at-point[0])/(next[0]-point[0])
			}
		}
	}
	return &curve{append(points, [2]float64{at, then}, [2]float64{at, rps}, [2]float64{length, rps})}
}

// walk finds when arrivals are due, for rising numbers: the integral is what is kept to, and not the rate.
type walk struct {
	curve *curve
	piece int
	done  float64 // requests that the pieces before it ask for
}

// due is the second at which the arrival of this number, from 0, is due; false when the curve ends before.
func (w *walk) due(number float64) (float64, bool) {
	points := w.curve.points
	for ; w.piece+1 < len(points); w.piece++ {
		from, to := points[w.piece], points[w.piece+1]
		lasts := to[0] - from[0]
		if lasts <= 0 {
			continue
		}
		asked := lasts * (from[1] + to[1]) / 2
		if number < w.done+asked {
			return from[0] + when(number-w.done, from[1], (to[1]-from[1])/lasts), true
		}
		w.done += asked
	}
	return 0, false
}

// when is the root of low·t + slope·t²/2 = count.
func when(count, low, slope float64) float64 {
	if count <= 0 {
		return 0
	}
	return 2 * count / (low + math.Sqrt(math.Max(0, low*low+2*slope*count)))
}
