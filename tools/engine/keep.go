package main

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostKinds       = 300 // of failures: label and outcome
	mostKept        = 20 << 20
	mostKeptASecond = 2 << 20
	undecided       = 4 << 10 // bytes beyond the shown ones, of a response that may become the slowest when it ends
)

// keeping is which requests to keep with their responses, as in src/toril/engines/keeping.py.
type keeping struct {
	Path       string   `json:"path"`
	Failures   uint32   `json:"failures"`  // the first ones of each label and outcome
	Body       int64    `json:"body"`      // bytes of a body that are shown
	MostBody   int64    `json:"most_body"` // bytes that are written, so that the worker masks more than is shown
	Slowest    []string `json:"slowest"`   // labels; "": all requests
	Everything bool     `json:"everything"`
}

// keeper decides which requests are kept, and writes them. Loops ask it twice for each response: once its head is
// there, whether to copy it, and at its end. Both are comparisons with counters of the label. The collector's goroutine
// does all that takes longer.
type keeper struct {
	keeping
	labels   []string
	failures []atomic.Uint32 // kept ones by label and status
	slowest  []atomic.Int64  // ns by label, and of all requests at the end; math.MaxInt64: not wanted
	leftOut  atomic.Int64    // requests beyond a limit

	mutex sync.Mutex
	kinds map[kind]uint32 // kept failures
	queue []*kept
	held  []*kept // the slowest ones since the last flush, by label

	file                                       *os.File
	written, writtenInSecond, second, reported int64
}

type kind struct {
	label uint32
	outcome
}

// newKeeper returns nil if nothing is to be kept.
func newKeeper(asked *keeping, labels map[labelKind]uint32) (*keeper, error) {
	if asked == nil {
		return nil, nil
	}
	file, err := os.OpenFile(asked.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	k := &keeper{keeping: *asked, file: file, kinds: map[kind]uint32{}, labels: make([]string, len(labels))}
	for label, number := range labels {
		k.labels[number] = label.text
	}
	k.failures = make([]atomic.Uint32, len(k.labels)*len(statuses))
	k.slowest = make([]atomic.Int64, len(k.labels)+1)
	k.held = make([]*kept, len(k.slowest))
	for i, text := range append(slices.Clone(k.labels), "") {
		if !slices.Contains(k.Slowest, text) {
			k.slowest[i].Store(math.MaxInt64)
		}
	}
	return k, err
}

// room returns how many bytes of a response's body to copy, now that its head is there.
func (k *keeper) room(s *slot, status int, whole bool, at int64) int64 {
	label := s.label
	switch {
	case k.Everything, k.isSlowest(label, at-s.due), status >= 400 && k.counter(label, status).Load() < k.Failures,
		status/100 == 3 && s.follow: // it may be one redirect too many
		return k.MostBody
	case !whole:
		return k.Body + undecided
	}
	return 0
}

// offer keeps a request that is over, if it is one to keep.
func (k *keeper) offer(s *slot, at int64, status int, o outcome) {
	label, took := s.label, at-s.due
	why := ""
	switch {
	case k.Everything:
		why = "tried"
	case !o.ok && k.isNew(label, status, o):
		why = "failure"
	case !k.isSlowest(label, took):
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if why != "" {
		one := &kept{why: why}
		one.set(s, at, o, k.MostBody)
		k.queue = append(k.queue, one)
	}
	for _, i := range [...]int{int(label), len(k.labels)} {
		if took <= k.slowest[i].Load() {
			continue
		}
		k.slowest[i].Store(took)
		if why != "" { // the worker reads it from that line
			k.held[i] = nil
			continue
		}
		if k.held[i] == nil {
			k.held[i] = &kept{why: "slowest"}
		}
		k.held[i].set(s, at, o, k.MostBody)
	}
}

func (k *keeper) isSlowest(label uint32, took int64) bool {
	return took > k.slowest[label].Load() || took > k.slowest[len(k.labels)].Load()
}

func (k *keeper) counter(label uint32, status int) *atomic.Uint32 {
	return &k.failures[int(label)*len(statuses)+status%len(statuses)]
}

// isNew counts a failure that is kept. Of a failing service, nearly all failures cost one comparison with a counter.
func (k *keeper) isNew(label uint32, status int, o outcome) bool {
	counter := k.counter(label, status)
	if status > 0 && counter.Load() >= k.Failures {
		return false
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	one := kind{label, o}
	count := k.kinds[one]
	if count >= k.Failures {
		return false
	}
	if count == 0 && len(k.kinds) >= mostKinds {
		k.leftOut.Add(1)
		return false
	}
	k.kinds[one] = count + 1
	counter.Add(1)
	return true
}

// flush writes the requests kept since the last call.
func (k *keeper) flush() {
	k.mutex.Lock()
	queue := k.queue
	for i, one := range k.held {
		if one != nil {
			queue = append(queue, one)
		}
		k.held[i] = nil
	}
	k.queue = nil
	k.mutex.Unlock()
	for _, one := range queue {
		k.write(one.line(k.labels[one.label], k.MostBody))
	}
	if leftOut := k.leftOut.Load(); leftOut != k.reported {
		k.reported = leftOut
		k.write(map[string]int64{"left_out": leftOut})
	}
}

// write drops a line beyond the limits, and one that does not fit on the disk: the load matters more.
func (k *keeper) write(line any) {
	text, err := json.Marshal(line)
	size := int64(len(text)) + 1
	if second := now() / int64(time.Second); second != k.second {
		k.second, k.writtenInSecond = second, 0
	}
	if err == nil && k.written+size <= mostKept && (k.writtenInSecond+size <= mostKeptASecond || k.Everything) {
		k.written, k.writtenInSecond = k.written+size, k.writtenInSecond+size
		_, err = k.file.Write(append(text, '\n'))
	} else {
		err = os.ErrInvalid
	}
	if err != nil {
		k.leftOut.Add(1)
	}
}
