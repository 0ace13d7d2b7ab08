package main

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	setTimerSlack = 29 // prctl's
	getTimerSlack = 30
)

// punctual lets the kernel wake this program when it is time, and not up to 50 µs later: threads have it from the one
// that made them, so that the program has to begin with it.
func punctual() {
	slack, _, _ := syscall.Syscall(syscall.SYS_PRCTL, getTimerSlack, 0, 0)
	if slack <= 1 {
		return
	}
	if _, _, failed := syscall.Syscall(syscall.SYS_PRCTL, setTimerSlack, 1, 0); failed != 0 {
		return
	}
	if self, err := os.Executable(); err == nil {
		_ = syscall.Exec(self, os.Args, os.Environ()) // goes on below if it cannot: only less punctual
	}
}

func sleep(ns int64) {
	left := syscall.NsecToTimespec(ns)
	_, _, _ = syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&left)), 0, 0)
}
