//go:build !linux

package main

import "time"

// alarm is Go's own timer, where there is no better one: up to 1 ms late.
type alarm struct{}

func newAlarm() (*alarm, error) { return &alarm{}, nil }

func (a *alarm) sleep(ns int64) error {
	time.Sleep(time.Duration(ns))
	return nil
}
