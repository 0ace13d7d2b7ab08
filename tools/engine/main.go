// Toril's load engine: sends requests at the moments of a schedule, or as users who go through journeys, and writes a row
// for each of them.
//
//	toril-engine LOAD.json
//	toril-engine check < LOAD.json   (compiles the journeys alone)
//
// All communication with the worker is by files in the load's folder. The engine prepares everything, creates `parked`
// and waits for `gate`, which holds the second since the epoch at which the load begins. `end` stops the load early; it
// holds the seconds that requests in flight may still take. Lines of `rates` change the rate. `rows` and `names` are
// the results.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"toril/tools/engine/internal/text"
)

const (
	defaultMaxInFlight = 20_000
	reservedFiles      = 64 // open files that are not connections
	refused            = 3  // exit code: the engine does not support what the journeys have
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: toril-engine LOAD.json\n       toril-engine check < LOAD.json")
		os.Exit(2)
	}
	var err error
	if os.Args[1] == "check" {
		if err := checkJourneys(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(refused)
		}
	} else if l, wrong := readLoad(os.Args[1]); wrong != nil {
		err = wrong
	} else {
		err = run(l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// checkJourneys compiles the journeys of a load, of which nothing else has to be there.
func checkJourneys(from io.Reader) error {
	l := &load{Model: usersModel}
	if err := json.NewDecoder(from).Decode(l); err != nil {
		return err
	}
	_, err := compileAll(l, &text.Shared{}, func(string, string) uint32 { return 0 })
	return err
}

func run(l *load) error {
	e, err := newEngine(l)
	if err != nil {
		return err
	}
	return sendByLoops(l, e, loopCount(l, runtime.GOMAXPROCS(0)))
}

// engine is what a load needs however it is sent.
type engine struct {
	dialer    *dialer
	tls       *tls.Config
	files     int // connections that may be open
	results   *results
	keeper    *keeper     // nil: nothing is kept
	ending    atomic.Bool // no further request may begin
	pacers    []*pacer
	collector collector

	programs []*program // one; in a duet head's, then base's
	feeds    *feeds
	shared   *text.Shared
	starts   uint32 // the label of journeys' starts
}

func newEngine(l *load) (*engine, error) {
	limit, possible, err := maxInFlight(l.MaxWorkers)
	if err != nil {
		return nil, err
	}
	l.MaxWorkers = limit
	if err := checkHosts(l.Hosts); err != nil {
		return nil, err
	}
	settings, err := l.TLS.settings(l.Insecure)
	if err != nil {
		return nil, err
	}
	results, err := newResults(l.Folder)
	if err != nil {
		return nil, err
	}
	shared := &text.Shared{}
	programs, err := compileAll(l, shared, results.label)
	if err != nil {
		return nil, err
	}
	keeper, err := newKeeper(l.Keep, results.labels)
	dialer := newDialer(time.Duration(l.DNSTTLS * 1e9))
	dialer.hosts = make(map[string]string, len(l.Hosts))
	for name, address := range l.Hosts {
		dialer.hosts[strings.ToLower(name)] = address
	}
	e := &engine{
		dialer: dialer, results: results, keeper: keeper,
		tls: settings, files: possible,
		collector: collector{lateness: &lateness{}, results: results, keeper: keeper},
		programs:  programs,
		feeds:     newFeeds(l),
		shared:    shared,
	}
	if l.Model == arrivalsModel {
		e.starts = results.label("journey start", "timing")
	}
	return e, err
}

// addPacer returns the pacer of one of several loops.
func (e *engine) addPacer(l *load, loop, loops int64) *pacer {
	turns := turnsOf(l, e.programs, loop)
	p := &pacer{
		course: turns[0].course, turns: turns, interleave: &l.Interleave,
		lateness: e.collector.lateness, changes: make(chan rateChange, 1), ending: &e.ending,
		step: loops,
	}
	if l.Interleave.Weight > 0 {
		p.tickShift = l.Interleave.shift(tick, loop, loops)
	}
	e.pacers = append(e.pacers, p)
	return p
}

// start waits until the moment at which the load begins is known. `wake` interrupts those that wait for something else
// than the pacer's channels.
func (e *engine) start(l *load, wake func()) error {
	startAt, err := waitForGate(l.Folder)
	if err != nil {
		return err
	}
	for _, p := range e.pacers {
		p.startAt = startAt
	}
	for _, c := range e.collector.crowds {
		c.open(startAt)
	}
	e.collector.switches = switchesOf(e.pacers[0].turns, startAt)
	go e.dialer.keepFresh(context.Background())
	e.collector.watcher = watch(l, e.pacers, wake)
	for _, c := range e.collector.crowds {
		c.watcher = e.collector.watcher
	}
	return nil
}

// maxInFlight returns the limit of requests in flight, and that of connections. Each is an open file.
func maxInFlight(wanted int) (limit, possible int, err error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, 0, err
	}
	possible = int(min(files.Max, 1<<20)) - reservedFiles
	if wanted > possible {
		return 0, 0, fmt.Errorf(
			"toril.engine.max-workers is %d, but this machine allows %d open files. Lower it, or raise the limit.",
			wanted, files.Max)
	}
	if wanted == 0 {
		wanted = max(1, min(defaultMaxInFlight, possible))
	}
	return wanted, possible, nil
}

func waitForGate(folder string) (startAt int64, err error) {
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
		exitWithout(worker)
		time.Sleep(2 * time.Millisecond)
	}
}

// exitWithout ends the engine after its worker has died. On Linux the kernel does that, on macOS nothing else does.
func exitWithout(worker int) {
	if os.Getppid() != worker {
		os.Exit(1)
	}
}

// Moments are nanoseconds of a monotonic clock since the engine's start. Results hold times of day, counted from here:
// a clock that is set during the load changes none of them.
var processStart = time.Now()

func now() int64 { return int64(time.Since(processStart)) }

// moment converts seconds since the epoch.
func moment(epochS float64) int64 { return int64(epochS*1e9) - processStart.UnixNano() }

// epochUS rounds up: what begins with the load is not recorded as before it.
func epochUS(moment int64) int64 { return (processStart.UnixNano() + moment + 999) / 1000 }

func seconds(s float64) int64 { return int64(s * 1e9) }
