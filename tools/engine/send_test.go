package main

import (
	"bytes"
	"cmp"
	"context"
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

	"toril/tools/engine/internal/text"
)

// TestMain has loads send all of their requests, however late a busy machine makes them.
func TestMain(m *testing.M) {
	endGrace = int64(time.Minute)
	os.Exit(m.Run())
}

// send runs a load, of 20 requests unless it has points, and returns the number of samples for each response code.
func send(t *testing.T, l *load) map[string]int {
	t.Helper()
	return sendBy(t, l, run)
}

// byClient sends with Go's client, as systems without epoll do.
func byClient(l *load) error {
	l.byClient = true
	return run(l)
}

// senders are the two ways over HTTP/1; on some systems they are the same.
var senders = map[string]func(*load) error{"by default": run, "with Go's client": byClient}

func sendBy(t *testing.T, l *load, run func(*load) error) map[string]int {
	t.Helper()
	l.Folder = t.TempDir()
	if l.Points == nil {
		l.Points = curve{{0, 40}, {0.5, 40}}
	}
	l.Interleave = interleave{Weight: 1, Peers: []peerGroup{{1, 1, 0}}}
	l.GracefulStopS, l.MaxWorkers, l.Redirects = 60, 100, 10
	go openGate(t.Context(), l.Folder)
	if err := run(l); err != nil {
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
	counts := map[string]int{}
	for _, row := range samples(t, l) {
		counts[outcomes[binary.LittleEndian.Uint32(row[52:])]]++
	}
	return counts
}

// openGate starts the load as soon as the engine is ready.
func openGate(ctx context.Context, folder string) {
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(folder, "parked")); err == nil {
			at := float64(time.Now().UnixMicro())/1e6 + 0.05
			gate := filepath.Join(folder, "gate")
			_ = os.WriteFile(gate+".new", []byte(strconv.FormatFloat(at, 'f', 6, 64)+"\n"), 0o600)
			_ = os.Rename(gate+".new", gate)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func samples(t *testing.T, l *load) [][]byte {
	t.Helper()
	rows, err := os.ReadFile(filepath.Join(l.Folder, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	var found [][]byte
	for ; len(rows) >= rowBytes; rows = rows[rowBytes:] {
		if binary.LittleEndian.Uint32(rows[48:]) < latenessRow {
			found = append(found, rows[:rowBytes])
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

func to(url string) []journey { return asking(block{URL: url, Label: "/"}) }

// asking returns the journey of these requests, which are GETs unless they have a method.
func asking(requests ...block) []journey {
	for i := range requests {
		requests[i].Do, requests[i].Method = "request", cmp.Or(requests[i].Method, "GET")
	}
	return []journey{{KeepAlive: true, TimeoutS: 60, Follow: true, Steps: requests}}
}

func TestHTTP2IsUsedIfTheSuiteAsksForIt(t *testing.T) {
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
	got := send(t, &load{HTTP2: true, Insecure: true, Journeys: to(server.URL)})
	if got["200"] != 20 || protocol.Load() != 2 {
		t.Errorf("%v over HTTP/%d", got, protocol.Load())
	}
	if connections.Load() < http2Connections { // a slow handshake makes further ones
		t.Errorf("over %d connections, which is one address of a load balancer", connections.Load())
	}
	got = send(t, &load{Insecure: true, Journeys: to(server.URL)})
	if got["200"] != 20 || protocol.Load() != 1 {
		t.Errorf("%v over HTTP/%d without http2", got, protocol.Load())
	}
}

func TestHTTP2WorksWithoutTLS(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) {
		s.Config.Protocols = &http.Protocols{}
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}, &protocol)
	if got := send(t, &load{HTTP2: true, Journeys: to(server.URL)}); got["200"] != 20 || protocol.Load() != 2 {
		t.Errorf("%v over HTTP/%d", got, protocol.Load())
	}
}

func TestHTTP2DoesNotFallBackToHTTP1(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) { s.StartTLS() }, &protocol)
	if got := send(t, &load{HTTP2: true, Insecure: true, Journeys: to(server.URL)}); got["200"] != 0 || len(got) != 1 {
		t.Errorf("%v: it fell back to HTTP/%d", got, protocol.Load())
	}
}

func TestAnUnknownCertificateAuthorityIsAFailure(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) { s.Config.ErrorLog = nil; s.StartTLS() }, &protocol)
	if got := send(t, &load{Journeys: to(server.URL)}); got["SSLCertVerificationError"] != 20 {
		t.Error(got)
	}
	if got := send(t, &load{Journeys: to("https" + strings.TrimPrefix(server.URL, "https")), Insecure: true}); got["200"] != 20 {
		t.Error(got)
	}
}

func TestURLsAreEscaped(t *testing.T) {
	for target, wanted := range map[string]string{
		"":                  "/",
		"/a b?q=lamp shade": "/a%20b?q=lamp%20shade",
		"/ü?50% off&%41=%4": "/%C3%BC?50%25%20off&%41=%254",
		"/[1]?a=\"b\"|\r\n": "/[1]?a=%22b%22%7C%0D%0A",
		"?x=1&y=2+3":        "/?x=1&y=2+3",
		"/x y#part/z?w":     "/x%20y",
	} {
		if got := string(appendTarget(nil, []byte(target))); got != wanted {
			t.Errorf("%q became %q and not %q", target, got, wanted)
		}
	}
}

func TestARequestThatDependsOnNothingIsBuiltOnce(t *testing.T) {
	for written, built := range map[string]bool{"http://h/a b|c#part": true, "http://h/${v}": false, "http://${v}/": false} {
		r, err := newRequest(&block{Method: "GET", URL: written}, &journey{}, &text.Names{}, false, 0)
		if err != nil || (r.wire != nil) != built || built && !strings.HasPrefix(string(r.wire), "GET /a%20b%7Cc HTTP/1.1\r\nHost: h\r\n") {
			t.Errorf("%s: %v %q", written, err, r.wire)
		}
	}
}

func TestIndependentRequestsTakeRowsInTurn(t *testing.T) {
	w := witnessing(t, "X-Item", nil)
	l := &load{Sources: []dataSource{{Columns: []string{"user", "item"}, Rows: [][]string{{"ann", "1"}, {"bob", "2"}}}}}
	l.Journeys = asking(block{URL: w.URL + "/${user}/${other}", Headers: [][2]string{{"X-Item", "${item}"}}}, block{URL: w.URL + "/b?${user}"})
	l.Points = curve{{0, 8}, {0.5, 8}}
	if got := send(t, l); got["200"] != 4 {
		t.Error(got)
	}
	w.expect(t, "GET /ann/$%7Bother%7D 1", "GET /b?ann ", "GET /bob/$%7Bother%7D 2", "GET /b?bob ")
}

func TestEndlessHeadersAreAFailure(t *testing.T) {
	server := raw(t, func(made net.Conn) {
		_, err := made.Read(make([]byte, 1000)) // an answer before the request is an error of its own
		if err == nil {
			_, err = made.Write([]byte("HTTP/1.1 200 OK\r\nX-Endless: "))
		}
		for more := bytes.Repeat([]byte("x"), 1<<20); err == nil; {
			_, err = made.Write(more)
		}
	})
	for name, run := range senders {
		got := sendBy(t, &load{Journeys: to(server), Points: curve{{0, 4}, {0.5, 4}}}, run)
		if got["BadStatusLine"] != 2 || len(got) != 1 {
			t.Error(name, got)
		}
	}
}

func TestEndlessInformationalResponsesAreAFailure(t *testing.T) {
	server := raw(t, func(made net.Conn) {
		_, err := made.Read(make([]byte, 1000))
		for more := bytes.Repeat([]byte(earlyHints), 100); err == nil; {
			_, err = made.Write(more)
		}
	})
	for name, run := range senders {
		if got := sendBy(t, &load{Journeys: to(server)}, run); got["BadStatusLine"] != 20 || len(got) != 1 {
			t.Error(name, got)
		}
	}
}

func TestInformationalResponsesAreBoundedOverHTTP2(t *testing.T) {
	for many, want := range map[int]string{maxInformational: "200", maxInformational + 1: "BadStatusLine"} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range many {
				w.WriteHeader(http.StatusEarlyHints)
			}
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		t.Cleanup(server.Close)
		if got := send(t, &load{HTTP2: true, Insecure: true, Journeys: to(server.URL)}); got[want] != 20 || len(got) != 1 {
			t.Errorf("%d of them: %v", many, got)
		}
	}
}

