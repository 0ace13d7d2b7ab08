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
	surelyAlive = int64(250 * time.Millisecond) // so long ago was it used: whether it was closed since is not asked
	surplus     = int64(time.Second)            // so long was it idle among others: a burst has left it behind
)

type server struct{ scheme, host string }

// pool is the connections of one loop to one server. Idle ones are used in turn, and there is one at least for each
// address of a name.
type pool struct {
	server
	name  string
	port  string
	known *known // of the name: how many addresses it has
	idle  []*line
	many  int // connections, idle or not
}

func newPool(to server, dials *dialer) (*pool, error) {
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
	made := &pool{server: to, name: at.Hostname(), port: port, known: &known{}}
	if net.ParseIP(made.name) == nil {
		made.known = dials.named(made.name)
	}
	return made, nil
}

// take is the connection that has been idle for longest; nil where one is to be made, which is counted.
func (p *pool) take(alive func(*line) bool, drop func(*line)) *line {
	addresses := int(p.known.many.Load())
	for len(p.idle) > 0 && p.many >= addresses {
		l := p.idle[0]
		p.idle = p.idle[1:]
		since := now() - l.since
		needless := since > surplus && len(p.idle) >= max(1, addresses)
		if !needless && (since < surelyAlive || alive(l)) {
			return l
		}
		drop(l)
	}
	p.many++
	return nil
}

func (p *pool) give(l *line) {
	l.since = now()
	p.idle = append(p.idle, l)
}

// connecting bounds the time for a connection, TLS handshake included: a service that accepts and stays silent
// would else hold a request for all of its timeout.
var connecting = 10 * time.Second

// dialed is a new connection to it, with how long its making took.
func (p *pool) dialed(dials *dialer, settings *tls.Config, deadline int64) (l *line, took int64, err error) {
	wanted := now()
	deadline = min(deadline, wanted+int64(connecting))
	ctx, cancel := context.WithDeadline(context.Background(), began.Add(time.Duration(deadline)))
	defer cancel()
	made, err := dials.dial(ctx, "tcp", net.JoinHostPort(p.name, p.port))
	if err != nil {
		return nil, 0, err
	}
	made = made.(*connection).Conn
	var secure *tls.Conn
	if p.scheme == "https" {
		settings = settings.Clone()
		settings.ServerName = p.name
		made = &below{Conn: made}
		secure = tls.Client(made, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = made.Close()
			return nil, 0, err
		}
	}
	took = now() - wanted
	if l, err = lined(made, secure); err != nil {
		_ = made.Close()
		return nil, 0, err
	}
	return l, took, nil
}
