package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
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
	raw   syscall.Sockaddr
	shown net.Addr
}

// parseAddress returns false for an address with a zone: only net knows the number of the interface.
func parseAddress(text, port string) (address, bool) {
	at, err := netip.ParseAddrPort(net.JoinHostPort(text, port))
	if err != nil || at.Addr().Zone() != "" {
		return address{}, false
	}
	a := address{shown: net.TCPAddrFromAddrPort(at)}
	if ip := at.Addr().Unmap(); ip.Is4() {
		a.raw = &syscall.SockaddrInet4{Port: int(at.Port()), Addr: ip.As4()}
	} else {
		a.raw = &syscall.SockaddrInet6{Port: int(at.Port()), Addr: ip.As16()}
	}
	return a, true
}

// open begins a connection. connected is true if it is complete already, as it may be on the same machine.
func (a address) open() (c *conn, connected bool, err error) {
	family := syscall.AF_INET6
	if _, is4 := a.raw.(*syscall.SockaddrInet4); is4 {
		family = syscall.AF_INET
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false, a.failure("socket", err)
	}
	for _, option := range [...][3]int{ // as net's dialer sets them
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveS}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveS},
	} {
		_ = syscall.SetsockoptInt(fd, option[0], option[1], option[2])
	}
	err = syscall.Connect(fd, a.raw)
	if err != nil && err != syscall.EINPROGRESS && err != syscall.EINTR {
		_ = syscall.Close(fd)
		return nil, false, a.failure("connect", err)
	}
	return &conn{fd: fd, peer: a.shown}, err == nil, nil
}

func (a address) failure(call string, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: a.shown, Err: os.NewSyscallError(call, err)}
}

// startDialing makes a connection for a slot's request. What needs to wait for a name, or for a TLS handshake, has a
// goroutine.
func (o *loop) startDialing(p *pool, s *slot) {
	at := now()
	defer func() { o.nextDial = now() + dialPeriod }() // making it takes the loop's time, too
	addresses := p.literal
	if addresses == nil && p.scheme == "http" { // otherwise dialElsewhere takes the next address
		addresses = o.dialer.known(p.hostname)
	}
	if p.scheme != "http" || len(addresses) == 0 {
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
		a, known := parseAddress(d.addresses[0], p.connectPort)
		if !known {
			o.dialElsewhere(p, s, d.evicted)
			return
		}
		c, connected, err := o.open(a)
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
		case d.failed == nil || exhausted(d.failed): // what an address answers says more
			d.failed = err
		}
	}
	o.settleLater(s, d.failed)
}

// open makes a socket, unless the loop has as many as it may.
func (o *loop) open(a address) (*conn, bool, error) {
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
	if d.failed == nil || exhausted(d.failed) {
		d.failed = &net.OpError{Op: "dial", Net: "tcp", Addr: c.peer, Err: os.NewSyscallError("connect", err)}
	}
	o.closeConn(c)
	c.slot, s.conn = nil, nil
	o.dial(c.pool, s, d)
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
	p.elsewhere++
	go func() {
		c, took, err := p.dial(o.dialer, deadline)
		o.post(func() {
			p.elsewhere--
			switch {
			case exhausted(err) && !evicted && o.evict(p, own, err):
				o.dialElsewhere(p, s, true)
				return
			case err == nil:
				err = o.adopt(p, c, own, false)
			}
			if err != nil {
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
