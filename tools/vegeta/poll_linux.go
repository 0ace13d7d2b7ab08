package main

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	edge       = 1 << 31 // EPOLLET: nothing has to be read before it can ring again
	unsignaled = 0x4000  // MSG_NOSIGNAL
)

// poller waits for connections, for a moment and for other goroutines, all at once.
//
// Its calls are raw: Go's scheduler takes a loop that waits for one that runs. Otherwise it would be woken for each wait
// of some microseconds, to give the processor to somebody else, which costs more than a request does.
type poller struct {
	epoll, timer, bell int
	armed              int64 // the moment for which the timer is set; 0: for none
	events             [256]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	p := &poller{}
	var failed error
	made := func(call string, number, a, b uintptr) int {
		fd, _, errno := syscall.Syscall(number, a, b, 0)
		if errno != 0 && failed == nil {
			failed = os.NewSyscallError(call, errno)
		}
		return int(fd)
	}
	p.epoll = made("epoll_create1", syscall.SYS_EPOLL_CREATE1, closeExec, 0)
	p.timer = made("timerfd_create", syscall.SYS_TIMERFD_CREATE, monotonic, nonblock|closeExec)
	p.bell = made("eventfd2", syscall.SYS_EVENTFD2, 0, nonblock|closeExec)
	for _, fd := range []int{p.timer, p.bell} {
		if failed == nil {
			failed = p.control(syscall.EPOLL_CTL_ADD, fd, nobody, 0, syscall.EPOLLIN|edge)
		}
	}
	return p, failed
}

func (p *poller) close() {
	for _, fd := range []int{p.epoll, p.timer, p.bell} {
		_ = syscall.Close(fd)
	}
}

// add has events of a connection told by its number; a generation tells it from one that had the number before.
func (p *poller) add(fd int, number, generation uint32) error {
	return p.control(syscall.EPOLL_CTL_ADD, fd, number, generation, syscall.EPOLLIN)
}

// writable has it told, too, when more can be written, or no more.
func (p *poller) writable(fd int, number, generation uint32, wanted bool) error {
	events := uint32(syscall.EPOLLIN)
	if wanted {
		events |= syscall.EPOLLOUT
	}
	return p.control(syscall.EPOLL_CTL_MOD, fd, number, generation, events)
}

func (p *poller) control(operation, fd int, number, generation, events uint32) error {
	event := syscall.EpollEvent{Events: events, Fd: int32(number), Pad: int32(generation)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(p.epoll, operation, fd, &event))
}

// wait returns how many events there are, at that moment at the latest.
func (p *poller) wait(until int64) (int, error) {
	timeout := -1
	switch left := until - now(); {
	case left <= 0:
		timeout = 0
	case until != p.armed:
		if err := setTimer(uintptr(p.timer), left); err != nil {
			return 0, err
		}
		p.armed = until
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

// event is whose it is, and whether there is something to write for; anything else is found out by reading.
func (p *poller) event(index int) (number, generation uint32, write bool) {
	one := &p.events[index]
	if uint32(one.Fd) == nobody {
		p.armed = 0
	}
	return uint32(one.Fd), uint32(one.Pad), one.Events&(syscall.EPOLLOUT|syscall.EPOLLERR) != 0
}

// ring ends the wait from another goroutine.
func (p *poller) ring() {
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(p.bell), uintptr(unsafe.Pointer(&one)), 8)
}

func receive(fd int, into []byte) (int, error) {
	return transfer(syscall.SYS_RECVFROM, fd, into, 0)
}

func transmit(fd int, from []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, from, unsignaled)
}

func transfer(call uintptr, fd int, some []byte, flags uintptr) (int, error) {
	for {
		done, _, errno := syscall.RawSyscall6(
			call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(some))), uintptr(len(some)), flags, 0, 0)
		switch errno {
		case 0:
			return int(done), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, errAgain
		default:
			return 0, errno
		}
	}
}
