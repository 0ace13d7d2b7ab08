package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"time"
)

const (
	aliveFor   = int64(250 * time.Millisecond) // skip the check of a connection that was used so recently
	ownAlive   = int64(5 * time.Millisecond)   // and of a user's, who has no other
	idleFrom   = int64(200 * time.Millisecond) // services keep idle connections for a second or more
	surplusFor = int64(time.Second)            // close a connection that was idle for longer while others were, too
)

// pool is the connections of one loop to one server. Idle connections are used in turn, and there is at least one for
// each address of the name, so that all addresses get requests.
type pool struct {
	server
	host        string
	port        string
	literal     []string // the address, if the host is one or is pinned to one
	connectPort string
	tls         *tls.Config // of all its connections
	hostname    *hostname   // tells how many addresses there are
	idle        []*conn     // idle for longest first
	open        int         // connections that requests share, idle or not
	elsewhere   int         // connections that other goroutines make
	outdated    uint32      // the generation of the last connection to earlier addresses
	survived    int64       // the longest time in ns after which an idle connection was used
	keptFor     int64       // the shortest one after which the service closed one; 0: it closed none
}

func newPool(to server, dialer *dialer, settings *tls.Config) (*pool, error) {
	port := map[string]string{"http": "80", "https": "443"}[to.scheme]
	if port == "" {
		return nil, fmt.Errorf("unsupported protocol scheme %q", to.scheme)
	}
	at := url.URL{Host: to.host}
	if at.Port() != "" {
		port = at.Port()
	}
	if at.Hostname() == "" {
		return nil, errors.New("no host in the address")
	}
	p := &pool{server: to, host: at.Hostname(), port: port, hostname: &hostname{}}
	p.tls = settings.Clone()
	p.tls.ServerName = p.host
	host, port := dialer.pinned(p.host, p.port)
	if p.connectPort = port; net.ParseIP(host) == nil {
		p.hostname = dialer.name(host)
	} else {
		p.literal = []string{host}
	}
	return p, nil
}

// take returns the connection that has been idle for longest. It returns nil if the caller has to make one. No
// connection is used that has been idle for about as long as the service keeps one.
func (p *pool) take(at int64, alive func(*conn) bool, closeConn func(*conn)) *conn {
	addresses := int(p.hostname.count.Load())
	for len(p.idle) > 0 && p.open+p.elsewhere >= addresses {
		c := p.idle[0]
		p.idle = p.idle[1:]
		idleFor := at - c.idleSince
		surplus := idleFor > surplusFor && len(p.idle) >= max(1, addresses)
		if !surplus && p.usable(c, idleFor, aliveFor, alive) {
			return c
		}
		closeConn(c)
	}
	return nil
}

// usable is false for a connection that the service has closed, or is about to close.
func (p *pool) usable(c *conn, idleFor, unchecked int64, alive func(*conn) bool) bool {
	outlived := p.keptFor > 0 && idleFor >= p.keptFor*9/10
	if outlived || idleFor >= unchecked && !alive(c) {
		return false
	}
	p.survived, c.idleFor = max(p.survived, idleFor), idleFor
	return true
}

// learn notes that the service closed a connection after it was idle. One that had little time to be idle, or that
// closed much earlier than others, had another reason.
func (p *pool) learn(idleFor int64) {
	if idleFor >= max(idleFrom, p.survived*9/10) && (p.keptFor == 0 || idleFor < p.keptFor) {
		p.keptFor = idleFor
	}
}

// lost returns whether a failure means that the service closed an idle connection as the request was sent.
func (p *pool) lost(c *conn, err error) bool {
	closed := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if !closed || c.idleFor < idleFrom || !c.response.untouched() {
		return false
	}
	p.survived = 0 // the check came just before the end
	p.learn(c.idleFor)
	return true
}

func (p *pool) give(c *conn, at int64) {
	c.idleSince = at
	p.idle = append(p.idle, c)
}

// dial makes a new connection. It returns how long that took, TLS handshake included.
func (p *pool) dial(dialer *dialer, deadline int64) (c *conn, took int64, err error) {
	began := now()
	deadline = min(deadline, began+int64(connectTimeout))
	ctx, cancel := context.WithDeadline(context.Background(), processStart.Add(time.Duration(deadline)))
	defer cancel()
	made, err := dialer.dial(ctx, "tcp", net.JoinHostPort(p.host, p.port))
	if err != nil {
		return nil, 0, err
	}
	var secure *tls.Conn
	if p.scheme == "https" {
		made = &tlsTransport{Conn: made}
		secure = tls.Client(made, p.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = made.Close()
			return nil, 0, err
		}
	}
	took = now() - began
	if c, err = detach(made, secure); err != nil {
		_ = made.Close()
		return nil, 0, err
	}
	return c, took, nil
}
