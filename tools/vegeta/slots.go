package main

import "sync/atomic"

// slot is a request from the moment it is due until it is recorded. There are as many as may be in flight.
type slot struct {
	due     int64 // ns on the program's own clock, as are all moments
	place   int64 // in the whole schedule
	own     int64 // among this worker's
	request *request
	rows    [][]string
	sent    int64
	headers int64 // when the last response's had come; 0: never
	connect int64 // ns; -1: no connection was made for it
	bytes   int64 // of the last response's body
	err     error // over HTTP/2, as the transport, or a read of the body, had it
	busy    bool  // for whoever takes, until he who frees has seen it: never for both at once

	index    uint32 // its own: what follows is of a loop's
	deadline int64  // of all its hops
	wire     []byte
	hop      string // the method of what was sent last
	line     *line  // that is being used for it
	waits    chan<- answer
}

// slots hands free ones to the pacer and takes them back from the collector: one goroutine at each end.
type slots struct {
	all    []slot
	free   []uint32 // a ring
	taken  atomic.Uint64
	freed  atomic.Uint64
	order  []uint32 // a ring: the slots of requests that are due and not begun
	put    atomic.Uint64
	begun  atomic.Uint64
	masked uint64
}

func newSlots(most int) *slots {
	ring := 1
	for ring < most {
		ring *= 2
	}
	made := &slots{
		all: make([]slot, most), free: make([]uint32, ring), order: make([]uint32, ring), masked: uint64(ring - 1),
	}
	for i := range made.all {
		made.free[i] = uint32(i)
	}
	made.freed.Store(uint64(most))
	return made
}

// take is a free slot; false when all are in flight.
func (s *slots) take() (uint32, bool) {
	taken := s.taken.Load()
	if taken == s.freed.Load() {
		return 0, false
	}
	index := s.free[taken&s.masked]
	s.taken.Store(taken + 1)
	return index, true
}

func (s *slots) give(index uint32) {
	freed := s.freed.Load()
	s.free[freed&s.masked] = index
	s.freed.Store(freed + 1)
}

func (s *slots) inFlight() int {
	return int(s.taken.Load() + uint64(len(s.all)) - s.freed.Load())
}

func (s *slots) line(index uint32) {
	put := s.put.Load()
	s.order[put&s.masked] = index
	s.put.Store(put + 1)
}

// next is the slot of the request that has waited longest; false where none waits.
func (s *slots) next() (uint32, bool) {
	for begun := s.begun.Load(); begun < s.put.Load(); begun = s.begun.Load() {
		if s.begun.CompareAndSwap(begun, begun+1) {
			return s.order[begun&s.masked], true
		}
	}
	return 0, false
}
