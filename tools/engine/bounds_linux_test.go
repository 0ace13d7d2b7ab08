package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// pinned returns a load that finds all these names at a server's address.
func pinned(server *httptest.Server, names []string) *load {
	l := &load{Hosts: map[string]string{}}
	for _, name := range names {
		l.Hosts[name] = strings.TrimPrefix(server.URL, "http://")
	}
	return l
}

func numbered(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("shop-%d", i)
	}
	return names
}

func TestALoopForgetsServersToWhichItHasNoConnection(t *testing.T) {
	server, _ := counting(t, (*httptest.Server).Start)
	r, user := newRig(t, pinned(server, []string{"own", "shared"}), 100), &connections{}
	r.ask(user, http.MethodGet, "http://own/")
	r.ask(nil, http.MethodGet, "http://shared/")
	for _, name := range numbered(3 * leastPools) {
		if _, err := r.pool(unencrypted(name)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.pools) > leastPools || r.pools[unencrypted("own")] == nil || r.pools[unencrypted("shared")] == nil {
		t.Error(len(r.pools), "servers are remembered")
	}
	if r.ask(user, http.MethodGet, "http://own/").fresh || r.ask(nil, http.MethodGet, "http://shared/").fresh {
		t.Error("a connection is not used again")
	}
	user.close(r.loop)
}

func unencrypted(host string) server { return server{"http", host} }

// A loop whose system calls take long would connect for each request that is late, and never read a response.
func TestConnectingWhileTheLoopIsLateIsPaced(t *testing.T) {
	server, _ := counting(t, (*httptest.Server).Start)
	r := newRig(t, &load{}, 100)
	got := r.begin(nil, http.MethodGet, server.URL, capture{})
	if made := r.conns[0].dialing; made != nil && r.nextDial <= made.began+dialPeriod {
		t.Error("the period begins before the connection is made")
	}
	r.wait(func() bool { return got.done })
}

func TestAUserKeepsFewConnections(t *testing.T) {
	server, _ := counting(t, (*httptest.Server).Start)
	names := numbered(mostOwn + 10)
	r, user := newRig(t, pinned(server, names), 2*mostOwn), &connections{}
	for _, name := range names {
		if got := r.ask(user, http.MethodGet, "http://"+name); got.err != nil {
			t.Fatal(got.err)
		}
	}
	if len(user.list) != mostOwn || r.ask(user, http.MethodGet, "http://"+names[len(names)-1]).fresh {
		t.Error(len(user.list), "connections")
	}
	user.close(r.loop)
}

func TestADialerRemembersAndRefreshesFewNames(t *testing.T) {
	asked := map[string]int{}
	dials := newDialer(5)
	dials.lookup = func(_ context.Context, host string) ([]string, error) {
		asked[host]++
		return []string{"127.0.0.1"}, nil
	}
	names := numbered(mostNames + 10)
	for range 2 {
		for _, name := range names {
			if found, err := dials.addresses(t.Context(), name); err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
		}
	}
	dials.refresh(t.Context())
	if first, last := names[0], names[len(names)-1]; len(dials.names) != mostNames || asked[first] != 2 || asked[last] != 2 {
		t.Errorf("%d names; the first is looked up %d times, the last %d", len(dials.names), asked[first], asked[last])
	}
}

func TestAnsweredRequestsDoNotPileUpBehindOneThatWaits(t *testing.T) {
	var d deadlines
	all, expired := newSlots(10), 0
	waiting := all.acquire()
	waiting.deadline = int64(time.Minute)
	d.add(waiting, waiting.deadline, int64(time.Minute))
	for i := range int64(50 * leastDeadlines) {
		s := all.acquire()
		s.deadline = int64(time.Minute) + i
		d.add(s, s.deadline, int64(time.Minute))
		all.release(s)
		d.expire(all, i, func(*slot) { expired++ })
	}
	if length := len(d.queues[0].queue); length > 2*leastDeadlines || expired > 0 {
		t.Errorf("%d deadlines of 1 request, %d expired", length, expired)
	}
	if d.expire(all, waiting.deadline, func(s *slot) { expired++ }); expired != 1 {
		t.Error("the request that waits does not expire")
	}
}

func TestNewAddressesRenewTheConnectionsOfTheirNameAlone(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			<-hold
		}
	}))
	t.Cleanup(server.Close)
	r := newRig(t, &load{DNSTTLS: 5}, 100)
	moved := []string{"127.0.0.1"}
	r.dialer.lookup = func(_ context.Context, host string) ([]string, error) {
		if host == "moves" {
			return slices.Clone(moved), nil
		}
		return []string{"127.0.0.1"}, nil
	}
	r.dialer.changed = r.renew
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	moves, stays := "http://moves:"+port, "http://stays:"+port
	user, held := &connections{}, &connections{}
	r.ask(user, http.MethodGet, moves)
	r.ask(user, http.MethodGet, stays)
	r.ask(nil, http.MethodGet, moves)
	late := r.begin(held, http.MethodGet, moves+"/held", capture{})
	moved = []string{"127.0.0.1", "127.0.0.2"}
	r.dialer.refresh(t.Context())
	close(hold)
	r.wait(func() bool { return late.done })
	for _, own := range []*connections{user, held, nil} {
		if got := r.ask(own, http.MethodGet, moves); got.err != nil || !got.fresh {
			t.Error("a connection to the earlier address is used again", got.err)
		}
	}
	if r.ask(user, http.MethodGet, stays).fresh {
		t.Error("the connection to another name is closed")
	}
	user.close(r.loop)
	held.close(r.loop)
}

func TestMemoryOfLargeResponsesIsBoundedAndNotForRequests(t *testing.T) {
	o := &loop{}
	for range 2 * mostLarge {
		for _, size := range []int{smallSpare, mostSpare, mostSpare + 1} {
			memory := make([]byte, size)
			o.reclaim(&memory)
		}
	}
	if len(o.spare.large) != mostLarge || cap(o.roomy()) != mostSpare || cap(o.memory()) != smallSpare {
		t.Error(len(o.spare.large), "large pieces are kept")
	}
}
