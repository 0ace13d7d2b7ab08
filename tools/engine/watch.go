package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

const watchEvery = 20 * time.Millisecond

// watcher reads the files `end` and `rates`, passes them on to the pacers and knows when the load is over.
type watcher struct {
	pacers       []*pacer
	ending       *atomic.Bool
	wake         func()
	graceful     int64 // ns that requests in flight may take after the last send
	stopAsked    atomic.Bool
	ended        atomic.Bool  // by an action of a session
	answersUntil atomic.Int64 // responses after this moment do not count; 0: the load goes on
}

func watch(l *load, pacers []*pacer, wake func()) *watcher {
	w := &watcher{pacers: pacers, ending: pacers[0].ending, wake: wake, graceful: seconds(l.GracefulStopS)}
	go w.run(l.Folder)
	return w
}

func (w *watcher) run(folder string) {
	worker := os.Getppid()
	rates := &rateFile{path: filepath.Join(folder, "rates")}
	ended := int64(0)
	for ; ; time.Sleep(watchEvery) {
		exitWithout(worker)
		for _, change := range rates.read() {
			for _, p := range w.pacers {
				w.pass(change, p)
			}
		}
		if w.stopped() && ended == 0 {
			ended = now()
			w.answersUntil.Store(ended + w.graceful)
		}
		if w.ended.Load() && !w.stopAsked.Swap(true) {
			w.ending.Store(true)
			w.wake()
		}
		text, err := os.ReadFile(filepath.Join(folder, "end"))
		if err != nil {
			continue
		}
		var within float64
		if _, err := fmt.Sscan(string(text), &within); err != nil {
			continue
		}
		if !w.stopAsked.Swap(true) {
			if ended == 0 {
				ended = now()
			}
			w.ending.Store(true)
			w.wake()
		}
		w.answersUntil.Store(ended + min(w.graceful, seconds(within)))
	}
}

// pass hands a change to a pacer, which may still have to apply the one before.
func (w *watcher) pass(change rateChange, p *pacer) {
	for !p.stopped.Load() {
		select {
		case p.changes <- change:
			w.wake()
			return
		case <-time.After(watchEvery):
		}
	}
}

func (w *watcher) stopped() bool {
	for _, p := range w.pacers {
		if !p.stopped.Load() {
			return false
		}
	}
	return true
}

// firstSent returns the second since the epoch of the first send; nil if none was due.
func (w *watcher) firstSent() any {
	first := int64(math.MaxInt64)
	for _, p := range w.pacers {
		if p.firstSent != 0 {
			first = min(first, p.firstSent)
		}
	}
	if first == math.MaxInt64 {
		return nil
	}
	return float64(epochUS(first)) / 1e6
}

// lastSend returns the second since the epoch up to which requests could be sent.
func (w *watcher) lastSend() any {
	last := int64(0)
	for _, p := range w.pacers {
		last = max(last, p.stoppedAt)
	}
	return float64(epochUS(last)) / 1e6
}

// timeIsUp is true when requests in flight have had the time they may take.
func (w *watcher) timeIsUp() bool {
	until := w.answersUntil.Load()
	return until != 0 && now() >= until && w.stopped()
}

func (w *watcher) reason() string {
	if w.ended.Load() {
		return "script"
	}
	if w.stopAsked.Load() {
		return "asked"
	}
	return "duration"
}

// rateFile is a file to which lines `<second since the epoch> <requests per second>` are appended.
type rateFile struct {
	path   string
	offset int64
}

// read returns the changes of complete lines since the last call.
func (r *rateFile) read() []rateChange {
	file, err := os.Open(r.path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if _, err := file.Seek(r.offset, io.SeekStart); err != nil {
		return nil
	}
	var changes []rateChange
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return changes // an incomplete line is read again next time
		}
		r.offset += int64(len(line))
		var at, rps float64
		if _, err := fmt.Sscan(line, &at, &rps); err == nil && rps >= 0 {
			changes = append(changes, rateChange{moment(at), rps})
		}
	}
}
