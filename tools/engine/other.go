//go:build !linux

package main

import "time"

// sendHTTP1 uses Go's client: the loop needs epoll.
func sendHTTP1(l *load, e *engine) error { return sendWithClient(l, e) }

type loopState struct{}

// alarm is a timer of Go's, up to 1 ms late.
type alarm struct{}

func newAlarm() (*alarm, error) { return &alarm{}, nil }

func (a *alarm) sleep(ns int64) error {
	time.Sleep(time.Duration(ns))
	return nil
}
