package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

const (
	rowBytes      = 56         // due, late, response, headers, connect, bytes: int64; label, outcome: uint32
	activeRow     = 0xFFFFFFFF // as a label: `bytes` is the number of active users, or of requests in flight
	latenessRow   = 0xFFFFFFFE // as a label: see collector.writeLateness
	maxOutcomes   = 1000       // failures beyond have the message "other"
	exitUnwritten = 74         // EX_IOERR: a result could not be written
	flushBytes    = 1 << 16
)

// results are two files: `rows` of fixed size, and `names`, lines of JSON for all else. Labels and outcomes are numbers
// in rows; a name is written before the first row that refers to it.
type results struct {
	mutex    sync.Mutex
	rows     *os.File
	names    *os.File
	pending  []byte
	labels   map[labelKind]uint32
	outcomes map[outcome]uint32

	last       outcome // most have the same
	lastNumber uint32
}

// outcome is a response code, or what happened instead, with the message of a failure.
type outcome struct {
	rc, message string
	ok          bool
}

func newResults(folder string) (*results, error) {
	names, err := os.Create(filepath.Join(folder, "names"))
	if err != nil {
		return nil, err
	}
	rows, err := os.Create(filepath.Join(folder, "rows"))
	if err != nil {
		return nil, err
	}
	return &results{
		rows: rows, names: names, pending: make([]byte, 0, flushBytes+rowBytes),
		labels: map[labelKind]uint32{}, outcomes: map[outcome]uint32{},
	}, nil
}

// labelKind is a label of requests, transactions or timings.
type labelKind struct{ text, kind string }

// label returns the number of a label. It may be called before the load only.
func (r *results) label(text, kind string) uint32 {
	label := labelKind{text, kind}
	number, known := r.labels[label]
	if !known {
		number = uint32(len(r.labels))
		r.labels[label] = number
		r.writeName("label", text, kind)
	}
	return number
}

func (r *results) outcome(o outcome) uint32 {
	if o == r.last && o.rc != "" {
		return r.lastNumber
	}
	number, known := r.outcomes[o]
	if !known && !o.ok && len(r.outcomes) >= maxOutcomes {
		o.message = "other"
		number, known = r.outcomes[o]
	}
	if !known {
		number = uint32(len(r.outcomes))
		r.outcomes[o] = number
		r.writeName("outcome", o.rc, o.message, o.ok)
	}
	r.last, r.lastNumber = o, number
	return number
}

// writeSample writes the row of a request that is over.
func (r *results) writeSample(s *slot, done int64, o outcome) {
	headers, connect := int64(-1), int64(-1) // no head arrived, no connection was made
	if s.headers > 0 {
		headers = (s.headers - s.sent) / 1000
	}
	if s.connect >= 0 {
		connect = s.connect / 1000
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.append(
		epochUS(s.due), (s.sent-s.due)/1000, (done-s.due)/1000, headers, connect, s.bytes, s.label, r.outcome(o),
	)
}

// writeSpan writes the row of a transaction or a timing: of its time between two moments, `took` counts.
func (r *results) writeSpan(began, ended, took, bytes int64, label uint32, o outcome) {
	due := ended - took
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.append(epochUS(due), (began-due)/1000, took/1000, -1, -1, bytes, label, r.outcome(o))
}

// writeRow writes a row that is not a sample.
func (r *results) writeRow(due, response, headers, connect, bytes int64, label uint32) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.append(due, 0, response, headers, connect, bytes, label, 0)
}

func (r *results) append(due, late, response, headers, connect, bytes int64, label, outcome uint32) {
	row := r.pending
	for _, value := range [...]int64{due, late, response, headers, connect, bytes} {
		row = binary.LittleEndian.AppendUint64(row, uint64(value))
	}
	row = binary.LittleEndian.AppendUint32(row, label)
	r.pending = binary.LittleEndian.AppendUint32(row, outcome)
	if len(r.pending) >= flushBytes {
		r.writePending()
	}
}

func (r *results) writeName(line ...any) {
	text, err := json.Marshal(line)
	if err == nil {
		_, err = r.names.Write(append(text, '\n'))
	}
	exitOn(err)
}

func (r *results) flush() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.writePending()
}

func (r *results) writePending() {
	if len(r.pending) > 0 {
		_, err := r.rows.Write(r.pending)
		exitOn(err)
		r.pending = r.pending[:0]
	}
}

// exitOn ends the engine: a load with lost results must not look like a shorter one.
func exitOn(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "cannot write the results: %v\n", err)
		os.Exit(exitUnwritten)
	}
}
