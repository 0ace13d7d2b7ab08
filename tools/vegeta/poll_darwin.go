package main

import (
	"errors"
	"os"
	"syscall"
)

// poller is as on Linux, by kqueue, which takes the moment itself.
type poller struct {
	queue  int
	bell   [2]int // a pipe
	known  map[int][2]uint32
	events [256]syscall.Kevent_t
}

func newPoller() (*poller, error) {
	queue, err := syscall.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	p := &poller{queue: queue, known: map[int][2]uint32{}}
	if err := syscall.Pipe(p.bell[:]); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	for _, fd := range append(p.bell[:], queue) {
		syscall.CloseOnExec(fd)
	}
	for _, fd := range p.bell {
		if err := syscall.SetNonblock(fd, true); err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	return p, p.add(p.bell[0], nobody, 0)
}

func (p *poller) close() {
	for _, fd := range append(p.bell[:], p.queue) {
		_ = syscall.Close(fd)
	}
}

func (p *poller) add(fd int, number, generation uint32) error {
	p.known[fd] = [2]uint32{number, generation}
	return p.change(fd, syscall.EVFILT_READ, syscall.EV_ADD)
}

func (p *poller) writable(fd int, number, generation uint32, wanted bool) error {
	if wanted {
		return p.change(fd, syscall.EVFILT_WRITE, syscall.EV_ADD)
	}
	return p.change(fd, syscall.EVFILT_WRITE, syscall.EV_DELETE)
}

func (p *poller) change(fd, filter, flags int) error {
	var event syscall.Kevent_t
	syscall.SetKevent(&event, fd, filter, flags)
	_, err := syscall.Kevent(p.queue, []syscall.Kevent_t{event}, nil, nil)
	return os.NewSyscallError("kevent", err)
}

func (p *poller) wait(until int64) (int, error) {
	timeout := syscall.NsecToTimespec(min(max(until-now(), 0), int64(1e18)))
	found, err := syscall.Kevent(p.queue, nil, p.events[:], &timeout)
	if errors.Is(err, syscall.EINTR) {
		return 0, nil
	}
	return found, os.NewSyscallError("kevent", err)
}

func (p *poller) event(index int) (number, generation uint32, write bool) {
	one := &p.events[index]
	fd := int(one.Ident)
	if fd == p.bell[0] {
		var some [64]byte
		_, _ = syscall.Read(fd, some[:])
	}
	known := p.known[fd]
	return known[0], known[1], one.Filter == syscall.EVFILT_WRITE
}

func (p *poller) ring() { _, _ = syscall.Write(p.bell[1], []byte{0}) }

func receive(fd int, into []byte) (int, error) { return transferred(syscall.Read(fd, into)) }

func transmit(fd int, from []byte) (int, error) { return transferred(syscall.Write(fd, from)) }

func transferred(done int, err error) (int, error) {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return 0, errAgain
	}
	return max(done, 0), err
}
