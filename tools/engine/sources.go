package main

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// feeds are the data sources of all sessions of this worker. Each pass of a session takes one row of each source.
type feeds struct {
	sources    []dataSource
	interleave *interleave // of arrivals; nil for users
	users      *usersLoad  // nil for arrivals
	seed       uint64
	passes     [2]atomic.Int64 // begun by the users of each side
	mutex      sync.Mutex
	shuffled   []shuffle // of each source in random order: the present round
}

// shuffle is the order of a source's rows in one round through them.
type shuffle struct {
	round int64
	order []int
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
		at = int64(f.order(source, round)[at])
	}
	return s.Rows[at]
}

// order returns the order of the rows in one round, the same for all workers.
func (f *feeds) order(source int, round int64) []int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.shuffled == nil {
		f.shuffled = make([]shuffle, len(f.sources))
	}
	shuffled := &f.shuffled[source]
	if shuffled.order == nil || shuffled.round != round {
		random := rand.New(rand.NewPCG(f.seed+uint64(source), uint64(round)))
		shuffled.round, shuffled.order = round, random.Perm(len(f.sources[source].Rows))
	}
	return shuffled.order
}

func newFeeds(l *load) *feeds {
	f := &feeds{sources: l.Sources, seed: l.Seed}
	if l.Model == usersModel {
		f.users = &l.Users
	}
	return f
}
