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

// watcher looks at the files by which a load is ended and changed.
type watcher struct {
	pacers   []*pacer
	ending   chan struct{}
	wake     func() // those who would hear of it too late
	graceful int64
	asked    atomic.Bool
	lastAt   atomic.Int64 // no request is waited for beyond it; 0 while the load goes on
}

func watch(l *load, pacers []*pacer, wake func()) *watcher {
	w := &watcher{pacers: pacers, ending: pacers[0].ending, wake: wake, graceful: seconds(l.GracefulStopS)}
	go w.loop(l.Folder)
	return w
}

func (w *watcher) loop(folder string) {
	worker := os.Getppid()
	rates := &rates{path: filepath.Join(folder, "rates")}
	ended := int64(0)
	for ; ; time.Sleep(watchEvery) {
		leaveWith(worker)
		for _, one := range rates.fresh() {
			for _, pace := range w.pacers {
				w.tell(pace, one)
			}
		}
		if w.stopped() && ended == 0 {
			ended = now()
			w.lastAt.Store(ended + w.graceful)
		}
		text, err := os.ReadFile(filepath.Join(folder, "end"))
		if err != nil {
			continue
		}
		var within float64
		if _, err := fmt.Sscan(string(text), &within); err != nil {
			continue
		}
		if !w.asked.Swap(true) {
			if ended == 0 {
				ended = now()
			}
			close(w.ending)
			w.wake()
		}
		w.lastAt.Store(ended + min(w.graceful, seconds(within)))
	}
}

func (w *watcher) tell(pace *pacer, one change) {
	for !pace.stopped.Load() {
		select {
		case pace.changes <- one:
			w.wake()
			return
		case <-time.After(watchEvery):
		}
	}
}

func (w *watcher) stopped() bool {
	for _, pace := range w.pacers {
		if !pace.stopped.Load() {
			return false
		}
	}
	return true
}

// begun is the second since the epoch at which the first request was sent; nil where none was even due.
func (w *watcher) begun() any {
	first := int64(math.MaxInt64)
	for _, pace := range w.pacers {
		if pace.begun != 0 {
			first = min(first, pace.begun)
		}
	}
	if first == math.MaxInt64 {
		return nil
	}
	return float64(epochUS(first)) / 1e6
}

// ended is that at which the last one could have been.
func (w *watcher) ended() any {
	last := int64(0)
	for _, pace := range w.pacers {
		last = max(last, pace.ended)
	}
	return float64(epochUS(last)) / 1e6
}

func (w *watcher) over() bool {
	at := w.lastAt.Load()
	return at != 0 && now() >= at && w.stopped()
}

func (w *watcher) why() string {
	if w.asked.Load() {
		return "asked"
	}
	return "duration"
}

// rates is a file to which lines `<second since the epoch> <requests per second>` are appended.
type rates struct {
	path string
	read int64
}

func (r *rates) fresh() []change {
	file, err := os.Open(r.path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if _, err := file.Seek(r.read, io.SeekStart); err != nil {
		return nil
	}
	var found []change
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return found // a line that is not whole yet is read again
		}
		r.read += int64(len(line))
		var at, rps float64
		if _, err := fmt.Sscan(line, &at, &rps); err == nil && rps >= 0 {
			found = append(found, change{moment(at), rps})
		}
	}
}
