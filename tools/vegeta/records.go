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
	rowBytes  = 56 // due, late, response, headers, connect, bytes: int64; label, outcome: uint32
	users     = 0xFFFFFFFF
	lateRow   = 0xFFFFFFFE
	messages  = 1000 // different failures that keep their text
	unwritten = 74   // the exit code when rows cannot be written (EX_IOERR)
	flushAt   = 1 << 16
)

// records are two files: rows of fixed size, and the names that stand in them as numbers, written before them.
type records struct {
	mutex    sync.Mutex
	rows     *os.File
	names    *os.File
	pending  []byte
	labels   map[string]uint32
	outcomes map[outcome]uint32
}

// outcome is what became of a request: its status or what happened instead, and why it failed.
type outcome struct {
	rc, message string
	ok          bool
}

func newRecords(folder string) (*records, error) {
	names, err := os.Create(filepath.Join(folder, "names"))
	if err != nil {
		return nil, err
	}
	rows, err := os.Create(filepath.Join(folder, "rows"))
	if err != nil {
		return nil, err
	}
	return &records{
		rows: rows, names: names, pending: make([]byte, 0, flushAt+rowBytes),
		labels: map[string]uint32{}, outcomes: map[outcome]uint32{},
	}, nil
}

func (r *records) label(text string) uint32 {
	code, known := r.labels[text]
	if !known {
		code = uint32(len(r.labels))
		r.labels[text] = code
		r.say("label", text)
	}
	return code
}

func (r *records) outcome(one outcome) uint32 {
	code, known := r.outcomes[one]
	if !known && !one.ok && len(r.outcomes) >= messages {
		one.message = "other"
		code, known = r.outcomes[one]
	}
	if !known {
		code = uint32(len(r.outcomes))
		r.outcomes[one] = code
		r.say("outcome", one.rc, one.message, one.ok)
	}
	return code
}

// became writes down a request that is over.
func (r *records) became(s *slot, done int64, what outcome) {
	headers, connect := int64(-1), int64(-1) // none came, none was made
	if s.headers > 0 {
		headers = (s.headers - s.sent) / 1000
	}
	if s.connect >= 0 {
		connect = s.connect / 1000
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.put(
		epochUS(s.due), (s.sent-s.due)/1000, (done-s.due)/1000, headers, connect, s.bytes, s.request.label, r.outcome(what),
	)
}

// row is one that is no sample.
func (r *records) row(due, late, response, headers, connect, bytes int64, label, outcome uint32) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.put(due, late, response, headers, connect, bytes, label, outcome)
}

func (r *records) put(due, late, response, headers, connect, bytes int64, label, outcome uint32) {
	to := r.pending
	for _, value := range [...]int64{due, late, response, headers, connect, bytes} {
		to = binary.LittleEndian.AppendUint64(to, uint64(value))
	}
	to = binary.LittleEndian.AppendUint32(to, label)
	r.pending = binary.LittleEndian.AppendUint32(to, outcome)
	if len(r.pending) >= flushAt {
		r.write()
	}
}

func (r *records) say(line ...any) {
	text, err := json.Marshal(line)
	if err == nil {
		_, err = r.names.Write(append(text, '\n'))
	}
	r.check(err)
}

func (r *records) flush() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.write()
}

func (r *records) write() {
	if len(r.pending) > 0 {
		_, err := r.rows.Write(r.pending)
		r.check(err)
		r.pending = r.pending[:0]
	}
}

// check ends the program: a load whose records are lost must not look like a short one.
func (r *records) check(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "its records cannot be written: %v\n", err)
		os.Exit(unwritten)
	}
}
