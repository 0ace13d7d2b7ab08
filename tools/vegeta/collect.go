package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const flushEvery = 100 * time.Millisecond

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

// collect writes down what became of each request, until all have answered or their time is over.
func collect(results <-chan *vegeta.Result, l *load, pace *pacer, written *records, watched *watcher) {
	flush := time.NewTicker(flushEvery)
	told := now()
	for {
		select {
		case result, more := <-results:
			if !more {
				finish(pace, written, watched.why())
				return
			}
			record(result, pace.slots, written)
		case <-flush.C:
			inFlight := pace.slots.inFlight()
			written.row(epochUS(now()), 0, 0, 0, 0, int64(inFlight), users, 0)
			if now()-told >= int64(time.Second) {
				told += int64(time.Second)
				tellLateness(told-int64(time.Second), pace.late, written)
			}
			written.flush()
			if watched.over() {
				giveUp(pace.slots, written)
				finish(pace, written, watched.why())
				os.Exit(0)
			}
		}
	}
}

func record(result *vegeta.Result, all *slots, written *records) {
	index := slotIn(result.URL)
	s := &all.all[index]
	sent := int64(result.Timestamp.Sub(began))
	done := sent + int64(result.Latency)
	headers, connect := int64(-1), int64(-1)
	if s.headers > 0 {
		headers = (s.headers - sent) / 1000
	}
	if s.connect >= 0 {
		connect = s.connect / 1000
	}
	var became outcome
	if result.Code != 0 {
		became = statuses[result.Code%1000]
	} else {
		became = outcomeOf(0, s.err, result.Error)
	}
	written.row(
		epochUS(s.due), (sent-s.due)/1000, (done-s.due)/1000, headers, connect, s.body.bytes,
		s.request.label, written.outcome(became),
	)
	s.busy = false
	all.give(index)
}

func tellLateness(from int64, late *lateness, written *records) {
	worst, ninth, dropped, any := late.tell()
	if any {
		written.row(epochUS(from), 0, worst, ninth, 0, dropped, lateRow, 0)
	}
}

// giveUp counts the requests that have not been answered in time.
func giveUp(all *slots, written *records) {
	unfinished := map[uint32]int{}
	for i := range all.all {
		if s := &all.all[i]; s.busy {
			unfinished[s.request.label]++
		}
	}
	for label, code := range written.labels {
		if count := unfinished[code]; count > 0 {
			written.say("unfinished", label, count)
		}
	}
}

func finish(pace *pacer, written *records, why string) {
	tellLateness(now(), pace.late, written)
	written.row(epochUS(now()), 0, 0, 0, 0, 0, users, 0)
	written.flush()
	written.say("end", why)
}
