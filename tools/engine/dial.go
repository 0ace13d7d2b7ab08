package main

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// connectTimeout bounds the time for a connection, TLS handshake included. Otherwise a service that accepts and stays
// silent would hold a request for all of its timeout.
var connectTimeout = 10 * time.Second

// dialer connects to the addresses of a name in turn, so that each address of a load balancer gets its part, and looks
// names up again when their addresses are older than the TTL.
type dialer struct {
	lookup  func(ctx context.Context, host string) ([]string, error)
	connect func(ctx context.Context, network, address string) (net.Conn, error)
	ttl     time.Duration // 0: look up for each connection
	changed func()        // called when a name has new addresses

	mutex sync.Mutex
	names map[string]*hostname
}

// hostname is the addresses of a name.
type hostname struct {
	mutex     sync.Mutex
	addresses []string
	turn      int
	count     atomic.Int32 // of addresses; may be read without the mutex
}

func newDialer(ttl time.Duration) *dialer {
	plain := &net.Dialer{KeepAlive: 30 * time.Second}
	return &dialer{
		lookup: net.DefaultResolver.LookupHost, connect: plain.DialContext, ttl: ttl, names: map[string]*hostname{},
	}
}

// dial tries all addresses before it fails with the first error.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses := []string{host}
	if net.ParseIP(host) == nil {
		if addresses, err = d.addresses(ctx, host); err != nil {
			return nil, err
		}
	}
	var first error
	for _, address := range addresses {
		conn, err := d.connect(ctx, network, net.JoinHostPort(address, port))
		if err == nil {
			return conn, nil
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

// addresses returns all addresses of a name, beginning with the one whose turn it is.
func (d *dialer) addresses(ctx context.Context, host string) ([]string, error) {
	name := d.name(host)
	name.mutex.Lock()
	defer name.mutex.Unlock()
	if name.addresses == nil || d.ttl == 0 {
		found, err := d.find(ctx, host)
		if err != nil {
			return nil, err
		}
		d.update(name, found)
	}
	turn := name.turn % len(name.addresses)
	name.turn++
	return slices.Concat(name.addresses[turn:], name.addresses[:turn]), nil
}

func (d *dialer) name(host string) *hostname {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	name := d.names[host]
	if name == nil {
		name = &hostname{}
		d.names[host] = name
	}
	return name
}

// find returns the addresses of a name in a fixed order: resolvers may shuffle them.
func (d *dialer) find(ctx context.Context, host string) ([]string, error) {
	found, err := d.lookup(ctx, host)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// update needs the name's mutex.
func (d *dialer) update(name *hostname, found []string) {
	if name.addresses != nil && !slices.Equal(found, name.addresses) && d.changed != nil {
		d.changed()
	}
	name.addresses = found
	name.count.Store(int32(len(found)))
}

// refresh looks up all names again. A name that cannot be found keeps its addresses. Connecting does not wait for it.
func (d *dialer) refresh(ctx context.Context) {
	d.mutex.Lock()
	names := make(map[string]*hostname, len(d.names))
	for host, name := range d.names {
		names[host] = name
	}
	d.mutex.Unlock()
	for host, name := range names {
		if name.count.Load() == 0 {
			continue
		}
		if found, err := d.find(ctx, host); err == nil {
			name.mutex.Lock()
			d.update(name, found)
			name.mutex.Unlock()
		}
	}
}

func (d *dialer) keepFresh(ctx context.Context) {
	if d.ttl <= 0 {
		return
	}
	for ticker := time.NewTicker(d.ttl); ; <-ticker.C {
		d.refresh(ctx)
	}
}
