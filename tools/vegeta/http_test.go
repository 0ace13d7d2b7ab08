package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// sent is what becomes of the requests of a load, 20 unless it says how many: outcomes by their names, and how many rows there are.
func sent(t *testing.T, l *load) map[string]int {
	t.Helper()
	return sentBy(t, l, run)
}

func sentBy(t *testing.T, l *load, run func(*load) error) map[string]int {
	t.Helper()
	l.Folder = t.TempDir()
	if l.Points == nil {
		l.Points = [][2]float64{{0, 40}, {0.5, 40}}
	}
	l.Stripe = stripe{Weight: 1, Mates: [][3]int64{{1, 1, 0}}}
	l.TimeoutS, l.GracefulStopS, l.KeepAlive, l.MaxWorkers, l.Redirects = 5, 5, true, 100, 10
	at := float64(time.Now().UnixMicro())/1e6 + 0.05
	gate := strconv.FormatFloat(at, 'f', 6, 64) + "\n"
	if err := os.WriteFile(filepath.Join(l.Folder, "gate"), []byte(gate), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(l); err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile(filepath.Join(l.Folder, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadFile(filepath.Join(l.Folder, "names"))
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for line := range strings.Lines(string(names)) {
		var values []any
		if err := json.Unmarshal([]byte(line), &values); err != nil {
			t.Fatal(err)
		}
		if values[0] == "outcome" {
			outcomes = append(outcomes, values[1].(string))
		}
	}
	found := map[string]int{}
	for ; len(rows) >= rowBytes; rows = rows[rowBytes:] {
		if binary.LittleEndian.Uint32(rows[48:]) < lateRow {
			found[outcomes[binary.LittleEndian.Uint32(rows[52:])]]++
		}
	}
	return found
}

func served(t *testing.T, start func(*httptest.Server), protocols *atomic.Int32) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		protocols.Store(int32(r.ProtoMajor))
	}))
	start(server)
	t.Cleanup(server.Close)
	return server
}

func to(url string) []told { return []told{{Method: "GET", URL: url, Label: "/", Follow: true}} }

func TestHTTP2IsSpokenWhereTheSuiteSaysSo(t *testing.T) {
	var protocol atomic.Int32
	var connections atomic.Int32
	server := served(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		s.StartTLS()
	}, &protocol)
	got := sent(t, &load{HTTP2: true, Insecure: true, Targets: to(server.URL)})
	if got["200"] != 20 || protocol.Load() != 2 {
		t.Errorf("%v over HTTP/%d", got, protocol.Load())
	}
	if connections.Load() != connectionsOfHTTP2 {
		t.Errorf("over %d connections, which is one address of a load balancer", connections.Load())
	}
	got = sent(t, &load{Insecure: true, Targets: to(server.URL)})
	if got["200"] != 20 || protocol.Load() != 1 {
		t.Errorf("%v over HTTP/%d, which nobody asked for", got, protocol.Load())
	}
}

func TestHTTP2WithoutTLSIsSpokenAtOnce(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) {
		s.Config.Protocols = &http.Protocols{}
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}, &protocol)
	if got := sent(t, &load{HTTP2: true, Targets: to(server.URL)}); got["200"] != 20 || protocol.Load() != 2 {
		t.Errorf("%v over HTTP/%d", got, protocol.Load())
	}
}

func TestAServiceWithoutHTTP2FailsARunThatAsksForIt(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) { s.StartTLS() }, &protocol)
	if got := sent(t, &load{HTTP2: true, Insecure: true, Targets: to(server.URL)}); got["200"] != 0 || len(got) != 1 {
		t.Errorf("%v: it fell back to HTTP/%d", got, protocol.Load())
	}
}

func TestACertificateThatNobodyVouchesForIsAFailure(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) { s.Config.ErrorLog = nil; s.StartTLS() }, &protocol)
	if got := sent(t, &load{Targets: to(server.URL)}); got["SSLCertVerificationError"] != 20 {
		t.Error(got)
	}
	if got := sent(t, &load{Targets: to("https" + strings.TrimPrefix(server.URL, "https")), Insecure: true}); got["200"] != 20 {
		t.Error(got)
	}
}

func TestAnAddressIsSentWithoutWhatHasNoPlaceInOne(t *testing.T) {
	made := map[string]string{
		"http://h":                  "http://h",
		"http://ü/a b?q=lamp shade": "http://ü/a%20b?q=lamp%20shade",
		"http://h/ü?50% off&%41=%4": "http://h/%C3%BC?50%25%20off&%41=%254",
		"http://h/[1]?a=\"b\"|\r\n": "http://h/[1]?a=%22b%22%7C%0D%0A",
		"http://u:p@h:80?x=1&y=2+3": "http://u:p@h:80?x=1&y=2+3",
	}
	for address, wanted := range made {
		if got := sendable(address); got != wanted {
			t.Errorf("%q became %q and not %q", address, got, wanted)
		}
	}
	plain := requests([]told{{Method: "GET", URL: "http://h/a b|c#part"}}, nil, func(string) uint32 { return 0 })[0]
	if got, _, _ := strings.Cut(string(plain.wire), "\r\n"); got != "GET /a%20b%7Cc HTTP/1.1" {
		t.Errorf("what goes over the wire begins with %q", got)
	}
	known := []source{{Columns: []string{"v"}, Rows: [][]string{{"x y#part/z"}}}}
	one := requests([]told{{URL: "http://h/${v}?w"}}, known, func(string) uint32 { return 0 })[0]
	if got := one.urlWith([][]string{{"x y#part/z"}}); got != "http://h/x%20y" {
		t.Errorf("a value with a fragment became %q", got)
	}
}

