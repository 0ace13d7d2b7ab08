package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

const sealAtOnce = 1 << 20 // bytes: a large body is not there twice

// again says that there is nothing to read, or no room to write, as TLS wants to be told.
type again struct{}

func (again) Error() string   { return "nothing yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var errAgain error = again{}

// line is a connection of a loop's.
type line struct {
	fd         int
	number     uint32 // among the loop's
	generation uint32
	pool       *pool
	secure     *tls.Conn // nil without TLS
	unsealed   []byte    // what TLS has not taken yet
	sealed     []byte    // the room for what it has made of it
	unsent     []byte    // what the network has not taken yet
	asks       bool      // to be told when more can be written
	since      int64
	broken     error // nothing can be written any more
	slot       *slot // of the request it is used for; nil: idle
	response   response
}

// send takes all of it: what there is no room for goes when there is.
func (l *line) send(wire []byte) error {
	l.unsealed, l.unsent = wire, nil
	if l.secure == nil {
		l.unsealed, l.unsent = nil, wire
	}
	return l.flush()
}

func (l *line) flush() error {
	for {
		for len(l.unsent) > 0 {
			sent, err := transmit(l.fd, l.unsent)
			if errors.Is(err, errAgain) {
				return nil
			}
			if err != nil {
				return err
			}
			l.unsent = l.unsent[sent:]
		}
		if len(l.unsealed) == 0 {
			return nil
		}
		some := l.unsealed[:min(len(l.unsealed), sealAtOnce)]
		l.unsealed = l.unsealed[len(some):]
		if _, err := l.secure.Write(some); err != nil { // comes back as Write below
			return err
		}
	}
}

// wants is whether something is left that there was no room for.
func (l *line) wants() bool { return len(l.unsent) > 0 }

// read is errAgain where nothing has come, and io.EOF at the end.
func (l *line) read(into []byte) (int, error) {
	if l.secure != nil {
		return l.secure.Read(into)
	}
	return l.receive(into)
}

func (l *line) receive(into []byte) (int, error) {
	read, err := receive(l.fd, into)
	if read == 0 && err == nil {
		err = io.EOF
	}
	return read, err
}

// below is what TLS writes to and reads from: the network's own connection for the handshake, and then the line.
type below struct {
	net.Conn
	line *line
}

func (b *below) Read(into []byte) (int, error) {
	if b.line == nil {
		return b.Conn.Read(into)
	}
	return b.line.receive(into)
}

func (b *below) Write(from []byte) (int, error) {
	if b.line == nil {
		return b.Conn.Write(from)
	}
	if len(b.line.unsent) == 0 {
		b.line.unsent = b.line.sealed[:0]
	}
	b.line.unsent = append(b.line.unsent, from...)
	b.line.sealed = b.line.unsent
	return len(from), nil
}

// SetDeadline is the handshake's alone.
func (b *below) SetDeadline(at time.Time) error {
	if b.line == nil {
		return b.Conn.SetDeadline(at)
	}
	return nil
}

// Close leaves closing to the loop.
func (b *below) Close() error {
	if b.line == nil {
		return b.Conn.Close()
	}
	return nil
}

// lined takes a connection out of Go's hands.
func lined(made net.Conn, secure *tls.Conn) (*line, error) {
	l := &line{secure: secure}
	lower, under := made.(*below)
	if under {
		made = lower.Conn
	}
	raw, err := made.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { l.fd, failed = duplicate(int(fd)) })
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	_ = made.Close() // its number, and Go's waiting for it; the connection is the duplicate's
	if under {
		lower.line = l
	}
	return l, nil
}

func duplicate(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	made, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(made)
	}
	return made, err
}
