package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const firstWorkers = 64

// overHTTP2 is vegeta's attack, with a pacer, a targeter and a transport of ours.
func overHTTP2(l *load, prepared *prepared) error {
	all := newSlots(l.MaxWorkers)
	pace := prepared.pacer(l, all, 0, 1)
	clock, err := newAlarm()
	if err != nil {
		return err
	}
	pace.alarm = clock
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport: newTripper(l, prepared.dials, all),
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				if !all.all[slotIn(via[0].URL.Fragment)].request.follow {
					return http.ErrUseLastResponse
				}
				return redirects(l.Redirects)(req, via)
			},
		}),
		vegeta.Timeout(time.Duration(l.TimeoutS*1e9)),
		vegeta.MaxBody(0), // read, and not kept
		vegeta.Workers(uint64(min(firstWorkers, l.MaxWorkers))),
		vegeta.MaxWorkers(uint64(l.MaxWorkers)),
	)
	if err := prepared.start(l, func() {}); err != nil {
		return err
	}
	done, leaving := make(chan struct{}), make(chan struct{})
	results := attacker.Attack(targeter(all, pace.late), pace, 0, "")
	go func() {
		defer close(done)
		for {
			select {
			case <-leaving:
				return
			case result, more := <-results:
				if !more {
					return
				}
				settle(result, all, prepared.written)
			}
		}
	}()
	prepared.collector.collect(done, func() {
		close(leaving)
		<-done
	})
	return nil
}

// targeter is vegeta's: it fills in the request that has waited longest.
func targeter(all *slots, late *lateness) vegeta.Targeter {
	return func(target *vegeta.Target) error {
		index, waits := all.next()
		if !waits { // it was counted as dropped meanwhile
			return vegeta.ErrNoTargets
		}
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

func settle(result *vegeta.Result, all *slots, written *records) {
	index := slotIn(result.URL)
	s := &all.all[index]
	s.sent = int64(result.Timestamp.Sub(began))
	written.became(s, s.sent+int64(result.Latency), outcomeOf(result.Code, s.err, result.Error))
	s.busy = false
	all.give(index)
}

func redirects(most int) func(*http.Request, []*http.Request) error {
	return func(_ *http.Request, via []*http.Request) error {
		if most < len(via) {
			return fmt.Errorf("stopped after %d redirects", most)
		}
		return nil
	}
}

// marked is an address with the slot of its request in the fragment, which is never sent.
func marked(address string, index uint32) string {
	to := make([]byte, 0, len(address)+11)
	to = append(to, address...)
	to = append(to, '#')
	return string(strconv.AppendUint(to, uint64(index), 10))
}

func slotIn(text string) uint32 {
	if at := strings.LastIndexByte(text, '#'); at >= 0 {
		text = text[at+1:]
	}
	index, _ := strconv.ParseUint(text, 10, 32)
	return uint32(index)
}
