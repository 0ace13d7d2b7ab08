package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

const encryptBytes = 1 << 20 // a large body is encrypted in pieces, so that it is not in memory twice

// wouldBlock says that there is nothing to read, or no room to write. crypto/tls keeps a connection usable after a
// temporary net.Error.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "the operation would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock error = wouldBlock{}

// conn is a connection of a loop.
type conn struct {
	fd               int    // -1: closed
	number           uint32 // its index in the loop's connections
	generation       uint32 // differs from that of earlier connections of the same number
	pool             *pool
	own              *connections // nil: all requests share it
	tls              *tls.Conn    // nil without TLS
	peer             net.Addr
	plaintext        []byte // not yet encrypted
	unsent           []byte // not yet taken by the kernel
	ciphertext       []byte // with TLS the memory of unsent, to be used again
	watchingWritable bool   // the poller reports room for more bytes
	idleSince        int64
	idleFor          int64     // before its present use; 0: it is new
	writeErr         error     // nothing more can be written
	slot             *slot     // nil: idle
	dialing          *dialing  // nil: the connection is complete
	older, newer     *conn     // its neighbours among users' idle connections
	response         *response // nil: idle
}

// send writes as much as the kernel takes; flush writes the rest.
func (c *conn) send(wire []byte) error {
	c.plaintext, c.unsent = wire, nil
	if c.tls == nil {
		c.plaintext, c.unsent = nil, wire
	}
	return c.flush()
}

func (c *conn) flush() error {
	for {
		for len(c.unsent) > 0 {
			n, err := transmit(c.fd, c.unsent)
			if errors.Is(err, errWouldBlock) {
				return nil
			}
			if err != nil {
				return err
			}
			c.unsent = c.unsent[n:]
		}
		if len(c.plaintext) == 0 {
			return nil
		}
		piece := c.plaintext[:min(len(c.plaintext), encryptBytes)]
		c.plaintext = c.plaintext[len(piece):]
		if _, err := c.tls.Write(piece); err != nil { // calls tlsTransport.Write, which fills unsent
			return err
		}
	}
}

func (c *conn) hasUnsent() bool { return len(c.unsent) > 0 }

// read returns errWouldBlock if nothing has arrived, and io.EOF at the end.
func (c *conn) read(into []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Read(into)
	}
	return c.receive(into)
}

func (c *conn) receive(into []byte) (int, error) {
	n, err := receive(c.fd, into)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (c *conn) close() {
	if c.tls != nil {
		c.plaintext = nil
		if _ = c.tls.Close(); !c.watchingWritable { // writes the closing alert to unsent and closes nothing
			_ = c.flush()
		}
	}
	_ = syscall.Close(c.fd)
	c.fd = -1
}

// alive is false if the other side has closed an idle connection, or has sent bytes that no request asked for.
func alive(c *conn) bool {
	var some [1]byte
	_, _, err := syscall.Recvfrom(c.fd, some[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}

// tlsTransport is what crypto/tls reads from and writes to: Go's connection during the handshake, then the loop's.
type tlsTransport struct {
	net.Conn
	conn *conn // nil during the handshake
}

func (t *tlsTransport) Read(into []byte) (int, error) {
	if t.conn == nil {
		return t.Conn.Read(into)
	}
	return t.conn.receive(into)
}

func (t *tlsTransport) Write(from []byte) (int, error) {
	c := t.conn
	if c == nil {
		return t.Conn.Write(from)
	}
	if len(c.unsent) == 0 {
		c.unsent = c.ciphertext[:0]
	}
	c.unsent = append(c.unsent, from...)
	c.ciphertext = c.unsent
	return len(from), nil
}

// SetWriteDeadline is for the closing alert: the loop knows the deadlines.
func (t *tlsTransport) SetWriteDeadline(time.Time) error { return nil }

// Close does nothing after the handshake: conn.close closes the socket.
func (t *tlsTransport) Close() error {
	if t.conn == nil {
		return t.Conn.Close()
	}
	return nil
}

// detach takes a connection away from Go's network poller.
func detach(made net.Conn, secure *tls.Conn) (*conn, error) {
	c := &conn{tls: secure, peer: made.RemoteAddr()}
	transport, withTLS := made.(*tlsTransport)
	if withTLS {
		made = transport.Conn
	}
	raw, err := made.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { c.fd, failed = duplicate(int(fd)) })
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	_ = made.Close() // the duplicate keeps the connection open
	if withTLS {
		transport.conn, transport.Conn = c, nil
	}
	return c, nil
}

func duplicate(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	copied, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(copied)
	}
	return copied, err
}
