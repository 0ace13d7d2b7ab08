package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

const (
	aliveFor   = int64(250 * time.Millisecond) // skip the check of a connection that was used so recently
	surplusFor = int64(time.Second)            // close a connection that was idle for longer while others were, too
)

// pool is the connections of one loop to one server. Idle connections are used in turn, and there is at least one for
// each address of the name, so that all addresses get requests.
type pool struct {
	server
	host     string
	port     string
	hostname *hostname // tells how many addresses there are
	idle     []*conn   // idle for longest first
	open     int       // connections, idle or not, with those being made
}

func newPool(to server, dialer *dialer) (*pool, error) {
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
	if net.ParseIP(p.host) == nil {
		p.hostname = dialer.name(p.host)
	}
	return p, nil
}

// take returns the connection that has been idle for longest. It returns nil if the caller has to make one, and counts
// that as open already.
func (p *pool) take(alive func(*conn) bool, closeConn func(*conn)) *conn {
	addresses := int(p.hostname.count.Load())
	for len(p.idle) > 0 && p.open >= addresses {
		c := p.idle[0]
		p.idle = p.idle[1:]
		idleFor := now() - c.idleSince
		surplus := idleFor > surplusFor && len(p.idle) >= max(1, addresses)
		if !surplus && (idleFor < aliveFor || alive(c)) {
			return c
		}
		closeConn(c)
	}
	p.open++
	return nil
}

func (p *pool) give(c *conn) {
	c.idleSince = now()
	p.idle = append(p.idle, c)
}

// dial makes a new connection. It returns how long that took, TLS handshake included.
func (p *pool) dial(dialer *dialer, settings *tls.Config, deadline int64) (c *conn, took int64, err error) {
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
		settings = settings.Clone()
		settings.ServerName = p.host
		made = &tlsTransport{Conn: made}
		secure = tls.Client(made, settings)
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
