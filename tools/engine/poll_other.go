//go:build !linux

package main

import (
	"crypto/tls"
	"time"
)

const maxWait = 100 * time.Millisecond

// poller waits for a moment and for calls of other goroutines. Without epoll, Go's client sends.
type poller struct{ waker chan struct{} }

func newPoller() (*poller, error) { return &poller{make(chan struct{}, 1)}, nil }

func (p *poller) close() {}

func (p *poller) wait(until int64) (events int, err error) {
	timer := time.NewTimer(min(time.Duration(max(until-now(), 0)), maxWait))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.waker:
	}
	return 0, nil
}

func (p *poller) wake() {
	select {
	case p.waker <- struct{}{}:
	default:
	}
}

// useClient is true: the loop's sockets need epoll.
const useClient = true

type sockets struct{ nextDial int64 }

type socketState struct{}

func newSockets(*tls.Config, int, int) sockets { return sockets{} }

func (s *slot) waitsUntil(at int64) bool { return s.deadline == at }

// The client knows the deadline, and reads by itself.
func (o *loop) expired(*slot)          {}
func (o *loop) hasUnread() bool        { return false }
func (o *loop) readAgain(int64)        {}
func (o *loop) handle(int, int64)      {}
func (o *loop) exchangeBySocket(*slot) {}
func (o *loop) renew(*hostname)        { o.client.closeIdle() }

func (o *loop) mustWait(arrival, int64) bool { return false }

type ownSockets struct{}

func (ownSockets) closeSockets(*loop) {}