func TestHeadersWithoutAnEndAreAFailure(t *testing.T) {
	server := raw(t, func(made net.Conn) {
		_, err := made.Write([]byte("HTTP/1.1 200 OK\r\nX-Endless: "))
		for more := bytes.Repeat([]byte("x"), 1<<20); err == nil; {
			_, err = made.Write(more)
		}
	})
	got := sent(t, &load{Targets: to(server), Points: [][2]float64{{0, 4}, {0.5, 4}}})
	if got["BadStatusLine"] != 2 || len(got) != 1 {
		t.Error(got)
	}
}

func TestFailuresThatDifferOnlyByTheirStreamAreOne(t *testing.T) {
	for _, text := range []string{
		`Get "http://h/": stream error: stream ID 15; INTERNAL_ERROR; received from peer`,
		"stream error: stream ID 1; INTERNAL_ERROR; received from peer",
	} {
		if got := clean(text); got != "stream error: INTERNAL_ERROR; received from peer" {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestAConnectionThatTheServiceClosedMeanwhileIsNoFailure(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) { s.Config.IdleTimeout = 60 * time.Millisecond; s.Start() }, &protocol)
	got := sent(t, &load{Targets: to(server.URL), Points: [][2]float64{{0, 3}, {1, 3}}})
	if got["200"] != 3 || len(got) != 1 {
		t.Error(got)
	}
	server = served(t, func(s *httptest.Server) { s.Config.IdleTimeout = 60 * time.Millisecond; s.StartTLS() }, &protocol)
	got = sent(t, &load{Insecure: true, Targets: to(server.URL), Points: [][2]float64{{0, 3}, {1, 3}}})
	if got["200"] != 3 || len(got) != 1 {
		t.Error("with TLS", got)
	}
}

func TestResponsesOfEveryKindLeaveTheConnectionToTheNextOne(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/chunks":
			for range 3 {
				_, _ = w.Write([]byte("part"))
				w.(http.Flusher).Flush()
			}
		case "/nothing":
			w.WriteHeader(http.StatusNoContent)
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	var targets []told
	for _, path := range []string{"/chunks", "/nothing", "/early", "/"} {
		targets = append(targets, told{Method: "GET", URL: server.URL + path, Label: path})
	}
	got := sent(t, &load{Targets: targets})
	if got["200"] != 15 || got["204"] != 5 || connections.Load() > 4 {
		t.Errorf("%v over %d connections", got, connections.Load())
	}
}

func TestThereIsAConnectionForEachAddressAndIdleOnesTakeTurns(t *testing.T) {
	p := &pool{known: &known{}}
	p.known.many.Store(2)
	take := func() *line {
		return p.take(func(*line) bool { return true }, func(*line) { t.Error("one is dropped") })
	}
	if take() != nil || p.many != 1 {
		t.Fatal("there is no connection yet")
	}
	first, second := &line{pool: p}, &line{pool: p}
	p.give(first)
	if take() != nil {
		t.Fatal("one of two addresses would get everything")
	}
	p.give(second)
	for _, want := range []*line{first, second, first} {
		got := take()
		if got != want {
			t.Fatal("idle connections do not take turns")
		}
		p.give(got)
	}
}

func TestWhatABurstLeftBehindIsClosed(t *testing.T) {
	p := &pool{known: &known{}}
	for range 5 {
		p.give(&line{pool: p})
		p.idle[len(p.idle)-1].since -= 2 * surplus
		p.many++
	}
	alive := func(*line) bool { return true }
	if p.take(alive, func(*line) { p.many-- }) == nil || p.many != 1 {
		t.Errorf("%d connections are kept for one request", p.many)
	}
}

func TestSeveralLoopsSendAllOfALoad(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, (*httptest.Server).Start, &protocol)
	got := sentBy(t, &load{Targets: to(server.URL)}, func(l *load) error {
		made, err := prepare(l)
		if err != nil {
			return err
		}
		return overHTTP1(l, made, 3)
	})
	if got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

func TestAnAnswerThatComesBeforeAllIsSentIsTheAnswer(t *testing.T) {
	server := raw(t, func(made net.Conn) {
		some := make([]byte, 1000)
		if _, err := made.Read(some); err == nil {
			_, _ = made.Write([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		}
		time.Sleep(100 * time.Millisecond) // closed with most of it unread: the other side is told to stop
	})
	target := told{Method: "POST", URL: server, Label: "/", Body: make([]byte, 20<<20)}
	got := sent(t, &load{Targets: []told{target}, Points: [][2]float64{{0, 8}, {0.5, 8}}})
	if got["413"] != 4 || len(got) != 1 {
		t.Error(got)
	}
}

// raw is the address of a server that does just that with each connection, and then closes it.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for {
			made, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				serve(made)
				_ = made.Close()
			}()
		}
	}()
	return "http://" + server.Addr().String()
}

func TestATLSHandshakeThatIsNeverAnsweredEndsBeforeTheRequestsTimeout(t *testing.T) {
	connecting = 100 * time.Millisecond
	t.Cleanup(func() { connecting = 10 * time.Second })
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, http2 := range []bool{false, true} {
		began := time.Now()
		got := sent(t, &load{HTTP2: http2, Targets: to("https://" + silent.Addr().String()), Points: [][2]float64{{0, 3}, {1, 3}}})
		if took := time.Since(began); got["TimeoutError"] != 3 || took > 4*time.Second {
			t.Error(http2, got, took)
		}
	}
}
