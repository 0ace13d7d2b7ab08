package main

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	epollET = 1 << 31 // syscall.EPOLLET is negative
	noConn  = ^uint32(0)
	maxWait = 100 * time.Millisecond
)

// poller waits for connections, for a moment and for calls of other goroutines, all in one system call.
//
// The wait is hidden from Go's scheduler: it is a raw system call. With an ordinary one, which the scheduler knows of,
// another thread takes over the loop's processor (a "P" of the runtime) during a wait, and the loop has to get one back
// after it. A loop waits thousands of times a second for some microseconds. There this costs more CPU than sending a
// request.
//
// So for the scheduler the goroutine runs all the time, with these consequences:
//
//   - It occupies a P while it waits. sendByLoops raises GOMAXPROCS by one for each loop, so that connecting, TLS
//     handshakes and the collector keep theirs.
//   - Only these end a wait: a connection is ready; the moment asked for has come (timerfd); another goroutine calls
//     wake (eventfd); a signal arrives (EINTR); maxWait is over. Code that hands something to the loop has to call wake.
//   - A garbage collection stops the world, and this goroutine has to stop with it. The runtime sends SIGURG to the
//     thread of each running goroutine, every 100 µs until all have stopped. The signal ends the wait, and the goroutine
//     stops at its next function call. A signal that arrives just before the wait begins is lost, the next one is not.
//     So the world stops some 100 µs later than without the loop. TestAWaitingLoopDoesNotDelayTheGarbageCollector
//     checks this.
//   - The runtime interrupts a goroutine that runs for 10 ms in the same way. That ends longer waits. With
//     GODEBUG=asyncpreemptoff=1 it sends no signals; maxWait is the bound that is left.
type poller struct {
	epoll, timer, waker int
	waking              sync.Mutex // goroutines may wake a loop that has ended, and its numbers are other files' then
	closed              bool
	timerAt             int64 // the moment for which the timer is set; 0: none
	events              [256]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	p := &poller{epoll: -1, timer: -1, waker: -1}
	err := p.open()
	if err != nil {
		p.close()
	}
	return p, err
}

func (p *poller) open() (err error) {
	if p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if p.timer, err = newTimer(); err != nil {
		return err
	}
	waker, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return os.NewSyscallError("eventfd2", errno)
	}
	p.waker = int(waker)
	// Edge-triggered: neither has to be read before it can trigger again.
	for _, fd := range []int{p.timer, p.waker} {
		if err = p.control(syscall.EPOLL_CTL_ADD, fd, noConn, 0, syscall.EPOLLIN|epollET); err != nil {
			return err
		}
	}
	return nil
}

func (p *poller) close() {
	p.waking.Lock()
	defer p.waking.Unlock()
	p.closed = true
	for _, fd := range []int{p.epoll, p.timer, p.waker} {
		_ = syscall.Close(fd)
	}
}

// add registers a connection for reading. Its events carry its number, and a generation that tells it from earlier
// connections of the same number. `writable` asks for events as wantWritable does.
func (p *poller) add(fd int, number, generation uint32, writable bool) error {
	return p.control(syscall.EPOLL_CTL_ADD, fd, number, generation, wantedEvents(writable))
}

func wantedEvents(writable bool) uint32 {
	if writable {
		return syscall.EPOLLIN | syscall.EPOLLOUT
	}
	return syscall.EPOLLIN
}

// wantWritable turns events on or off for a connection that can take more bytes, or never will again.
func (p *poller) wantWritable(fd int, number, generation uint32, wanted bool) error {
	return p.control(syscall.EPOLL_CTL_MOD, fd, number, generation, wantedEvents(wanted))
}

func (p *poller) control(operation, fd int, number, generation, events uint32) error {
	event := syscall.EpollEvent{Events: events, Fd: int32(number), Pad: int32(generation)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(p.epoll, operation, fd, &event))
}

// wait returns the number of events. It returns at the moment `until` at the latest, and may return earlier without any.
func (p *poller) wait(until int64) (events int, err error) {
	timeout := -1
	switch left := until - now(); {
	case left <= 0:
		timeout = 0
	case left > int64(maxWait):
		timeout = int(maxWait / time.Millisecond)
	case until != p.timerAt:
		if err := setTimer(p.timer, left); err != nil {
			return 0, err
		}
		p.timerAt = until
	}
	found, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), uintptr(timeout), 0, 0)
	switch errno {
	case 0:
		return int(found), nil
	case syscall.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_pwait", errno)
}

// event returns the connection of an event: noConn for the timer and for wake. writable is true if the connection can
// take more bytes or has failed; all else is found out by reading.
func (p *poller) event(index int) (number, generation uint32, writable bool) {
	event := &p.events[index]
	if uint32(event.Fd) == noConn {
		p.timerAt = 0
	}
	return uint32(event.Fd), uint32(event.Pad), event.Events&(syscall.EPOLLOUT|syscall.EPOLLERR) != 0
}

// wake ends the current wait, or the next one. Any goroutine may call it.
func (p *poller) wake() {
	p.waking.Lock()
	defer p.waking.Unlock()
	if p.closed {
		return
	}
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(p.waker), uintptr(unsafe.Pointer(&one)), 8)
}

func receive(fd int, into []byte) (int, error) {
	return transfer(syscall.SYS_RECVFROM, fd, into, 0)
}

func transmit(fd int, from []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, from, syscall.MSG_NOSIGNAL)
}

// transfer is raw for the same reason as poller.wait. It never blocks: the sockets are non-blocking.
func transfer(call uintptr, fd int, data []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(
			call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, errWouldBlock
		default:
			return 0, errno
		}
	}
}

// useClient is false: the loop sends over sockets of its own.
const useClient = false

func newTimer() (int, error) {
	const clockMonotonic = 1
	fd, _, errno := syscall.Syscall(
		syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("timerfd_create", errno)
	}
	return int(fd), nil
}

// setTimer makes the timer expire once, after `ns` nanoseconds.
func setTimer(fd int, ns int64) error {
	setting := [2]syscall.Timespec{{}, syscall.NsecToTimespec(max(ns, 1))}
	if _, _, errno := syscall.RawSyscall6(
		syscall.SYS_TIMERFD_SETTIME, uintptr(fd), 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0); errno != 0 {
		return os.NewSyscallError("timerfd_settime", errno)
	}
	return nil
}
