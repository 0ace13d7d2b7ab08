package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// walked is what a load of sessions recorded.
type walked struct {
	samples []walk
	users   []int // active ones, in order of time
	facts   map[string]any
	end     string
	open    map[string]int // unfinished requests by label
}

// walk is one row.
type walk struct {
	label, kind, rc, message   string
	ok                         bool
	due, late, response, bytes int64 // µs; due since the first row's
	headers, connect           int64
}

func (w *walked) of(label string) []walk {
	return slices.DeleteFunc(slices.Clone(w.samples), func(one walk) bool { return one.label != label })
}

func (w *walked) count(label string) int { return len(w.of(label)) }

// walkBy runs a load of sessions, which is given as JSON: its journey's steps, and fields of the load.
func walkBy(t *testing.T, address, steps, fields string) *walked {
	t.Helper()
	l := loadOf(t, address, steps, fields)
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	return readWalked(t, l.Folder)
}

func loadOf(t *testing.T, address, steps, fields string) *load {
	t.Helper()
	l := &load{
		Folder: t.TempDir(), TimeoutS: 5, GracefulStopS: 5, KeepAlive: true, MaxWorkers: 100, Redirects: 10,
		Interleave: interleave{Weight: 1, Peers: []peerGroup{{1, 1, 0}}},
		Journeys:   []journey{{Address: address, Cookies: true, KeepAlive: true, TimeoutS: 5, Follow: true}},
	}
	if err := json.Unmarshal([]byte(fields), l); err != nil {
		t.Fatal(err)
	}
	for i := range l.Journeys {
		j := &l.Journeys[i]
		if j.Address == "" {
			j.Address, j.Cookies, j.KeepAlive, j.TimeoutS, j.Follow = address, true, true, 5, true
		}
		if j.Steps == nil {
			if err := json.Unmarshal([]byte(steps), &j.Steps); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.checkSessions(); err != nil {
		t.Fatal(err)
	}
	return l
}

func readWalked(t *testing.T, folder string) *walked {
	t.Helper()
	w := &walked{facts: map[string]any{}, open: map[string]int{}}
	names, err := os.ReadFile(filepath.Join(folder, "names"))
	if err != nil {
		t.Fatal(err)
	}
	var labels [][2]string
	var outcomes []outcome
	for line := range bytes.Lines(names) {
		var values []any
		if err := json.Unmarshal(line, &values); err != nil {
			t.Fatal(err)
		}
		switch values[0] {
		case "label":
			labels = append(labels, [2]string{values[1].(string), values[2].(string)})
		case "outcome":
			outcomes = append(outcomes, outcome{values[1].(string), values[2].(string), values[3].(bool)})
		case "fact":
			w.facts[values[1].(string)] = values[2]
		case "unfinished":
			w.open[values[1].(string)] += int(values[2].(float64))
		case "end":
			w.end = values[1].(string)
		}
	}
	rows, err := os.ReadFile(filepath.Join(folder, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	first := int64(0)
	for ; len(rows) >= rowBytes; rows = rows[rowBytes:] {
		var values [6]int64
		for i := range values {
			values[i] = int64(binary.LittleEndian.Uint64(rows[8*i:]))
		}
		label, number := binary.LittleEndian.Uint32(rows[48:]), binary.LittleEndian.Uint32(rows[52:])
		if label == activeRow {
			w.users = append(w.users, int(values[5]))
		}
		if label >= latenessRow {
			continue
		}
		if first == 0 {
			first = values[0]
		}
		o := outcomes[number]
		w.samples = append(w.samples, walk{
			labels[label][0], labels[label][1], o.rc, o.message, o.ok,
			values[0] - first, values[1], values[2], values[5], values[3], values[4],
		})
	}
	return w
}

// witness is a server that records requests, as "METHOD /target body" with the named header's value in between.
type witness struct {
	*httptest.Server
	mutex sync.Mutex
	seen  []string
	at    []time.Time
}

func witnessing(t *testing.T, header string, answer http.HandlerFunc) *witness {
	t.Helper()
	w := &witness{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		body, _ := io.ReadAll(in.Body)
		text := in.Method + " " + in.URL.RequestURI()
		if header != "" {
			text += " " + in.Header.Get(header)
		}
		if len(body) > 0 {
			text += " " + string(body)
		}
		w.mutex.Lock()
		w.seen, w.at = append(w.seen, text), append(w.at, time.Now())
		w.mutex.Unlock()
		if answer != nil {
			answer(out, in)
		}
	}))
	t.Cleanup(w.Server.Close)
	return w
}

func (w *witness) requests() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.seen)
}

func (w *witness) expect(t *testing.T, wanted ...string) {
	t.Helper()
	if got := w.requests(); !slices.Equal(got, wanted) {
		t.Errorf("the service got\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

const once1 = `{"model": "users", "users": {"count": 1, "iterations": 1}}`

func get(path string, more ...string) string {
	return fmt.Sprintf(`{"do": "request", "label": %q, "method": "GET", "url": %q%s}`, path, path, strings.Join(more, ""))
}

func TestAUserTakesItsStepsInOrder(t *testing.T) {
	w := witnessing(t, "", nil)
	got := walkBy(t, w.URL, `[`+get("/a")+`, `+get("b?c=d e")+`,
		{"do": "request", "label": "post", "method": "POST", "url": "/p", "body": "{}"}]`,
		`{"model": "users", "users": {"count": 1, "iterations": 2}}`)
	w.expect(t, "GET /a", "GET /b?c=d%20e", "POST /p {}", "GET /a", "GET /b?c=d%20e", "POST /p {}")
	if got.count("/a") != 2 || got.count("post") != 2 || got.end != "duration" || got.facts["unfinished_users"] != nil {
		t.Errorf("%+v", got)
	}
	for _, one := range got.samples {
		if !one.ok || one.rc != "200" || one.kind != "request" || one.response <= 0 || one.late < 0 {
			t.Errorf("%+v", one)
		}
	}
	if first, second := got.samples[0], got.samples[1]; first.connect < 0 || second.connect >= 0 {
		t.Error("a user keeps its connection")
	}
}
