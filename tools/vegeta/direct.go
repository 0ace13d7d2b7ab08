package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	surelyAlive = int64(250 * time.Millisecond) // so long ago was it used: whether it was closed since is not asked
	surplus     = int64(time.Second)            // so long was it idle among others: a burst has left it behind

	mostHeaders = 10 << 20 // bytes, as of Go's own transport: an endless header may not fill the worker's memory
)

var errHeaders = errors.New("malformed HTTP response: its headers are longer than 10 MiB")

// direct speaks HTTP/1 in the goroutine that waits for the response. Go's own transport has two goroutines for each
// connection, between which each request is handed to and fro: a third of what it costs.
//
// Nothing is sent twice. Idle connections are used in turn, and there is one at least for each address of a name.
type direct struct {
	dials   *dialer
	tls     *tls.Config
	timeout int64
	keep    bool

	mutex sync.Mutex
	idle  map[server][]*line
	many  map[server]int // connections, idle or not
}

type server struct{ scheme, host string }

// line is a connection, with what was read ahead of it.
type line struct {
	net.Conn
	reader *bufio.Reader
	server server
	raw    syscall.RawConn
	since  int64 // idle
	left   int   // bytes that the headers may still have; below 0 for a body, which has no limit
}

func (l *line) Read(into []byte) (int, error) {
	if l.left == 0 {
		return 0, errHeaders
	}
	if l.left > 0 && len(into) > l.left {
		into = into[:l.left]
	}
	read, err := l.Conn.Read(into)
	if l.left > 0 {
		l.left -= read
	}
	return read, err
}

func (d *direct) roundTrip(req *http.Request, s *slot) (*http.Response, error) {
	if s.deadline == 0 {
		s.deadline = now() + d.timeout // of all hops together
	}
	l, err := d.line(req, s)
	if err != nil {
		return nil, err
	}
	response, err := l.exchange(req, s)
	if err != nil {
		d.drop(l)
		return nil, err
	}
	s.body = counted{inner: response.Body, slot: s, line: l, from: d, again: d.keep && !response.Close}
	if response.Body == http.NoBody {
		s.body.let()
	}
	return response, nil
}

func (l *line) exchange(req *http.Request, s *slot) (*http.Response, error) {
	if err := l.SetDeadline(began.Add(time.Duration(s.deadline))); err != nil {
		return nil, err
	}
	wire := s.request.wire
	if wire == nil || req.Response != nil { // rows of data, or a redirect
		var made bytes.Buffer
		if err := req.Write(&made); err != nil {
			return nil, err
		}
		wire = made.Bytes()
	}
	if _, err := l.Write(wire); err != nil {
		return nil, err
	}
	l.left = mostHeaders
	defer func() { l.left = -1 }()
	for {
		response, err := http.ReadResponse(l.reader, req)
		if err != nil || response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
}

// line is an idle connection, or a new one, whose making is measured.
func (d *direct) line(req *http.Request, s *slot) (*line, error) {
	to := server{req.URL.Scheme, req.URL.Host}
	if l := d.take(to, req.URL.Hostname()); l != nil {
		return l, nil
	}
	wanted := now()
	ctx, cancel := context.WithDeadline(req.Context(), began.Add(time.Duration(s.deadline)))
	defer cancel()
	port := req.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[to.scheme]
	}
	made, err := d.dials.dial(ctx, "tcp", net.JoinHostPort(req.URL.Hostname(), port))
	if err != nil {
		d.count(to, -1)
		return nil, err
	}
	var raw syscall.RawConn
	if one, is := made.(*connection).Conn.(syscall.Conn); is {
		raw, _ = one.SyscallConn()
	}
	if to.scheme == "https" {
		settings := d.tls.Clone()
		settings.ServerName = req.URL.Hostname()
		secure := tls.Client(made, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			made.Close()
			d.count(to, -1)
			return nil, err
		}
		made = secure
	}
	s.connect = now() - wanted
	found := &line{Conn: made, server: to, raw: raw}
	found.reader = bufio.NewReader(found)
	return found, nil
}

// take is the connection that has been idle for longest; nil counts one that is to be made.
func (d *direct) take(to server, host string) *line {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for len(d.idle[to]) > 0 && d.many[to] >= d.dials.many(host) {
		l := d.idle[to][0]
		d.idle[to] = d.idle[to][1:]
		since := now() - l.since
		needless := since > surplus && len(d.idle[to]) >= max(1, d.dials.many(host))
		if !needless && (since < surelyAlive || l.alive()) {
			return l
		}
		d.many[to]--
		_ = l.Close()
	}
	d.many[to]++
	return nil
}

func (d *direct) give(l *line) {
	l.since = now()
	d.mutex.Lock()
	d.idle[l.server] = append(d.idle[l.server], l)
	d.mutex.Unlock()
}

func (d *direct) drop(l *line) {
	_ = l.Close()
	d.count(l.server, -1)
}

func (d *direct) count(to server, more int) {
	d.mutex.Lock()
	d.many[to] += more
	d.mutex.Unlock()
}

// closeIdle gives up connections to addresses that may not be the name's any more.
func (d *direct) closeIdle() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for to, idle := range d.idle {
		for _, l := range idle {
			_ = l.Close()
		}
		d.many[to] -= len(idle)
		d.idle[to] = nil
	}
}

// alive is false when the other side has closed it meanwhile.
func (l *line) alive() bool {
	if l.raw == nil || l.SetDeadline(time.Time{}) != nil {
		return l.raw == nil
	}
	var some [1]byte
	alive := false
	err := l.raw.Read(func(fd uintptr) bool {
		_, _, failed := syscall.Recvfrom(int(fd), some[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = failed == syscall.EAGAIN // what was not asked for is the end, or says that it comes
		return true
	})
	return err == nil && alive
}

// counted is a response's body, of which only the length is kept.
type counted struct {
	inner io.ReadCloser
	bytes int64
	slot  *slot
	line  *line // nil as soon as it is let go, and with HTTP/2
	from  *direct
	again bool // another request can be sent over it
}

func (c *counted) Read(into []byte) (int, error) {
	read, err := c.inner.Read(into)
	c.bytes += int64(read)
	switch {
	case err == io.EOF:
		c.let()
	case err != nil:
		c.slot.err, c.again = err, false
		c.let()
	}
	return read, err
}

// Close is called when all is read, or when nobody wants the rest.
func (c *counted) Close() error {
	if c.line != nil {
		c.again = false
		c.let()
		return nil
	}
	return c.inner.Close()
}

func (c *counted) let() {
	l := c.line
	c.line = nil
	switch {
	case l == nil:
	case c.again:
		c.from.give(l)
	default:
		c.from.drop(l)
	}
}
