package main

import (
	"math"
	"math/rand/v2"
)

// draw returns a think time in ns, as JMeter's timers draw it for Taurus' distributions. It is never negative.
func (t *thinking) draw(random *rand.Rand) int64 {
	if t == nil {
		return 0
	}
	s := t.MeanS
	switch t.Kind {
	case "uniform":
		s += (2*random.Float64() - 1) * t.DeviationS
	case "gaussian":
		s += random.NormFloat64() * t.DeviationS
	case "poisson": // whole milliseconds around the mean, behind a constant part
		constant := t.DeviationS
		s = constant + float64(poissonCount((t.MeanS-constant)*1000, random))/1000
	}
	return max(0, seconds(s))
}

// poissonCount returns a Poisson-distributed number; for a large mean a normally distributed one, which hardly differs.
func poissonCount(mean float64, random *rand.Rand) int64 {
	if mean <= 0 {
		return 0
	}
	if mean > 500 {
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*random.NormFloat64())))
	}
	limit, product, count := math.Exp(-mean), random.Float64(), int64(0)
	for product > limit {
		product *= random.Float64()
		count++
	}
	return count
}
