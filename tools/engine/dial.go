package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
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
	hosts   map[string]string // addresses of names that are not looked up, some with a port
	ttl     time.Duration     // 0: look up for each connection
	changed func(*hostname)   // called when a name has new addresses

	mutex sync.Mutex
	names map[string]*hostname
}

// mostNames is how many names a dialer remembers, and refreshes: a service may redirect to ever new ones. It looks others
// up for each connection.
const mostNames = 1000

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
	host, port = d.pinned(host, port)
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
		if first == nil || exhausted(first) { // what an address answers says more
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// pinned returns where to connect for a host and a port: elsewhere if the suite says so.
func (d *dialer) pinned(host, port string) (string, string) {
	address, ok := d.hosts[strings.ToLower(host)]
	if !ok {
		return host, port
	}
	if at, own, err := net.SplitHostPort(address); err == nil {
		return at, own
	}
	return address, port
}

// checkHosts returns an error for the first address that is none.
func checkHosts(hosts map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		address := hosts[name]
		if net.ParseIP(address) != nil {
			continue
		}
		if _, err := netip.ParseAddrPort(address); err != nil {
			return fmt.Errorf("hosts: %s is at %q, which is not an IP address, with or without a port. "+
				"Write it as 10.0.0.7, 10.0.0.7:8443 or [2001:db8::7]:8443.", name, address)
		}
	}
	return nil
}

// known returns all addresses of a name, beginning with the one whose turn it is; nil if it has to be looked up, or may
// have to. It does not wait.
func (d *dialer) known(name *hostname) []string {
	if d.ttl == 0 || !name.mutex.TryLock() {
		return nil
	}
	defer name.mutex.Unlock()
	return name.next()
}

// next needs the mutex.
func (n *hostname) next() []string {
	if len(n.addresses) < 2 {
		return n.addresses
	}
	turn := n.turn % len(n.addresses)
	n.turn++
	return slices.Concat(n.addresses[turn:], n.addresses[:turn])
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
	return name.next(), nil
}

func (d *dialer) name(host string) *hostname {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	name := d.names[host]
	if name == nil {
		if name = (&hostname{}); len(d.names) < mostNames {
			d.names[host] = name
		}
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
		d.changed(name)
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
