package main

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"
)

const keepAliveS = 30 // seconds between probes of an idle connection

// dialing is a connection without TLS that is being made, by the loop itself.
type dialing struct {
	addresses []string // still to try
	began     int64
	failed    error // of the first address
	evicted   bool
}

// address is one of a server's, as the kernel takes it and as net shows it.
type address struct {
	family int
	raw    [syscall.SizeofSockaddrInet6]byte
	length int
	shown  net.Addr
}

// parseAddress returns false for an address with a zone: only net knows the number of the interface.
func parseAddress(text, port string) (*address, bool) {
	at, err := netip.ParseAddrPort(net.JoinHostPort(text, port))
	if err != nil || at.Addr().Zone() != "" {
		return nil, false
	}
	a := &address{shown: net.TCPAddrFromAddrPort(at)}
	binary.BigEndian.PutUint16(a.raw[2:], at.Port())
	if ip := at.Addr().Unmap(); ip.Is4() {
		a.family, a.length = syscall.AF_INET, syscall.SizeofSockaddrInet4
		copy(a.raw[4:], ip.AsSlice())
	} else {
		a.family, a.length = syscall.AF_INET6, syscall.SizeofSockaddrInet6
		copy(a.raw[8:], ip.AsSlice())
	}
	binary.NativeEndian.PutUint16(a.raw[:], uint16(a.family))
	return a, true
}

// open begins a connection. connected is true if it is complete already, as it may be on the same machine.
func (a *address) open() (c *conn, connected bool, err error) {
	fd, err := syscall.Socket(a.family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false, a.failure("socket", err)
	}
	for _, option := range [...][3]int{ // as net's dialer sets them
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveS}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveS},
	} {
		_ = syscall.SetsockoptInt(fd, option[0], option[1], option[2])
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.length))
	if errno != 0 && errno != syscall.EINPROGRESS && errno != syscall.EINTR {
		_ = syscall.Close(fd)
		return nil, false, a.failure("connect", errno)
	}
	return &conn{fd: fd, peer: a.shown}, errno == 0, nil
}

func (a *address) failure(call string, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: a.shown, Err: os.NewSyscallError(call, err)}
}

// exhausted is true if there are no more files or local ports.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// startDialing makes a connection for a slot's request. What needs to wait for a name, or for a TLS handshake, has a
// goroutine.
func (o *loop) startDialing(p *pool, s *slot) {
	at := now()
	defer func() { o.nextDial = now() + dialPeriod }() // making it takes the loop's time, too
	var addresses []string
	if p.scheme == "http" {
		if addresses = p.literal; addresses == nil {
			addresses = o.dialer.known(p.hostname)
		}
	}
	if len(addresses) == 0 || !p.parse(addresses) {
		o.dialElsewhere(p, s, false)
		return
	}
	s.connectBy = 0
	if by := at + int64(connectTimeout); by < s.deadline {
		s.connectBy = by
		o.deadlines.add(s, by, int64(connectTimeout))
	}
	o.dial(p, s, &dialing{addresses: addresses, began: at})
}

// dial tries the addresses until a connection to one of them is complete, or on its way.
func (o *loop) dial(p *pool, s *slot, d *dialing) {
	for len(d.addresses) > 0 {
		c, connected, err := o.open(p.parsed[d.addresses[0]])
		if exhausted(err) && !d.evicted {
			if d.evicted = true; o.evict(p, s.own, err) {
				continue
			}
		}
		d.addresses = d.addresses[1:]
		if err == nil {
			err = o.adopt(p, c, s.own, !connected)
		}
		switch {
		case err == nil && connected:
			o.connected(c, s, now()-d.began)
			return
		case err == nil:
			c.slot, s.conn, c.dialing = s, c, d
			return
		case d.failed == nil:
			d.failed = err
		}
	}
	o.undialed(p, s)
	o.settleLater(s, d.failed)
}

// open makes a socket, unless the loop has as many as it may.
func (o *loop) open(a *address) (*conn, bool, error) {
	if len(o.conns)-len(o.unused) >= o.mostConns {
		return nil, false, a.failure("socket", syscall.EMFILE)
	}
	return a.open()
}

// dialed continues a connection of which the poller has reported that it is complete or has failed.
func (o *loop) dialed(c *conn, at int64) {
	s, d := c.slot, c.dialing
	code, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err == nil && code == 0 {
		c.dialing = nil
		o.connected(c, s, at-d.began)
		return
	}
	if err == nil {
		err = syscall.Errno(code)
	}
	if d.failed == nil {
		d.failed = &net.OpError{Op: "dial", Net: "tcp", Addr: c.peer, Err: os.NewSyscallError("connect", err)}
	}
	p := c.pool
	o.discard(c)
	o.dial(p, s, d)
}

// discard closes a connection that was never complete. Its pool still counts one that is being made.
func (o *loop) discard(c *conn) {
	if c.slot.conn = nil; c.own == nil {
		c.pool.open++
	}
	c.slot, c.dialing = nil, nil
	o.closeConn(c)
}

// undialed takes back that a connection is being made.
func (o *loop) undialed(p *pool, s *slot) {
	if s.own == nil {
		p.open--
	}
}

func (o *loop) connected(c *conn, s *slot, took int64) {
	s.connect, s.fresh, s.connectBy = took, true, 0
	o.use(c, s)
}

// dialElsewhere makes a connection in another goroutine.
func (o *loop) dialElsewhere(p *pool, s *slot, evicted bool) {
	if len(o.conns)-len(o.unused) >= o.mostConns {
		evicted = o.evict(p, s.own, syscall.EMFILE)
	}
	deadline, own := s.deadline, s.own
	go func() {
		c, took, err := p.dial(o.dialer, deadline)
		o.post(func() {
			switch {
			case exhausted(err) && !evicted && o.evict(p, own, err):
				o.dialElsewhere(p, s, true)
				return
			case err == nil:
				err = o.adopt(p, c, own, false)
			}
			if err != nil {
				o.undialed(p, s)
				o.settle(s, exchanged{at: now(), connect: s.connect, err: err})
				return
			}
			o.connected(c, s, took)
		})
	}()
}

// evict closes the connection that has been idle for longest, if it is another user's. It returns false if there is none.
// Where local ports have run out, only a connection to the same server gives one back, and only if it is reset.
func (o *loop) evict(p *pool, own *connections, err error) bool {
	ports := errors.Is(err, syscall.EADDRNOTAVAIL)
	for c := o.idleLongest; c != nil; c = c.newer {
		if c.own != own && (!ports || c.pool == p) {
			if ports {
				c.resetOnClose()
			}
			o.closeConn(c)
			return true
		}
	}
	return false
}

// resetOnClose frees the local port at once. It would be in use for a minute otherwise.
func (c *conn) resetOnClose() {
	_ = syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
}

// rest keeps an idle connection, with as little memory as possible if it is a user's.
func (o *loop) rest(c *conn, at int64) {
	if c.idleSince = at; c.own == nil {
		c.pool.give(c, at)
		return
	}
	c.plaintext, c.unsent, c.ciphertext = nil, nil, nil
	if c.older = o.idleLatest; c.older != nil {
		c.older.newer = c
	} else {
		o.idleLongest = c
	}
	o.idleLatest = c
}

// rouse ends the rest of a user's connection.
func (o *loop) rouse(c *conn) {
	if c.older == nil && o.idleLongest != c {
		return // it does not rest
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		o.idleLongest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		o.idleLatest = c.older
	}
	c.older, c.newer = nil, nil
}
