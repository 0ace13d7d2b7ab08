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
	"strings"
	"syscall"
	"testing"
)

// The law is Python's: what src/toril says of a schedule is what this program sends.
func TestArrivalsAreWhereThePlanHasThem(t *testing.T) {
	cases := os.Getenv("TORIL_ARRIVALS")
	if cases == "" {
		t.Skip("tests/worker/test_vegeta_law.py gives the arrivals")
	}
	text, err := os.ReadFile(cases)
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Points  [][2]float64 `json:"points"`
		Stripe  stripe       `json:"stripe"`
		Changes [][2]float64 `json:"changes"`
		Places  []int64      `json:"places"`
		Due     []float64    `json:"due"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for number, one := range all {
		shape := &curve{one.Points}
		for _, change := range one.Changes {
			shape = shape.changed(change[0], change[1])
		}
		walk := walk{curve: shape}
		for own, place := range one.Places {
			if got := one.Stripe.place(int64(own)); got != place {
				t.Fatalf("case %d: arrival %d is at %d, not %d", number, own, got, place)
			}
			due, more := walk.due(float64(place))
			if more != (own < len(one.Due)) {
				t.Fatalf("case %d: the curve ends at arrival %d, or does not", number, own)
			}
			if more && math.Abs(due-one.Due[own]) > 1e-9 {
				t.Fatalf("case %d: arrival %d is due at %v, not %v", number, own, due, one.Due[own])
			}
		}
	}
}

func TestTicksDependOnTheScheduleAlone(t *testing.T) {
	p := &pacer{gate: 1_000_000_000, shift: 100_000, begun: 1}
	p.last = p.gate
	if got := p.ticked(p.gate + tick); got != p.gate+tick {
		t.Errorf("a request that is a tick after the last one is sent when it is due, not %d ns later", got-p.gate-tick)
	}
	for _, due := range []int64{1, 99_999, 100_000, 100_001, 499_999} {
		got := p.ticked(p.gate + due)
		if got < p.gate+due || got >= p.gate+due+tick || (got-p.gate-p.shift)%tick != 0 {
			t.Errorf("what is due %d ns after the gate is sent at %d", due, got-p.gate)
		}
	}
}

func TestWorkersDoNotTickTogether(t *testing.T) {
	seen := map[int64]bool{}
	for before := range int64(4) {
		one := stripe{Weight: 1, Mates: [][3]int64{{1, 4, before}}}
		for loop := range int64(3) {
			seen[one.shift(tick, loop, 3)] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("four workers with three loops each tick at %d moments", len(seen))
	}
}

func TestLatenessIsTheWorstAndTheNinthOfTen(t *testing.T) {
	late := &lateness{}
	for us := range int64(1000) {
		late.add(us)
	}
	late.drop()
	worst, ninth, dropped, any := late.tell()
	if worst != 999 || dropped != 1 || !any || ninth < 899 || ninth > 899*33/32 {
		t.Errorf("told %d, %d, %d", worst, ninth, dropped)
	}
	if _, _, _, any := late.tell(); any {
		t.Error("it was told twice")
	}
	for _, us := range []int64{0, 31, 32, 63, 64, 1000, 1 << 38} {
		if top := highest(bucket(us)); top < us || top > us+us/32 {
			t.Errorf("%d µs are in a bucket up to %d", us, top)
		}
	}
}

func TestTemplatesTakeColumnsAndLeaveTheRest(t *testing.T) {
	known := map[string]column{"user": {0, 1}, "item": {1, 0}}
	rows := [][]string{{"x", "ann"}, {"7"}}
	for text, want := range map[string]string{
		"/plain":             "/plain",
		"/${user}/${item}":   "/ann/7",
		"${user}":            "ann",
		"/${other}/${user}$": "/${other}/ann$",
		"${unclosed":         "${unclosed",
		"":                   "",
	} {
		made := parse(text, known)
		if got := made.with(rows); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
}

func TestNoSlotIsTakenTwice(t *testing.T) {
	all := newSlots(3)
	seen := map[uint32]bool{}
	for range 3 {
		index, free := all.take()
		if !free || seen[index] {
			t.Fatal("a slot was not free, or taken twice")
		}
		seen[index] = true
	}
	if _, free := all.take(); free || all.inFlight() != 3 {
		t.Fatal("there are three slots")
	}
	all.give(1)
	if index, free := all.take(); !free || index != 1 {
		t.Fatal("a slot that was given back is free")
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

func TestAnotherAddressIsTriedAndTheFirstErrorTold(t *testing.T) {
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
			t.Fatal("one of two addresses answers, and nobody does:", err)
		}
	}
	dials.connect = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	if _, err := dials.dial(t.Context(), "tcp", "shop.example:80"); !errors.Is(err, refused) {
		t.Error("told", err)
	}
}

func TestNewAddressesAreUsedAndIdleConnectionsToOldOnesGivenUp(t *testing.T) {
	addresses, changes := []string{"127.0.0.1"}, 0
	dials := newDialer(5)
	dials.lookup = func(context.Context, string) ([]string, error) { return append([]string{}, addresses...), nil }
	dials.changed = func() { changes++ }
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
		t.Error("a name that nobody knows for a while keeps what it had")
	}
}

func TestFailuresHaveAFewNames(t *testing.T) {
	for name, err := range map[string]error{
		"gaierror":               &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}},
		"ConnectionRefusedError": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"ConnectionResetError":   &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"TimeoutError":           fmt.Errorf("while reading: %w", context.DeadlineExceeded),
		"RemoteDisconnected":     io.ErrUnexpectedEOF,
	} {
		if got := outcomeOf(0, err, err.Error()); got.rc != name || got.ok || got.message == "" {
			t.Errorf("%v became %v, not %s", err, got, name)
		}
	}
	if got := outcomeOf(0, nil, `Get "http://10.0.0.1:80/a?b#7": stopped after 10 redirects`); got.rc != "TooManyRedirects" {
		t.Error(got)
	}
	if got := clean(`Get "http://10.0.0.1:80/a?b#7": read tcp 10.0.0.2:4711->10.0.0.1:80: odd`); got != "read tcp : odd" {
		t.Errorf("%q has what differs each time", got)
	}
	for code, want := range map[uint16]outcome{200: {"200", "", true}, 302: {"302", "", true}, 404: {"404", "404 Not Found", false}} {
		if got := outcomeOf(code, nil, ""); got != want {
			t.Error(got)
		}
	}
}

func TestLoopsSendEachArrivalOnce(t *testing.T) {
	whole := &load{Points: [][2]float64{{0, 0}, {2, 300}, {3, 50}}, Stripe: stripe{Weight: 2, Mates: [][3]int64{{2, 3, 1}, {1, 2, 1}}}}
	arrivals := func(loops int64) map[int64]int64 {
		found := map[int64]int64{}
		for loop := range loops {
			pace := (&prepared{collector: collector{late: &lateness{}}}).pacer(whole, newSlots(1), loop, loops)
			for one, more := pace.next(); more; one, more = pace.next() {
				if _, twice := found[one.place]; twice {
					t.Fatalf("arrival %d is sent twice", one.place)
				}
				found[one.place] = one.exact
				pace.pass(one)
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

func TestALoopIsEnoughUnlessTheRateIsHigh(t *testing.T) {
	half := stripe{Weight: 1, Mates: [][3]int64{{1, 2, 0}}}
	for peak, want := range map[float64]int{100: 1, 2 * aLoopSends: 1, 2*aLoopSends + 1: 4} {
		if got := loopsFor(&load{PeakRPS: peak, Stripe: half}, 4); got != want {
			t.Errorf("%d loops for half of %g/s", got, peak)
		}
	}
}
