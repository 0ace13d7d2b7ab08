package main

import (
	"math/bits"
	"sync/atomic"
)

// feeds are the data sources of all loops of this worker. Each pass through a journey takes one row of each source.
type feeds struct {
	sources []dataSource
	users   *usersLoad // nil: passes begin on a schedule
	seed    uint64
	passes  [2]atomic.Int64 // begun by the users of each side
}

func newFeeds(l *load) *feeds {
	f := &feeds{sources: l.Sources, seed: l.Seed}
	if l.Model == usersModel {
		f.users = &l.Users
	}
	return f
}

// nextPass returns the numbers of a user's next pass: among this worker's and among those of all workers. Workers take
// rows in turn as if all users went round at the same speed, so that no two work with the same row at a time.
func (f *feeds) nextPass(side int) (local, global int64) {
	local = f.passes[side].Add(1) - 1
	count := int64(max(1, f.users.Count))
	return local, local/count*max(count, int64(f.users.Total)) + int64(f.users.First) + local%count
}

// row returns the row of a pass; nil if a source that does not begin again has none left.
func (f *feeds) row(source int, local, global int64) []string {
	s := &f.sources[source]
	number, rows := global, int64(len(s.Rows))
	if s.Own {
		number = local
	}
	if number >= rows && !s.loops() {
		return nil
	}
	round, at := number/rows, number%rows
	if s.RandomOrder {
		at = shuffled(at, rows, mixed(uint64(round), f.seed+uint64(source)))
	}
	return s.Rows[at]
}

// shuffled returns a number's place in a random order of the numbers below count, the same for all workers: a Feistel
// network over the next power of four, walked until it is below count.
func shuffled(number, count int64, seed uint64) int64 {
	half := max(1, (bits.Len64(uint64(count-1))+1)/2)
	mask := uint64(1)<<half - 1
	for {
		left, right := uint64(number)>>half, uint64(number)&mask
		for round := range uint64(4) {
			left, right = right, left^mixed(right<<8|round, seed)&mask
		}
		if number = int64(left<<half | right); number < count {
			return number
		}
	}
}

// mixed is the finalizer of SplitMix64.
func mixed(value, seed uint64) uint64 {
	value = value*0x9E3779B97F4A7C15 + seed
	value = (value ^ value>>30) * 0xBF58476D1CE4E5B9
	value = (value ^ value>>27) * 0x94D049BB133111EB
	return value ^ value>>31
}
