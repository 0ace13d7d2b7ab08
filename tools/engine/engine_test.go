package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// src/toril computes the same schedule in Python.
func TestArrivalsAreThoseOfThePlan(t *testing.T) {
	cases := os.Getenv("TORIL_ARRIVALS")
	if cases == "" {
		t.Skip("tests/engines/test_toril_law.py writes the arrivals")
	}
	text, err := os.ReadFile(cases)
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Points     curve        `json:"points"`
		Interleave interleave   `json:"stripe"`
		Changes    [][2]float64 `json:"changes"`
		Places     []int64      `json:"places"`
		Due        []float64    `json:"due"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for number, one := range all {
		cursor := cursor{curve: one.Points}
		for _, change := range one.Changes {
			cursor.curve = cursor.curve.changed(change[0], change[1])
		}
		for local, global := range one.Places {
			if got := one.Interleave.global(int64(local)); got != global {
				t.Fatalf("case %d: arrival %d has the number %d, not %d", number, local, got, global)
			}
			due, more := cursor.due(float64(global))
			if more != (local < len(one.Due)) {
				t.Fatalf("case %d: arrival %d is due: %v", number, local, more)
			}
			if more && math.Abs(due-one.Due[local]) > 1e-9 {
				t.Fatalf("case %d: arrival %d is due at %v, not %v", number, local, due, one.Due[local])
			}
		}
	}
}

func TestSendTimesDependOnTheScheduleAlone(t *testing.T) {
	p := &pacer{course: &course{}, startAt: 1_000_000_000, tickShift: 100_000, firstSent: 1}
	p.lastDue = p.startAt
	if got := p.sendTime(p.startAt + tick); got != p.startAt+tick {
		t.Errorf("a request that is a tick after the last one is sent when it is due, not %d ns later", got-p.startAt-tick)
	}
	for _, due := range []int64{1, 99_999, 100_000, 100_001, 499_999} {
		got := p.sendTime(p.startAt + due)
		if got < p.startAt+due || got >= p.startAt+due+tick || (got-p.startAt-p.tickShift)%tick != 0 {
			t.Errorf("what is due %d ns after the start is sent at %d", due, got-p.startAt)
		}
	}
}

func TestWorkersDoNotTickTogether(t *testing.T) {
	seen := map[int64]bool{}
	for before := range int64(4) {
		one := interleave{Weight: 1, Peers: []peerGroup{{1, 4, before}}}
		for loop := range int64(3) {
			seen[one.shift(tick, loop, 3)] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("four workers with three loops each tick at %d moments", len(seen))
	}
}

func TestLatenessIsTheMaximumAndThe90thPercentile(t *testing.T) {
	late := &lateness{}
	for us := range int64(1000) {
		late.add(us)
	}
	late.drop()
	most, p90, dropped, some := late.take()
	if most != 999 || dropped != 1 || !some || p90 < 899 || p90 > 899*33/32 {
		t.Errorf("%d, %d, %d", most, p90, dropped)
	}
	if _, _, _, some := late.take(); some {
		t.Error("it was counted twice")
	}
	for _, us := range []int64{0, 31, 32, 63, 64, 1000, 1 << 38} {
		if top := highest(bucket(us)); top < us || top > us+us/32 {
			t.Errorf("%d µs are in a bucket up to %d", us, top)
		}
	}
}

// The cases are those of src/toril/engines/turns.py.
func TestLoadTimeStandsStillBetweenTurns(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "tests", "engines", "turns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Turns string        `json:"turns"`
		Spans [][2]float64  `json:"spans"`
		At    [][2]*float64 `json:"at"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, one := range cases {
		l := &load{Points: curve{{0, 2}, {20, 2}}, Interleave: interleave{Weight: 1, Peers: []peerGroup{{1, 1, 0}}}}
		for _, span := range one.Spans {
			l.Turns = append(l.Turns, [3]float64{1, span[0], span[1]}, [3]float64{2, span[1], span[1]})
		}
		if len(l.Turns) == 0 {
			continue // the whole curve
		}
		pace := (&engine{collector: collector{lateness: &lateness{}}}).addPacer(l, 0, 1)
		var found []float64 // each half second of load time
		for a, more := pace.next(); more && pace.turn < len(l.Turns)-1; a, more = pace.next() {
			found = append(found, float64(a.due)/1e9)
			pace.advance(a)
		}
		for _, pair := range one.At {
			place := int(2 * *pair[0])
			switch {
			case place < 0:
			case pair[1] == nil && place < len(found):
				t.Errorf("%s: %v s of load time are at %v s, not behind the last turn", one.Turns, *pair[0], found[place])
			case pair[1] != nil && (place >= len(found) || found[place] != *pair[1]):
				t.Errorf("%s: %v s of load time are not at %v s, but in %v", one.Turns, *pair[0], *pair[1], found)
			}
		}
	}
}

