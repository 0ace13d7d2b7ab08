package main

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	monotonic = 1
	nonblock  = 0x800 // TFD_NONBLOCK, EFD_NONBLOCK
	closeExec = 0x80000
)

// alarm wakes its goroutine when it is time: Go's own timers are up to 1 ms late, since they are the time-out of a
// wait for files. This is a file, and that wait ends with it.
type alarm struct {
	file *os.File
	fd   uintptr
	read [8]byte
}

func newAlarm() (*alarm, error) {
	fd, _, failed := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, nonblock|closeExec, 0)
	if failed != 0 {
		return nil, os.NewSyscallError("timerfd_create", failed)
	}
	return &alarm{file: os.NewFile(fd, "alarm"), fd: fd}, nil
}

func (a *alarm) sleep(ns int64) error {
	if err := setTimer(a.fd, ns); err != nil {
		return err
	}
	_, err := a.file.Read(a.read[:])
	return err
}

// setTimer has it ring once, so long from now on.
func setTimer(fd uintptr, ns int64) error {
	setting := [2]syscall.Timespec{{}, syscall.NsecToTimespec(max(ns, 1))}
	if _, _, failed := syscall.RawSyscall6(
		syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0); failed != 0 {
		return os.NewSyscallError("timerfd_settime", failed)
	}
	return nil
}
