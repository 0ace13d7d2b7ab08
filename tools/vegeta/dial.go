package main

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// dialer connects to the addresses of a name in turn, so that no address of a load balancer gets more than its part,
// and asks for them again when they are old.
type dialer struct {
	lookup  func(ctx context.Context, host string) ([]string, error)
	connect func(ctx context.Context, network, address string) (net.Conn, error)
	ttl     time.Duration // 0: asked for at each connection
	changed func()        // the addresses of a name are others than before
	open    atomic.Int64

	mutex sync.Mutex
	known map[string]*known
}

type known struct {
	mutex     sync.Mutex
	addresses []string
	at        time.Time
	turn      int
	many      atomic.Int32
}

func newDialer(ttl time.Duration) *dialer {
	plain := &net.Dialer{KeepAlive: 30 * time.Second}
	return &dialer{
		lookup: net.DefaultResolver.LookupHost, connect: plain.DialContext, ttl: ttl, known: map[string]*known{},
	}
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses := []string{host}
	if net.ParseIP(host) == nil {
		if addresses, err = d.of(ctx, host); err != nil {
			return nil, err
		}
	}
	var first error
	for _, one := range addresses {
		made, err := d.connect(ctx, network, net.JoinHostPort(one, port))
		if err == nil {
			d.open.Add(1)
			return &connection{Conn: made, open: &d.open}, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// of is a name's addresses, the one whose turn it is first, and those to try when it cannot be reached after it.
func (d *dialer) of(ctx context.Context, host string) ([]string, error) {
	one := d.named(host)
	one.mutex.Lock()
	defer one.mutex.Unlock()
	if one.addresses == nil || d.ttl == 0 {
		if err := d.ask(ctx, host, one); err != nil {
			return nil, err
		}
	}
	turn := one.turn % len(one.addresses)
	one.turn++
	return slices.Concat(one.addresses[turn:], one.addresses[:turn]), nil
}

// named is what is known of a name: how many addresses it has can be read at any time.
func (d *dialer) named(host string) *known {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	one := d.known[host]
	if one == nil {
		one = &known{}
		d.known[host] = one
	}
	return one
}

func (d *dialer) ask(ctx context.Context, host string, one *known) error {
	found, err := d.lookup(ctx, host)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if err != nil {
		return err
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if one.addresses != nil && !slices.Equal(found, one.addresses) && d.changed != nil {
		d.changed()
	}
	one.addresses, one.at = found, time.Now()
	one.many.Store(int32(len(found)))
	return nil
}

// refresh asks again for names whose addresses are old; a name that nobody knows for a while keeps what it had.
func (d *dialer) refresh(ctx context.Context) {
	d.mutex.Lock()
	hosts := make(map[string]*known, len(d.known))
	for host, one := range d.known {
		hosts[host] = one
	}
	d.mutex.Unlock()
	for host, one := range hosts {
		fresh := &known{addresses: nil}
		one.mutex.Lock()
		fresh.addresses = one.addresses
		one.mutex.Unlock()
		if fresh.addresses == nil || d.ask(ctx, host, fresh) != nil {
			continue
		}
		one.mutex.Lock()
		one.addresses, one.at = fresh.addresses, fresh.at
		one.many.Store(int32(len(fresh.addresses)))
		one.mutex.Unlock()
	}
}

func (d *dialer) keepFresh(ctx context.Context) {
	if d.ttl <= 0 {
		return
	}
	for tick := time.NewTicker(d.ttl); ; <-tick.C {
		d.refresh(ctx)
	}
}

// connection counts itself out when it is closed.
type connection struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *connection) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
