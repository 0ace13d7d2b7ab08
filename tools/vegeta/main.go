// Toril's open-model engine: requests by a curve, from a gate to an end, with a row for each request.
//
//	toril-vegeta LOAD.json
//
// It prepares everything, makes the file `parked` in the load's folder and waits for `gate`: the second since the epoch
// at which the load begins. `end` (seconds that requests in flight may take) ends it early, `rates` changes its rate.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	usualWorkers = 20_000 // requests in flight, where the suite says nothing
	otherFiles   = 64
	collectAt    = 400 // per cent of growth: garbage is collected a quarter as often as is usual
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "toril-vegeta LOAD.json")
		os.Exit(2)
	}
	l, err := readLoad(os.Args[1])
	if err == nil {
		err = run(l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(l *load) error {
	debug.SetGCPercent(collectAt)
	made, err := prepare(l)
	if err != nil {
		return err
	}
	if l.HTTP2 {
		return overHTTP2(l, made)
	}
	return overHTTP1(l, made, loopsFor(l, runtime.GOMAXPROCS(0)))
}

func prepare(l *load) (*prepared, error) {
	most, err := mostInFlight(l.MaxWorkers)
	if err != nil {
		return nil, err
	}
	l.MaxWorkers = most
	written, err := newRecords(l.Folder)
	if err != nil {
		return nil, err
	}
	return &prepared{
		dials: newDialer(time.Duration(l.DNSTTLS * 1e9)), written: written,
		requests:  requests(l.Targets, l.Sources, written.label),
		ending:    make(chan struct{}),
		collector: collector{late: &lateness{}, written: written},
	}, nil
}

// prepared is what both ways of sending need.
type prepared struct {
	dials     *dialer
	written   *records
	requests  []request
	ending    chan struct{}
	pacers    []*pacer
	collector collector
}

// pacer is that of one loop of so many.
func (p *prepared) pacer(l *load, all *slots, loop, loops int64) *pacer {
	made := &pacer{
		curve: &curve{l.Points}, stripe: &l.Stripe, sources: l.Sources, slots: all, late: p.collector.late,
		requests: p.requests, changes: make(chan change, 1), ending: p.ending,
		own: loop, step: loops, shift: l.Stripe.shift(tick, loop, loops),
	}
	made.walk = walk{curve: made.curve}
	p.pacers, p.collector.slots = append(p.pacers, made), append(p.collector.slots, all)
	return made
}

// start parks, and returns when it is known at which moment the load begins.
func (p *prepared) start(l *load, wake func()) error {
	gate, err := atTheGate(l.Folder)
	if err != nil {
		return err
	}
	for _, one := range p.pacers {
		one.gate = gate
	}
	go p.dials.keepFresh(context.Background())
	p.collector.watched = watch(l, p.pacers, wake)
	return nil
}

// mostInFlight is bounded by the files that this program may open; a suite that asks for more is told so.
func mostInFlight(wanted int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	possible := int(min(limit.Max, 1<<20)) - otherFiles
	if wanted > possible {
		return 0, fmt.Errorf(
			"max-workers is %d, and this machine lets a program open %d files; lower it, or raise the limit", wanted, limit.Max)
	}
	if wanted == 0 {
		wanted = max(1, min(usualWorkers, possible))
	}
	return wanted, nil
}

// atTheGate is the moment at which the load begins, once it is known.
func atTheGate(folder string) (int64, error) {
	if err := os.WriteFile(filepath.Join(folder, "parked"), nil, 0o600); err != nil {
		return 0, err
	}
	worker := os.Getppid()
	for {
		if text, err := os.ReadFile(filepath.Join(folder, "gate")); err == nil {
			var at float64
			_, err := fmt.Sscan(string(text), &at)
			return moment(at), err
		}
		leaveWith(worker)
		time.Sleep(2 * time.Millisecond)
	}
}

// leaveWith ends the program with its worker, where the kernel does not (macOS).
func leaveWith(worker int) {
	if os.Getppid() != worker {
		os.Exit(1)
	}
}
