package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
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
		Folder: t.TempDir(), GracefulStopS: 5, MaxWorkers: 100, Redirects: 10,
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
	if err := l.check(); err != nil {
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

func TestBlocksBecomeJumps(t *testing.T) {
	for _, one := range []struct{ steps, vars, wanted string }{
		{`[{"do": "loop", "times": 3, "steps": [%a]}, %b]`, "", "aaab"},
		{`[{"do": "loop", "times": "${n}", "steps": [%a]}]`, "n=2", "aa"},
		{`[{"do": "loop", "times": "${n}", "steps": [%a]}, %b]`, "n=x", "b"},
		{`[{"do": "loop", "times": 2, "steps": [{"do": "loop", "times": 2, "steps": [%a]}, %b]}]`, "", "aabaab"},
		{`[{"do": "once", "steps": [%a]}, %b]`, "", "ab"},
		{`[{"do": "loop", "times": 2, "steps": [{"do": "loop", "times": 2, "steps": [{"do": "once", "steps": [%a]}, %b]}]}]`,
			"", "abbabb"},
		{`[{"do": "if", "condition": "\"${x}\" == \"1\"", "then": [%a], "else": [%b]}]`, "x=1", "a"},
		{`[{"do": "if", "condition": "\"${x}\" == \"1\"", "then": [%a], "else": [%b]}, %a]`, "x=2", "ba"},
		{`[{"do": "if", "condition": "\"${x}\" == \"1\"", "then": [%a]}, %b]`, "x=2", "b"},
		{`[{"do": "while", "condition": "\"${x}\" != \"1\"", "steps": [%a, {"do": "set", "variables": [["x", "1"]]}]}, %b]`,
			"x=2", "ab"},
		{`[{"do": "foreach", "input": "list", "variable": "one", "steps": [{"do": "request", "label": "one",
			"method": "GET", "url": "/${one}"}]}, %b]`, "list_1=a,list_2=b,list_3=a", "abab"},
		{`[{"do": "action", "action": "continue", "target": "current-thread"}, %a]`, "", ""},
		{`[%a, {"do": "action", "action": "stop", "target": "current-thread"}, %b]`, "", "a"},
		{`[%a, {"do": "action", "action": "stop-now", "target": "all-threads"}, %b]`, "", "a"},
		{`[{"do": "scenario", "label": "other", "steps": [%a], "journey": {"variables": [["y", "b"]], "address": "URL",
			"timeout_s": 5}}, {"do": "request", "label": "y", "method": "GET", "url": "/${y}"}]`, "", "ab"},
		{`[{"do": "set", "variables": [["y", "a"], ["z", "${y}${y}"]]}, {"do": "request", "label": "y", "method": "GET",
			"url": "/${z}"}]`, "", "aa"},
	} {
		w := witnessing(t, "", nil)
		steps := strings.NewReplacer("%a", get("/a"), "%b", get("/b"), "URL", w.URL).Replace(one.steps)
		fields := `{"model": "users", "users": {"count": 1, "iterations": 1}, "journeys": [{"address": "` + w.URL +
			`", "timeout_s": 5, "keepalive": true, "variables": [`
		for i, pair := range strings.Split(one.vars, ",") {
			if name, value, found := strings.Cut(pair, "="); found {
				fields += strings.Repeat(",", min(i, 1)) + fmt.Sprintf(`[%q, %q]`, name, value)
			}
		}
		walkBy(t, w.URL, steps, fields+`]}]}`)
		got := ""
		for _, request := range w.requests() {
			got += strings.TrimPrefix(request, "GET /")
		}
		if got != one.wanted {
			t.Errorf("%s with %q sends %q, not %q", one.steps, one.vars, got, one.wanted)
		}
	}
}

func TestAConditionThatMeansNothingIsAnErrorOfTheScript(t *testing.T) {
	w := witnessing(t, "", nil)
	condition := `${never} > 3`
	got := walkBy(t, w.URL, fmt.Sprintf(`[{"do": "if", "condition": %q, "then": [%s]}, %s]`, condition, get("/a"), get("/b")), once1)
	w.expect(t, "GET /b")
	if one := got.of(condition); len(one) != 1 || one[0].ok || one[0].kind != "transaction" {
		t.Errorf("%+v", got.samples)
	}
	if errors := fmt.Sprint(got.facts["script_errors"]); errors != "map["+condition+":1]" {
		t.Error(errors)
	}
}

func TestSetupAndTeardownArePartOfEachPass(t *testing.T) {
	w := witnessing(t, "", nil)
	walkBy(t, w.URL, "", `{"model": "users", "users": {"count": 1, "iterations": 2}, "journeys": [{"address": "`+w.URL+`",
		"timeout_s": 5, "setup": [`+get("/in")+`], "teardown": [`+get("/out")+`], "steps": [`+get("/a")+`,
		{"do": "action", "action": "continue", "target": "current-thread"}, `+get("/never")+`]}]}`)
	w.expect(t, "GET /in", "GET /a", "GET /out", "GET /in", "GET /a", "GET /out")
	w.seen = nil
	stop := `{"do": "action", "action": "stop", "target": "current-thread"}`
	got := walkBy(t, w.URL, "", `{"model": "users", "users": {"count": 1, "iterations": 2}, "journeys": [{"address": "`+w.URL+`",
		"timeout_s": 5, "teardown": [`+get("/out")+`, `+stop+`, `+get("/never")+`], "steps": [`+get("/a")+`, `+stop+`]}]}`)
	if w.expect(t, "GET /a", "GET /out"); got.facts["unfinished_users"] != 1.0 {
		t.Errorf("%v", got.facts)
	}
}

func TestATransactionEndsWithItsLastResponse(t *testing.T) {
	w := witnessing(t, "", func(out http.ResponseWriter, in *http.Request) {
		time.Sleep(20 * time.Millisecond)
		if in.URL.Path == "/wrong" {
			out.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(out, "12345")
	})
	think := `, "think": {"kind": "constant", "mean_s": 0.1}`
	got := walkBy(t, w.URL, `[{"do": "transaction", "label": "short", "steps": [`+get("/a", think)+`, `+get("/b", think)+`]},
		{"do": "transaction", "label": "long", "include_timers": true, "steps": [{"do": "transaction", "label": "in", "steps":
		[`+get("/a", think)+`]}, `+get("/wrong", think)+`]},
		{"do": "transaction", "label": "empty", "steps": [{"do": "if", "condition": "1 == 2", "then": [`+get("/b")+`]}]}]`, once1)
	short, long, in := got.of("short")[0], got.of("long")[0], got.of("in")[0]
	near := func(one, other int64) bool { return max(one-other, other-one) <= 3 } // rows have whole µs
	a, b, wrong := got.of("/a"), got.of("/b")[0], got.of("/wrong")[0]
	if !near(short.response, a[0].response+b.response) || !short.ok || short.bytes != 10 || short.kind != "transaction" {
		t.Errorf("%+v", short)
	}
	if !near(long.response, a[1].response+100_000+wrong.response) || long.ok || !strings.Contains(long.message, "failing samples : 1") {
		t.Errorf("%+v", long)
	}
	if !near(in.response, a[1].response) || !in.ok || got.count("empty") != 0 {
		t.Errorf("%+v", in)
	}
	// Python adds `late` to the due time for the start, and `response` for the end.
	if began, first := short.due+short.late, got.samples[0]; began != first.due {
		t.Errorf("a transaction begins with its first request, not %d µs later", began-first.due)
	}
	if last := got.samples[1]; math.Abs(float64(short.due+short.response-last.due-last.response)) > 2 { // rows have whole µs
		t.Error("it ends with its last response")
	}
	if got.samples[2].label != "short" {
		t.Error("it does not wait for the think time behind it")
	}
}

func TestThinkTimeFollowsTheResponse(t *testing.T) {
	w := witnessing(t, "", func(http.ResponseWriter, *http.Request) { time.Sleep(30 * time.Millisecond) })
	got := walkBy(t, w.URL, `[`+get("/a", `, "think": {"kind": "constant", "mean_s": 0.05}`)+`,
		{"do": "pause", "for_s": 0.02}, {"do": "pause", "for": "${ms}"}, `+get("/b")+`]`,
		`{"model": "users", "users": {"count": 1, "iterations": 1},
		"journeys": [{"address": "`+w.URL+`", "timeout_s": 5, "variables": [["ms", " 30ms"]]}]}`)
	a, b := got.samples[0], got.samples[1]
	if gap := b.due - a.due - a.response; gap < 99_998 || gap > 100_002 { // rows have whole µs
		t.Errorf("the next request is due %d µs after the response", gap)
	}
	if b.late < 0 || b.response < 30_000 {
		t.Errorf("%+v", b)
	}
}

func TestATryDoesNotThink(t *testing.T) {
	w := witnessing(t, "", nil)
	before := time.Now()
	walkBy(t, w.URL, `[`+get("/a", `, "think": {"kind": "constant", "mean_s": 60}`)+`, {"do": "pause", "for_s": 60}, `+get("/b")+`]`,
		`{"model": "users", "users": {"count": 1, "iterations": 1}, "tried": true}`)
	if w.expect(t, "GET /a", "GET /b"); time.Since(before) > 5*time.Second {
		t.Error("it thought")
	}
}

func TestThinkTimesHaveTheirDistribution(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, one := range []struct {
		thinking
		mean, deviation, least, most float64 // ms
	}{
		{thinking{"constant", 1, 0}, 1000, 0, 1000, 1000},
		{thinking{"uniform", 1, 0.3}, 1000, 300 / math.Sqrt(3), 700, 1300},
		{thinking{"gaussian", 1, 0.1}, 1000, 100, 0, 2000},
		{thinking{"gaussian", 0.01, 10}, 4000, 5800, 0, 60_000}, // never negative
		{thinking{"poisson", 1, 0.6}, 1000, 20, 600, 1300},
		{thinking{"poisson", 2, 0.5}, 2000, math.Sqrt(1500), 500, 2500},
	} {
		const draws = 20_000
		sum, squares := 0.0, 0.0
		for range draws {
			ms := float64(one.draw(random)) / 1e6
			if ms < one.least || ms > one.most {
				t.Fatalf("%+v draws %v ms", one.thinking, ms)
			}
			sum, squares = sum+ms, squares+ms*ms
		}
		mean := sum / draws
		deviation := math.Sqrt(max(0, squares/draws-mean*mean))
		if math.Abs(mean-one.mean) > 0.05*one.mean+1 || math.Abs(deviation-one.deviation) > 0.05*one.deviation+1 {
			t.Errorf("%+v: mean %v, deviation %v", one.thinking, mean, deviation)
		}
	}
}

func TestUsersStartEvenlyOrInStairs(t *testing.T) {
	for _, one := range []struct {
		users usersLoad
		at    []float64
	}{
		{usersLoad{Count: 4, RampUpS: 8}, []float64{0, 2, 4, 6}},
		{usersLoad{Count: 4, RampUpS: 8, Steps: 2}, []float64{0, 0, 4, 4}},
		{usersLoad{Count: 5, RampUpS: 9, Steps: 3}, []float64{0, 0, 3, 3, 6}},
		{usersLoad{Count: 2}, []float64{0, 0}},
	} {
		for user, wanted := range one.at {
			if got := one.users.start(user); math.Abs(got-wanted) > 1e-9 {
				t.Errorf("%+v: user %d starts after %v s, not %v", one.users, user, got, wanted)
			}
		}
	}
}

func TestUsersComeAndGoAsPlanned(t *testing.T) {
	w := witnessing(t, "", nil)
	got := walkBy(t, w.URL, `[`+get("/${__threadNum}", `, "think": {"kind": "constant", "mean_s": 0.05}`)+`]`,
		`{"model": "users", "users": {"count": 4, "first": 10, "total": 20, "ramp_up_s": 0.4, "hold_for_s": 0.4, "phase_s": 0.1}}`)
	firsts := map[string]int64{}
	for _, one := range w.requests() {
		firsts[one] = 0
	}
	if len(firsts) != 4 || firsts["GET /11"] != 0 || firsts["GET /14"] != 0 {
		t.Errorf("%v", firsts)
	}
	if count := len(got.samples); count < 4 || count > 50 || got.end != "duration" {
		t.Errorf("%d requests, %s", count, got.end)
	}
	if last := got.samples[len(got.samples)-1]; last.due > 700_001 {
		t.Errorf("a request was sent %d µs after the start", last.due)
	}
	if most := slices.Max(got.users); most != 4 || got.users[len(got.users)-1] != 0 ||
		!slices.ContainsFunc(got.users, func(active int) bool { return 0 < active && active < 4 }) {
		t.Errorf("active users: %v", got.users)
	}
	begun, ended := got.facts["begun_at"].(float64), got.facts["ended_at"].(float64)
	if length := ended - begun; length > 0.701 {
		t.Errorf("the load lasted %v s", length)
	}
}

func TestRequestsInFlightAtTheEndMayFinish(t *testing.T) {
	w := witnessing(t, "", func(out http.ResponseWriter, in *http.Request) {
		if in.URL.Path == "/slow" {
			time.Sleep(300 * time.Millisecond)
		}
		if in.URL.Path == "/silent" {
			<-in.Context().Done()
		}
	})
	got := walkBy(t, w.URL, `[{"do": "transaction", "label": "t", "steps": [`+get("/slow")+`]}, `+get("/b")+`]`,
		`{"model": "users", "users": {"count": 1, "hold_for_s": 0.1}}`)
	w.expect(t, "GET /slow")
	if got.count("/slow") != 1 || got.count("t") != 1 || len(got.open) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestDataSourcesGiveEachPassARow(t *testing.T) {
	rows := `"sources": [{"columns": ["n"], "rows": [["0"], ["1"], ["2"], ["3"], ["4"]]%s}]`
	for _, one := range []struct{ more, users, wanted string }{
		{"", `"count": 1, "iterations": 7`, "0011234"},
		{"", `"count": 2, "total": 4, "first": 2, "iterations": 2`, "1223"}, // passes 2, 3, 6 and 7 of all workers
		{`, "own": true`, `"count": 2, "total": 4, "first": 2, "iterations": 2`, "0123"},
		{`, "loop": false`, `"count": 2, "iterations": 9`, "01234"},
		{`, "random_order": true`, `"count": 1, "iterations": 10`, "0011223344"},
		{`, "random_order": true, "loop": false`, `"count": 1, "iterations": 10`, "01234"},
	} {
		w := witnessing(t, "", nil)
		got := walkBy(t, w.URL, `[`+get("/${n}")+`]`,
			`{"model": "users", "seed": 7, "users": {`+one.users+`}, `+fmt.Sprintf(rows, one.more)+`}`)
		seen := w.requests()
		slices.Sort(seen)
		if text := strings.ReplaceAll(strings.Join(seen, ""), "GET /", ""); text != one.wanted {
			t.Errorf("%s %s: %s, not %s", one.more, one.users, text, one.wanted)
		}
		if ended := strings.Contains(one.more, "loop"); ended != (got.facts["unfinished_users"] != nil) {
			t.Errorf("%s: %v", one.more, got.facts)
		}
	}
}

func TestRandomOrderIsTheSameForAllWorkers(t *testing.T) {
	source := dataSource{RandomOrder: true}
	for n := range 50 {
		source.Rows = append(source.Rows, []string{fmt.Sprint(n)})
	}
	one, other := newFeeds(&load{Seed: 1, Sources: []dataSource{source}}), newFeeds(&load{Seed: 1, Sources: []dataSource{source}})
	rounds := map[string]bool{}
	for round := range int64(3) {
		order := ""
		for pass := range int64(50) {
			order += one.row(0, 0, round*50+pass)[0] + " "
		}
		rounds[order] = true
	}
	for pass := int64(149); pass >= 0; pass-- {
		if one.row(0, 0, pass)[0] != other.row(0, 0, pass)[0] {
			t.Fatal("workers disagree")
		}
	}
	if len(rounds) != 3 {
		t.Error("each round has an order of its own")
	}
}

func TestJourneysStartWhenTheyAreDue(t *testing.T) {
	w := witnessing(t, "Cookie", func(out http.ResponseWriter, in *http.Request) {
		time.Sleep(200 * time.Millisecond) // users do not wait for each other
	})
	got := walkBy(t, w.URL, `[`+get("/a")+`, `+get("/b", `, "think": {"kind": "constant", "mean_s": 60}`)+`]`,
		`{"model": "arrivals", "points": [[0, 20], [1, 20]], "peak_rps": 20}`)
	starts := got.of("journey start")
	if len(starts) != 20 || got.count("/a") != 20 || got.count("/b") < 1 || got.end != "duration" {
		t.Fatalf("%d starts, %d, %d", len(starts), got.count("/a"), got.count("/b"))
	}
	for i, one := range starts {
		if one.kind != "timing" || one.late != 0 || !one.ok || math.Abs(float64(one.due-int64(i)*50_000)) > 2 {
			t.Errorf("%d: %+v", i, one)
		}
	}
	if most := slices.Max(got.users); most < 4 || most > 20 {
		t.Errorf("%d journeys at a time", most)
	}
}

func TestJourneysBeyondTheLimitAreDropped(t *testing.T) {
	w := witnessing(t, "", func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Second) })
	l := loadOf(t, w.URL, `[`+get("/a")+`]`, `{"model": "arrivals", "points": [[0, 100], [0.2, 100]], "max_workers": 5}`)
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	got, dropped := readWalked(t, l.Folder), 0
	for _, row := range latenessRows(t, l) {
		dropped += row
	}
	if got.count("/a") != 5 || dropped != 15 {
		t.Errorf("%d journeys, %d dropped", got.count("/a"), dropped)
	}
}

// latenessRows returns the numbers of dropped sends.
func latenessRows(t *testing.T, l *load) (dropped []int) {
	t.Helper()
	rows, err := os.ReadFile(filepath.Join(l.Folder, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	for ; len(rows) >= rowBytes; rows = rows[rowBytes:] {
		if binary.LittleEndian.Uint32(rows[48:]) == latenessRow {
			dropped = append(dropped, int(binary.LittleEndian.Uint64(rows[40:])))
		}
	}
	return dropped
}

func TestJourneysEndWithTheirRows(t *testing.T) {
	w := witnessing(t, "", nil)
	got := walkBy(t, w.URL, `[`+get("/${n}")+`]`, `{"model": "arrivals", "points": [[0, 50], [1, 50]],
		"sources": [{"columns": ["n"], "rows": [["0"], ["1"], ["2"]], "loop": false}]}`)
	seen := w.requests() // journeys may overtake each other
	if slices.Sort(seen); !slices.Equal(seen, []string{"GET /0", "GET /1", "GET /2"}) {
		t.Errorf("%q", seen)
	}
	if length := got.facts["ended_at"].(float64) - got.facts["begun_at"].(float64); length > 0.2 {
		t.Errorf("it ended after %v s", length)
	}
}

func TestEachJourneyIsANewUser(t *testing.T) {
	w := witnessing(t, "", func(out http.ResponseWriter, in *http.Request) { out.Header().Set("X-Peer", in.RemoteAddr) })
	got := walkBy(t, w.URL, `[`+get("/${n}/${i}/${__threadNum}")+`, {"do": "set", "variables": [["n", "x"]]},
		{"do": "once", "steps": [`+get("/once")+`]}]`,
		`{"model": "arrivals", "points": [[0, 10], [0.3, 10]], "sources": [{"columns": ["i"], "rows": [["0"], ["1"]]}]}`)
	seen := w.requests()
	slices.Sort(seen)
	if text := strings.Join(seen, " "); text != "GET /$%7Bn%7D/0/1 GET /$%7Bn%7D/0/3 GET /$%7Bn%7D/1/2 GET /once GET /once GET /once" {
		t.Error(text)
	}
	for _, one := range got.samples {
		if one.label == "/${n}/${i}/${__threadNum}" && one.connect < 0 {
			t.Error("it has a connection of its own")
		}
	}
}

func TestPoissonArrivalsAreExactInNumber(t *testing.T) {
	evenly, random := cursor{curve: curve{{0, 0}, {2, 100}, {4.5, 100}}}, cursor{curve: curve{{0, 0}, {2, 100}, {4.5, 100}}}
	random.poisson = &poisson{seed: 3}
	perSecond, last, gaps := map[int]int{}, -1.0, map[bool]int{}
	for n := 0.0; ; n++ {
		due, more := evenly.due(n)
		other, otherMore := random.due(n)
		if more != otherMore {
			t.Fatal("another number of arrivals")
		}
		if !more {
			break
		}
		if math.Floor(due) != math.Floor(other) || other < last {
			t.Fatalf("arrival %v is due at %v, evenly at %v", n, other, due)
		}
		gaps[other-last < 0.005] += int(due / 2)
		perSecond[int(due)]++
		last = other
	}
	if perSecond[0] != 25 || perSecond[1] != 75 || perSecond[2] != 100 || perSecond[4] != 50 {
		t.Errorf("%v", perSecond)
	}
	if short := float64(gaps[true]) / float64(gaps[true]+gaps[false]); short < 0.3 || short > 0.5 { // 1 - exp(-0.5)
		t.Errorf("%v of the gaps are shorter than half the mean", short)
	}
	again := cursor{curve: random.curve, poisson: &poisson{seed: 3}}
	other, _ := again.due(300)
	if one, _ := (&cursor{curve: random.curve, poisson: &poisson{seed: 3}}).due(300); one != other {
		t.Error("the seed decides")
	}
}

func TestUsersShareATokenSchedule(t *testing.T) {
	w := witnessing(t, "", nil)
	l := loadOf(t, w.URL, `[`+get("/a")+`]`,
		`{"model": "users", "users": {"count": 5, "hold_for_s": 1}, "points": [[0, 40], [1, 40]], "peak_rps": 40}`)
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	got := readWalked(t, l.Folder)
	if count := got.count("/a"); count < 39 || count > 40 {
		t.Errorf("%d requests", count)
	}
	slices.SortFunc(got.samples, func(a, b walk) int { return int(a.due - b.due) })
	for i, one := range got.samples {
		if due := one.due - got.samples[0].due; due < int64(i)*25_000-1000 {
			t.Errorf("request %d is due after %d µs", i, due)
		}
	}
}

func TestTokensThatNobodyTakesAreDropped(t *testing.T) {
	w := witnessing(t, "", func(http.ResponseWriter, *http.Request) { time.Sleep(1500 * time.Millisecond) })
	l := loadOf(t, w.URL, `[`+get("/a")+`]`,
		`{"model": "users", "users": {"count": 1, "hold_for_s": 1.6}, "points": [[0, 10], [1.6, 10]], "peak_rps": 10}`)
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	dropped := 0
	for _, row := range latenessRows(t, l) {
		dropped += row
	}
	if got := readWalked(t, l.Folder); got.count("/a") > 2 || dropped < 3 || dropped > 7 { // those due in 0.1 … 0.6 s
		t.Errorf("%d requests, %d dropped", got.count("/a"), dropped)
	}
}

func TestInADuetEachSideSendsInItsTurns(t *testing.T) {
	w := witnessing(t, "", nil)
	side := func(name string) string {
		request := `{"do": "request", "label": "` + name + `", "method": "GET", "url": "/",
			"think": {"kind": "constant", "mean_s": 0.02}}`
		return `{"address": "` + w.URL + `", "timeout_s": 5, "keepalive": true, "steps": [{"do": "transaction",
			"label": "t", "steps": [` + request + `, ` + request + `]}]}`
	}
	for _, model := range []string{
		`"model": "users", "users": {"count": 2, "hold_for_s": 1}`,
		`"model": "arrivals", "points": [[0, 20], [0.5, 20]], "peak_rps": 20`,
	} {
		got := walkBy(t, "", "", `{`+model+`, "turns": [[1, 0, 0.25], [2, 0.25, 0.5], [1, 0.5, 0.75], [2, 0.75, 1]],
			"journeys": [`+side("head")+`, `+side("base")+`]}`)
		if got.count("base") < 1 || got.count("head") < 1 {
			t.Errorf("%s: %d and %d requests", model, got.count("base"), got.count("head"))
		}
		for i, name := range []string{"base", "head"} {
			for _, one := range got.of(name) {
				if turn := int(one.due / 250_000); turn%2 != i {
					t.Errorf("%s: a request of %s is due after %d µs", model, name, one.due)
				}
			}
		}
		requests, transactions := int64(0), int64(0)
		for _, one := range got.samples {
			switch one.kind {
			case "request":
				requests += one.response
			case "transaction":
				transactions += one.response
			}
		}
		if transactions > requests+1000 {
			t.Errorf("%s: a pause between turns is no part of a transaction: %d µs of %d", model, transactions, requests)
		}
	}
}

func TestThinkTimeStandsStillInAPause(t *testing.T) {
	w := witnessing(t, "", nil)
	l := loadOf(t, w.URL, `[`+get("/a", `, "think": {"kind": "constant", "mean_s": 0.3}`)+`, `+get("/b")+`]`,
		`{"model": "arrivals", "points": [[0, 4], [2, 4]], "peak_rps": 4}`)
	go func() {
		openGate(t.Context(), l.Folder)
		at := float64(time.Now().UnixMicro())/1e6 + 0.05
		_ = os.WriteFile(filepath.Join(l.Folder, "rates"), []byte(fmt.Sprintf("%f 0\n%f 4\n", at+0.4, at+1.4)), 0o600)
	}()
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	got := readWalked(t, l.Folder)
	a, b := got.of("/a"), got.of("/b")
	if len(a) != 4 || len(b) < 3 || len(b) > 4 {
		t.Fatalf("%d and %d requests", len(a), len(b))
	}
	first, second := b[0].due-a[0].due-a[0].response, b[1].due-a[1].due-a[1].response
	if math.Abs(float64(first-300_000)) > 3 || math.Abs(float64(second-1_300_000)) > 3 {
		t.Errorf("the first journey thought for %d µs, the second for %d µs", first, second)
	}
}

func TestALoopWithoutRequestsHoldsUpNobody(t *testing.T) {
	w := witnessing(t, "", nil)
	for _, tried := range []string{"false", "true"} {
		w.seen = nil
		got := walkBy(t, w.URL, `[{"do": "if", "condition": "${__threadNum} == 1", "then": [{"do": "while", "condition": "1 == 1",
			"steps": []}]}, `+get("/")+`]`, `{"model": "users", "tried": `+tried+`, "users": {"count": 2, "hold_for_s": 0.3}}`)
		if len(w.requests()) < 2 || got.end != "duration" {
			t.Errorf("%d requests, %s", len(w.requests()), got.end)
		}
	}
}

func TestVariablesOfAScenarioAreEvaluatedOnce(t *testing.T) {
	w := witnessing(t, "", nil)
	walkBy(t, w.URL, `[`+get("/${id}")+`]`, `{"model": "users", "users": {"count": 2, "iterations": 2}, "journeys": [{
		"address": "`+w.URL+`", "timeout_s": 5, "variables": [["id", "${__UUID}"]]}]}`)
	if seen := w.requests(); len(seen) != 4 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 1 {
		t.Errorf("%v", seen)
	}
}

func TestThinkingUsersLeaveLittleRoomForGarbage(t *testing.T) {
	for live, percent := range map[uint64]int{0: 400, 1 << 20: 400, 64 << 20: 100, 300 << 20: 50} {
		if got := garbagePercent(live); got != percent {
			t.Errorf("%d %% of %d bytes, not %d", got, live, percent)
		}
	}
}

func TestManyUsersShareTheLoops(t *testing.T) {
	w := witnessing(t, "", nil)
	count := loopUsers + 1
	got := walkBy(t, w.URL, `[`+get("/${__threadNum}?${row}")+`]`, fmt.Sprintf(`{"model": "users",
		"users": {"count": %d, "iterations": 1}, "sources": [{"columns": ["row"], "rows": [["a"], ["b"]]}]}`, count))
	seen, rows := map[string]bool{}, map[string]int{}
	for _, request := range w.requests() {
		user, row, _ := strings.Cut(request, "?")
		seen[user] = true
		rows[row]++
	}
	if len(seen) != count || len(got.samples) != count || rows["a"] != rows["b"]+1 {
		t.Errorf("%d users, %d samples, rows %v", len(seen), len(got.samples), rows)
	}
}

func TestAServiceMayCloseIdleConnectionsAfterTheEnd(t *testing.T) {
	w := witnessing(t, "", func(_ http.ResponseWriter, in *http.Request) {
		if in.URL.Path == "/slow" && in.URL.Query().Get("user") == "2" {
			time.Sleep(500 * time.Millisecond)
			in.Context().Value(http.ServerContextKey).(*http.Server).SetKeepAlivesEnabled(false) // closes idle connections
			time.Sleep(100 * time.Millisecond)
		}
	})
	got := walkBy(t, w.URL, `[`+get("/slow?user=${__threadNum}", `, "think": {"kind": "constant", "mean_s": 5}`)+`]`,
		`{"model": "users", "users": {"count": 2, "hold_for_s": 0.2}}`)
	if len(got.samples) != 2 || got.end == "" {
		t.Errorf("%+v", got)
	}
}

func TestATransactionExcludesTheWaitForTheSchedule(t *testing.T) {
	w := witnessing(t, "", nil)
	l := loadOf(t, w.URL, `[{"do": "transaction", "label": "t", "steps": [`+get("/a")+`, `+get("/b")+`]}]`,
		`{"model": "users", "users": {"count": 5, "hold_for_s": 1}, "points": [[0, 10], [1, 10]], "peak_rps": 10}`)
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	for _, one := range readWalked(t, l.Folder).of("t") {
		if one.response > 450_000 { // a user waits for 0.5 s between its requests
			t.Errorf("a transaction took %d µs", one.response)
		}
	}
}

func TestACachedResponseTakesNoTokenOfTheSchedule(t *testing.T) {
	w := witnessing(t, "", func(out http.ResponseWriter, _ *http.Request) { out.Header().Set("Cache-Control", "max-age=60") })
	l := loadOf(t, w.URL, `[`+get("/a")+`, `+get("/a")+`]`,
		`{"model": "users", "users": {"count": 5, "hold_for_s": 1}, "points": [[0, 20], [1, 20]], "peak_rps": 20,
		"journeys": [{"address": "`+w.URL+`", "cache": true, "timeout_s": 5, "keepalive": true}]}`)
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	if count := readWalked(t, l.Folder).count("/a"); count < 19 {
		t.Errorf("%d requests", count)
	}
}

func TestATransactionHasTheWholeTimeOfItsRequests(t *testing.T) {
	w := witnessing(t, "", func(_ http.ResponseWriter, in *http.Request) {
		if in.URL.Path == "/slow" {
			time.Sleep(300 * time.Millisecond)
		}
	})
	l := loadOf(t, w.URL, `[{"do": "transaction", "label": "t", "steps": [`+get("/slow")+`, `+get("/b")+`]}]`,
		`{"model": "users", "users": {"count": 1, "iterations": 1}, "points": [[0, 100], [2, 100]], "peak_rps": 100}`)
	go func() { // the pause begins while a request is in flight
		openGate(t.Context(), l.Folder)
		at := float64(time.Now().UnixMicro())/1e6 + 0.05
		_ = os.WriteFile(filepath.Join(l.Folder, "rates"), []byte(fmt.Sprintf("%f 0\n%f 100\n", at+0.1, at+0.6)), 0o600)
	}()
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	got := readWalked(t, l.Folder)
	whole, parts := got.of("t"), append(got.of("/slow"), got.of("/b")...)
	if len(whole) != 1 || len(parts) != 2 || whole[0].response < parts[0].response || whole[0].response-parts[0].response-parts[1].response > 10 {
		t.Errorf("%+v of %+v", whole, parts)
	}
}

func TestATokenOfATurnThatIsOverIsDroppedAlone(t *testing.T) {
	w := witnessing(t, "", func(http.ResponseWriter, *http.Request) { time.Sleep(350 * time.Millisecond) })
	side := func(name string) string {
		return `{"address": "` + w.URL + `", "timeout_s": 5, "keepalive": true, "steps": [` + get("/"+name) + `]}`
	}
	got := walkBy(t, "", "", `{"model": "users", "users": {"count": 1, "hold_for_s": 1}, "points": [[0, 8], [0.5, 8]], "peak_rps": 8,
		"turns": [[1, 0, 0.25], [2, 0.3, 0.55], [1, 0.6, 0.85], [2, 0.9, 1.15]], "journeys": [`+side("head")+`, `+side("base")+`]}`)
	if sent := got.of("/base"); len(sent) != 2 || sent[1].due > 620_000 { // the first token of the second turn
		t.Errorf("%+v", sent)
	}
}

func TestWaitingUsersWithCachedResponsesHoldUpNobody(t *testing.T) {
	w := witnessing(t, "", func(out http.ResponseWriter, _ *http.Request) {
		time.Sleep(120 * time.Millisecond) // until the turn is over
		out.Header().Set("Cache-Control", "max-age=60")
	})
	one := `{"address": "` + w.URL + `", "cache": true, "timeout_s": 5, "keepalive": true,
		"steps": [{"do": "while", "condition": "1 == 1", "steps": [` + get("/") + `]}]}`
	got := walkBy(t, "", "", `{"model": "users", "users": {"count": 3, "hold_for_s": 0.5},
		"turns": [[1, 0, 0.1], [2, 0.15, 0.25], [1, 0.3, 0.4]], "journeys": [`+one+`, `+one+`]}`)
	if got.end != "duration" {
		t.Error(got.end)
	}
}

func TestTheUsersOfADuetStartInTheirTurnsAsEvenlyAsPlanned(t *testing.T) {
	w := witnessing(t, "", nil)
	side := func(name string) string {
		return `{"address": "` + w.URL + `", "timeout_s": 5, "keepalive": true, "steps": [
			` + get("/"+name, `, "think": {"kind": "constant", "mean_s": 60}`) + `]}`
	}
	got := walkBy(t, "", "", `{"model": "users", "users": {"count": 20, "ramp_up_s": 1, "hold_for_s": 0.5}, "turns": [[1, 0, 0.25],
		[2, 0.25, 0.5], [1, 0.5, 0.75], [2, 0.75, 1], [1, 1, 1.25], [2, 1.25, 1.5]], "journeys": [`+side("head")+`, `+side("base")+`]}`)
	for _, name := range []string{"/base", "/head"} {
		at := map[int64]int{}
		for _, one := range got.of(name) {
			if at[one.due/10_000]++; at[one.due/10_000] > 2 { // one of this turn, and one of the turn before
				t.Errorf("%s: %d users start after %d ms", name, at[one.due/10_000], one.due/1000)
			}
		}
		if len(at) < 10 {
			t.Errorf("%s: users start at %d moments", name, len(at))
		}
	}
}

func TestARedirectAsksTheCacheForItsOwnURL(t *testing.T) {
	moved := false
	w := witnessing(t, "If-None-Match", func(out http.ResponseWriter, in *http.Request) {
		if in.URL.Path == "/old" && moved {
			http.Redirect(out, in, "/new", http.StatusFound)
			return
		}
		moved = in.URL.Path == "/new"
		out.Header().Set("Etag", `"`+in.URL.Path+`"`)
	})
	one := `"journeys": [{"address": "` + w.URL + `", "cache": true, "timeout_s": 5, "keepalive": true, "follow_redirects": true, "steps": [`
	walkBy(t, "", "", `{"model": "users", "users": {"count": 1, "iterations": 1}, `+
		one+get("/old")+`, `+get("/new")+`, `+get("/old")+`]}]}`)
	w.expect(t, "GET /old ", "GET /new ", `GET /old "/old"`, `GET /new "/new"`)
}

func TestARequestWithoutAFileOfThisMachineIsNoFailureOfTheService(t *testing.T) {
	full := &exchanged{err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}}
	for _, fields := range []string{`{"model": "requests", "points": [[0, 1], [1, 1]]}`, once1} {
		l := loadOf(t, "http://127.0.0.1:1", `[`+get("/")+`]`, `{"points": [[0, 1], [1, 1]]}`)
		if err := json.Unmarshal([]byte(fields), l); err != nil {
			t.Fatal(err)
		}
		e, err := newEngine(l)
		if err != nil {
			t.Fatal(err)
		}
		o, err := newLoop(l, e, e.addPacer(l, 0, 1), newSlots(1), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(o.poll.close)
		s := o.slots.acquire()
		s.request = e.programs[0].requests[0]
		if o.crowd != nil {
			s.session = o.crowd.sides[0].join(1, 0)
			s.session.step = 1
		}
		answered(o, s, full)
		_, _, dropped, _ := o.pacer.lateness.take()
		if o.slots.inFlight() != 0 || len(o.results.pending) != 0 || (o.crowd == nil || o.crowd.capped) != (dropped == 1) ||
			o.crowd != nil && (s.session.step != 0 || len(o.crowd.sides[0].sleepers) != 1) {
			t.Errorf("%s: %d dropped, %+v", fields, dropped, s.session)
		}
	}
}

func TestALargeHeadLeavesNoMemoryBehind(t *testing.T) {
	r := &response{head: make([]byte, 0, maxHeadBytes)}
	if r.reset("GET"); cap(r.head) > 1<<16 {
		t.Error("a large head is kept")
	}
}