func TestBothArmsSendTheSameArrivalsInTheirTurns(t *testing.T) {
	l := &load{
		Points:     curve{{0, 0}, {2, 100}, {6, 100}},
		Interleave: interleave{Weight: 2, Peers: []peerGroup{{2, 3, 1}, {1, 2, 1}}},
		Turns:      [][3]float64{{1, 0, 2}, {2, 2.2, 4.2}, {2, 4.4, 6.4}, {1, 6.6, 8.6}, {1, 8.8, 10.8}, {2, 11, 13}},
	}
	found := map[float64][]int64{} // by arm
	for loop := range int64(2) {
		pace := (&engine{collector: collector{lateness: &lateness{}}}).addPacer(l, loop, 2)
		for a, more := pace.next(); more; a, more = pace.next() {
			turn := l.Turns[pace.turn]
			if a.due < seconds(turn[1]) || a.due >= seconds(turn[2]) || a.sendAt > seconds(turn[2]) {
				t.Fatalf("the turn %v has an arrival at %d", turn, a.due)
			}
			found[turn[0]] = append(found[turn[0]], a.global)
			pace.advance(a)
		}
	}
	slices.Sort(found[1])
	slices.Sort(found[2])
	if !slices.Equal(found[1], found[2]) || len(found[1]) != 125 {
		t.Errorf("base has %d arrivals, head %d", len(found[1]), len(found[2]))
	}
}

func TestTheArrivalsOfATurnThatIsOverAreDropped(t *testing.T) {
	defer func(grace int64) { endGrace = grace }(endGrace)
	endGrace = seconds(0.05)
	l := &load{
		Points: curve{{0, 10}, {2, 10}}, Interleave: interleave{Weight: 1, Peers: []peerGroup{{1, 1, 0}}},
		Turns: [][3]float64{{1, 0, 1}, {2, 1.1, 2.1}, {1, 2.2, 3.2}, {2, 3.3, 4.3}},
	}
	late := &lateness{}
	pace := (&engine{collector: collector{lateness: late}}).addPacer(l, 0, 1)
	for range 10 {
		if a, more := pace.next(); pace.missed(a, more, seconds(1.04)) || !pace.missed(a, more, seconds(1.06)) {
			t.Fatal("an arrival is late for 50 ms, and then dropped")
		}
	}
	if a, more := pace.next(); pace.missed(a, more, seconds(1.2)) || pace.turn != 1 {
		t.Fatal("the next arrival is one of head")
	}
	if _, _, dropped, _ := late.take(); dropped != 10 {
		t.Error(dropped, "were dropped")
	}
}

func TestNoSlotIsAcquiredTwice(t *testing.T) {
	all := newSlots(2*slotsAtOnce - 1)
	seen := map[*slot]bool{}
	for range all.limit {
		s := all.acquire()
		if s == nil || seen[s] || all.at(s.index) != s {
			t.Fatal("a slot was not free, or acquired twice")
		}
		seen[s] = true
	}
	if all.acquire() != nil || all.inFlight() != all.limit {
		t.Fatal("there are more slots")
	}
	one := all.at(slotsAtOnce)
	all.release(one)
	if all.acquire() != one {
		t.Fatal("a released slot is free")
	}
}

