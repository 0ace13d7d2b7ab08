package main

import "sync/atomic"

const slotsAtOnce = 256 // slots of one allocation

// slot is a request in flight: from the moment it is due until its result is written. It belongs to the loop. Only after
// the loop has ended may others look at it.
type slot struct {
	index uint32
	busy  bool
	due   int64 // the moment of the schedule; response times count from here
	label uint32
	arm   int

	request *request
	follow  bool // redirects

	sent     int64
	headers  int64 // when the head of the last response was complete; 0: never
	connect  int64 // ns that a new connection took; -1: none was made
	bytes    int64 // of the last response's body
	deadline int64 // of the request and all its redirects
	closes   bool  // close the connection after the response

	session *session // of the models of users and arrivals
	step    *step    // the session's

	done   func(*loop, *slot, *exchanged)
	want   capture
	own    *connections
	method string // of the last request sent: a redirect may change it

	trail
	socketState // nothing where there are no sockets
}

// slots is the pool of slots. It grows up to its limit, and a slot stays where it is.
type slots struct {
	limit  int
	chunks [][]slot
	free   []uint32
	taken  atomic.Int64
}

func newSlots(limit int) *slots { return &slots{limit: limit} }

func (s *slots) at(index uint32) *slot { return &s.chunks[index/slotsAtOnce][index%slotsAtOnce] }

// acquire returns an empty slot; nil if as many as allowed are in flight.
func (s *slots) acquire() *slot {
	if int(s.taken.Load()) >= s.limit {
		return nil
	}
	if len(s.free) == 0 {
		first := uint32(len(s.chunks) * slotsAtOnce)
		s.chunks = append(s.chunks, make([]slot, slotsAtOnce))
		for i := range uint32(slotsAtOnce) {
			s.free = append(s.free, first+slotsAtOnce-1-i)
		}
	}
	index := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.taken.Add(1)
	found := s.at(index)
	*found = slot{index: index, busy: true, connect: -1}
	return found
}

func (s *slots) release(one *slot) {
	one.busy = false
	s.free = append(s.free, one.index)
	s.taken.Add(-1)
}

// full returns whether as many as allowed are in flight.
func (s *slots) full() bool { return int(s.taken.Load()) >= s.limit }

// inFlight may be called by any goroutine.
func (s *slots) inFlight() int { return int(s.taken.Load()) }

// each calls f for every slot in flight.
func (s *slots) each(f func(*slot)) {
	for _, chunk := range s.chunks {
		for i := range chunk {
			if chunk[i].busy {
				f(&chunk[i])
			}
		}
	}
}
