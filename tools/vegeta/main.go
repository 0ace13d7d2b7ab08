// Toril's open-model engine: vegeta's attack by a curve, from a gate to an end, with a row for each request.
//
//	toril-vegeta LOAD.json
//
// It prepares everything, makes the file `parked` in the load's folder and waits for `gate`: the second since the epoch
// at which the load begins. `end` (seconds that requests in flight may take) ends it early, `rates` changes its rate.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	usualWorkers = 20_000 // requests in flight, where the suite says nothing
	otherFiles   = 64
	firstWorkers = 64
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
	most, err := mostInFlight(l.MaxWorkers)
	if err != nil {
		return err
	}
	l.MaxWorkers = most
	written, err := newRecords(l.Folder)
	if err != nil {
		return err
	}
	dials := newDialer(time.Duration(l.DNSTTLS * 1e9))
	all := newSlots(most)
	late := &lateness{}
	clock, err := newAlarm()
	if err != nil {
		return err
	}
	pace := &pacer{
		alarm: clock,
		curve: &curve{l.Points}, stripe: &l.Stripe, sources: l.Sources, slots: all, late: late,
		requests: requests(l.Targets, l.Sources, written.label),
		changes:  make(chan change, 1), ending: make(chan struct{}),
	}
	pace.walk = walk{curve: pace.curve}
	pace.shift = l.Stripe.shift(tick)
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     newTripper(l, dials, all),
			CheckRedirect: redirects(l.Redirects, all),
		}),
		vegeta.Timeout(clientTimeout(l)),
		vegeta.MaxBody(0), // read, and not kept
		vegeta.Workers(uint64(min(firstWorkers, most))),
		vegeta.MaxWorkers(uint64(most)),
	)
	if pace.gate, err = atTheGate(l.Folder); err != nil {
		return err
	}
	go dials.keepFresh(context.Background())
	watched := watch(l, pace)
	collect(attacker.Attack(targeter(all, late), pace, 0, ""), l, pace, written, watched)
	return nil
}

// clientTimeout is Go's, which takes a timer and a context of each request; over HTTP/1 connections have deadlines.
func clientTimeout(l *load) time.Duration {
	if l.HTTP2 {
		return time.Duration(l.TimeoutS * 1e9)
	}
	return 0
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

// targeter is vegeta's: it fills in the request that has waited longest.
func targeter(all *slots, late *lateness) vegeta.Targeter {
	return func(target *vegeta.Target) error {
		index := all.next()
		s := &all.all[index]
		late.add((now() - s.due) / 1000)
		r := s.request
		target.Method = r.method
		target.URL = marked(r.urlWith(s.rows), index)
		target.Header = r.headerWith(s.rows)
		target.Body = r.bodyWith(s.rows)
		return nil
	}
}

func redirects(most int, all *slots) func(*http.Request, []*http.Request) error {
	return func(_ *http.Request, via []*http.Request) error {
		if !all.all[slotIn(via[0].URL.Fragment)].request.follow {
			return http.ErrUseLastResponse
		}
		if most < len(via) {
			return fmt.Errorf("stopped after %d redirects", most)
		}
		return nil
	}
}