func TestAddressesOfANameAreUsedInTurn(t *testing.T) {
	asked, used := 0, map[string]int{}
	dials := newDialer(5)
	dials.lookup = func(context.Context, string) ([]string, error) {
		asked++
		return []string{"127.0.0.2", "127.0.0.1", "127.0.0.3"}, nil
	}
	dials.connect = func(_ context.Context, _, address string) (net.Conn, error) {
		used[address]++
		return nil, nil
	}
	for range 30 {
		if _, err := dials.dial(t.Context(), "tcp", "shop.example:80"); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range []string{"127.0.0.1:80", "127.0.0.2:80", "127.0.0.3:80"} {
		if used[address] != 10 {
			t.Errorf("%s got %d of 30 connections", address, used[address])
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times within the time to live", asked)
	}
}

func TestOtherAddressesAreTriedBeforeTheFirstErrorIsReturned(t *testing.T) {
	dials := newDialer(5)
	dials.lookup = func(context.Context, string) ([]string, error) { return []string{"::1", "127.0.0.1"}, nil }
	refused := syscall.ECONNREFUSED
	dials.connect = func(_ context.Context, _, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "127") {
			return nil, refused
		}
		return nil, nil
	}
	for range 4 {
		if _, err := dials.dial(t.Context(), "tcp", "shop.example:80"); err != nil {
			t.Fatal("one of two addresses accepts connections:", err)
		}
	}
	dials.connect = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	if _, err := dials.dial(t.Context(), "tcp", "shop.example:80"); !errors.Is(err, refused) {
		t.Error(err)
	}
}

func TestNewAddressesAreUsedAndReported(t *testing.T) {
	addresses, changes := []string{"127.0.0.1"}, 0
	dials := newDialer(5)
	dials.lookup = func(context.Context, string) ([]string, error) { return append([]string{}, addresses...), nil }
	dials.changed = func(*hostname) { changes++ }
	var last string
	dials.connect = func(_ context.Context, _, address string) (net.Conn, error) { last = address; return nil, nil }
	dial := func() {
		if _, err := dials.dial(t.Context(), "tcp", "shop.example:80"); err != nil {
			t.Fatal(err)
		}
	}
	dial()
	dials.refresh(t.Context())
	if changes != 0 {
		t.Error("nothing has changed")
	}
	addresses = []string{"127.0.0.9"}
	dials.refresh(t.Context())
	dial()
	if changes != 1 || last != "127.0.0.9:80" {
		t.Errorf("%d changes, and then %s", changes, last)
	}
	dials.lookup = func(context.Context, string) ([]string, error) { return nil, &net.DNSError{Err: "down"} }
	dials.refresh(t.Context())
	dial()
	if last != "127.0.0.9:80" {
		t.Error("a name that cannot be found keeps its addresses")
	}
}

func TestFailuresHaveTheNamesOfLocust(t *testing.T) {
	for name, err := range map[string]error{
		"gaierror":               &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}},
		"ConnectionRefusedError": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"ConnectionResetError":   &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"TimeoutError":           fmt.Errorf("while reading: %w", context.DeadlineExceeded),
		"RemoteDisconnected":     io.ErrUnexpectedEOF,
		"TooManyRedirects":       fmt.Errorf("%w after 10 redirects", errManyRedirects),
	} {
		if got := outcomeOf(0, err); got.rc != name || got.ok || got.message == "" {
			t.Errorf("%v became %v, not %s", err, got, name)
		}
	}
	if got := clean(`Get "http://10.0.0.1:80/a?b#7": read tcp 10.0.0.2:4711->10.0.0.1:80: odd`); got != "read tcp : odd" {
		t.Errorf("%q differs between equal failures", got)
	}
	for code, want := range map[int]outcome{200: {"200", "", true}, 302: {"302", "", true}, 404: {"404", "404 Not Found", false}} {
		if got := outcomeOf(code, nil); got != want {
			t.Error(got)
		}
	}
}

func TestLoopsSendEachArrivalOnce(t *testing.T) {
	whole := &load{Points: curve{{0, 0}, {2, 300}, {3, 50}}, Interleave: interleave{Weight: 2, Peers: []peerGroup{{2, 3, 1}, {1, 2, 1}}}}
	arrivals := func(loops int64) map[int64]int64 {
		found := map[int64]int64{}
		for loop := range loops {
			pace := (&engine{collector: collector{lateness: &lateness{}}}).addPacer(whole, loop, loops)
			for a, more := pace.next(); more; a, more = pace.next() {
				if _, twice := found[a.global]; twice {
					t.Fatalf("arrival %d is sent twice", a.global)
				}
				found[a.global] = a.due
				pace.advance(a)
			}
		}
		return found
	}
	alone := arrivals(1)
	if len(alone) != 119 {
		t.Errorf("%d arrivals", len(alone))
	}
	if !maps.Equal(alone, arrivals(3)) {
		t.Error("three loops send other arrivals than one")
	}
}

func TestNothingIsRecordedAsBeforeTheStartItIsDueAt(t *testing.T) {
	for startS := 1796177832.3486133; startS < 1796177833; startS += 0.0137 {
		if recorded := float64(epochUS(moment(startS))) / 1e6; recorded < startS || recorded > startS+2e-6 {
			t.Errorf("%.7f is recorded as %.6f", startS, recorded)
		}
	}
}