func TestFailuresOfDifferentHTTP2StreamsAreCountedTogether(t *testing.T) {
	for _, text := range []string{
		`Get "http://h/": stream error: stream ID 15; INTERNAL_ERROR; received from peer`,
		"stream error: stream ID 1; INTERNAL_ERROR; received from peer",
	} {
		if got := clean(text); got != "stream error: INTERNAL_ERROR; received from peer" {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestAnIdleConnectionThatTheServiceClosedIsNotUsed(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, func(s *httptest.Server) { s.Config.IdleTimeout = 60 * time.Millisecond; s.Start() }, &protocol)
	got := send(t, &load{Journeys: to(server.URL), Points: curve{{0, 3}, {1, 3}}})
	if got["200"] != 3 || len(got) != 1 {
		t.Error(got)
	}
	server = served(t, func(s *httptest.Server) { s.Config.IdleTimeout = 60 * time.Millisecond; s.StartTLS() }, &protocol)
	got = send(t, &load{Insecure: true, Journeys: to(server.URL), Points: curve{{0, 3}, {1, 3}}})
	if got["200"] != 3 || len(got) != 1 {
		t.Error("with TLS", got)
	}
}

func TestConnectionsAreUsedAgainAfterResponsesOfEveryKind(t *testing.T) {
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
	for _, byClient := range []bool{false, true} {
		connections.Store(0)
		r := newRig(t, &load{byClient: byClient, MaxWorkers: 10}, 100)
		for _, path := range []string{"/chunks", "/nothing", "/early", "/", "/chunks"} {
			if got := r.ask(nil, http.MethodGet, server.URL+path); got.err != nil {
				t.Error(path, got.err)
			}
		}
		if connections.Load() != 1 {
			t.Errorf("%d connections, with Go's client: %t", connections.Load(), byClient)
		}
	}
}

func TestAResponseBeforeTheEndOfTheRequestCounts(t *testing.T) {
	server := raw(t, func(made net.Conn) {
		some := make([]byte, 1000)
		if _, err := made.Read(some); err == nil {
			_, _ = made.Write([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		}
		time.Sleep(100 * time.Millisecond) // closing with unread bytes resets the connection
	})
	large := block{Method: "POST", URL: server, Label: "/", BodyBytes: make([]byte, 20<<20)}
	got := send(t, &load{Journeys: asking(large), Points: curve{{0, 8}, {0.5, 8}}})
	if got["413"] != 4 || len(got) != 1 {
		t.Error(got)
	}
}

// raw starts a server that calls serve for each connection and then closes it. It returns the URL.
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

func TestATLSHandshakeIsBoundedByTheConnectTimeout(t *testing.T) {
	connectTimeout = 100 * time.Millisecond
	t.Cleanup(func() { connectTimeout = 10 * time.Second })
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, http2 := range []bool{false, true} {
		began := time.Now()
		got := send(t, &load{HTTP2: http2, Journeys: to("https://" + silent.Addr().String()), Points: curve{{0, 3}, {1, 3}}})
		if took := time.Since(began); got["TimeoutError"] != 3 || took > 30*time.Second {
			t.Error(http2, got, took)
		}
	}
}
