package main

import "sync/atomic"

// slot is a request from the moment it is due until its result is written. There are as many slots as requests may be
// in flight. A slot has one owner at a time: the goroutine that acquired it, until that one releases it.
type slot struct {
	due     int64 // the moment of the schedule; response times count from here
	global  int64 // the arrival's number in the whole schedule
	local   int64 // its number among this worker's
	request *request
	arm     int
	rows    [][]string // of each data source
	sent    int64
	headers int64 // when the head of the last response was complete; 0: never
	connect int64 // ns that a new connection took; -1: none was made
	bytes   int64 // of the last response's body
	err     error // Go's client only: the transport's error, or the body's
	busy    bool  // set by the pacer after acquire, cleared before release

	trail
	loopState // nothing where there is no loop
}

// slots is the pool of free slots and the queue of slots that are due, without locks. One goroutine acquires and
// enqueues, one releases, any number dequeues.
type slots struct {
	all      []slot
	free     []uint32 // a ring: indexes of free slots
	acquired atomic.Uint64
	released atomic.Uint64
	queue    []uint32 // a ring: slots of requests that are due and not begun
	enqueued atomic.Uint64
	dequeued atomic.Uint64
	mask     uint64
}

func newSlots(count int) *slots {
	ring := 1
	for ring < count {
		ring *= 2
	}
	s := &slots{
		all: make([]slot, count), free: make([]uint32, ring), queue: make([]uint32, ring), mask: uint64(ring - 1),
	}
	for i := range s.all {
		s.free[i] = uint32(i)
	}
	s.released.Store(uint64(count))
	return s
}

// acquire returns a free slot; false if all are in flight.
func (s *slots) acquire() (uint32, bool) {
	acquired := s.acquired.Load()
	if acquired == s.released.Load() {
		return 0, false
	}
	index := s.free[acquired&s.mask]
	s.acquired.Store(acquired + 1)
	return index, true
}

func (s *slots) release(index uint32) {
	released := s.released.Load()
	s.free[released&s.mask] = index
	s.released.Store(released + 1)
}

func (s *slots) inFlight() int {
	return int(s.acquired.Load() + uint64(len(s.all)) - s.released.Load())
}

func (s *slots) enqueue(index uint32) {
	enqueued := s.enqueued.Load()
	s.queue[enqueued&s.mask] = index
	s.enqueued.Store(enqueued + 1)
}

// dequeue returns the slot that has waited longest; false if none waits.
func (s *slots) dequeue() (uint32, bool) {
	for dequeued := s.dequeued.Load(); dequeued < s.enqueued.Load(); dequeued = s.dequeued.Load() {
		if s.dequeued.CompareAndSwap(dequeued, dequeued+1) {
			return s.queue[dequeued&s.mask], true
		}
	}
	return 0, false
}
