package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// rig is a loop without a schedule, whose turns the test takes.
type rig struct {
	*loop
	t *testing.T
}

func newRig(t *testing.T, l *load, files int) *rig {
	t.Helper()
	l.Folder, l.Points, l.Interleave = t.TempDir(), curve{{0, 1}, {1, 1}}, interleave{Weight: 1, Peers: []peerGroup{{1, 1, 0}}}
	e, err := newEngine(l)
	if err != nil {
		t.Fatal(err)
	}
	o, err := newLoop(l, e, e.addPacer(l, 0, 1), newSlots(10_000), files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.poll.close)
	return &rig{o, t}
}

// reply is what is left of an exchange.
type reply struct {
	exchanged
	body string
	rc   string
	done bool
}

// begin sends a GET, or a POST of 4 bytes.
func (r *rig) begin(own *connections, method, address string, want capture) *reply {
	at, err := url.Parse(address)
	if err != nil {
		r.t.Fatal(err)
	}
	wire := method + " " + at.RequestURI() + " HTTP/1.1\r\nHost: " + at.Host + "\r\n"
	if method == http.MethodPost {
		wire += "Content-Length: 4\r\n\r\nsent"
	} else {
		wire += "\r\n"
	}
	got := &reply{}
	s := r.slots.acquire()
	s.done = func(o *loop, s *slot, e *exchanged) {
		if got.done {
			r.t.Error("done is called twice")
		}
		*got = reply{exchanged: *e, body: string(e.body), done: true}
		if got.rc = http.StatusText(e.status); e.err != nil {
			got.rc = outcomeOf(0, e.err).rc
		}
		o.release(s)
	}
	s.sent = now()
	r.expect(s, 5*int64(time.Second))
	r.exchange(s, []byte(wire), server{at.Scheme, at.Host}, method, want, own)
	if got.done {
		r.t.Error("done is called before exchange returns")
	}
	return got
}

func (r *rig) wait(done func() bool) {
	r.t.Helper()
	for until := now() + int64(time.Minute); !done(); {
		r.settleFaults()
		if done() {
			return
		}
		if err := r.turn(now() + int64(10*time.Millisecond)); err != nil || now() > until {
			r.t.Fatal("nothing happens", err)
		}
	}
}

func (r *rig) ask(own *connections, method, address string) *reply {
	r.t.Helper()
	got := r.begin(own, method, address, capture{true, bodyLimit})
	r.wait(func() bool { return got.done })
	return got
}

func TestAnEndedLoopHandlesNoMoreResponses(t *testing.T) {
	r := newRig(t, &load{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	own := &connections{}
	r.ask(own, "GET", server.URL)
	got := r.begin(own, "GET", server.URL, capture{})
	time.Sleep(50 * time.Millisecond) // until the response is there
	r.aborted.Store(true)
	if err := r.turn(now() + int64(time.Second)); err != nil || got.done {
		t.Error("handled", got, err)
	}
}

// counting starts a server that answers with the client's address and counts connections by their state.
func counting(t *testing.T, start func(*httptest.Server)) (server *httptest.Server, count func(http.ConnState) int) {
	t.Helper()
	var mutex sync.Mutex
	counts := map[http.ConnState]int{}
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		mutex.Lock()
		defer mutex.Unlock()
		counts[state]++
	}
	server.Config.ErrorLog = quiet
	start(server)
	t.Cleanup(server.Close)
	return server, func(state http.ConnState) int {
		mutex.Lock()
		defer mutex.Unlock()
		return counts[state]
	}
}

// protocols are the ways of a user's requests to a server.
var protocols = map[string]struct {
	load  load
	start func(*httptest.Server)
}{
	"HTTP/1":              {load{}, (*httptest.Server).Start},
	"HTTP/1, TLS":         {load{Insecure: true}, (*httptest.Server).StartTLS},
	"HTTP/1, Go's client": {load{byClient: true}, (*httptest.Server).Start},
	"HTTP/2": {load{HTTP2: true, Insecure: true}, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	}},
}

func TestEachUserKeepsAConnectionUntilItEnds(t *testing.T) {
	for name, one := range protocols {
		t.Run(name, func(t *testing.T) {
			server, count := counting(t, one.start)
			r := newRig(t, &one.load, 100)
			var ann, bob connections
			first, second, other := r.ask(&ann, "GET", server.URL), r.ask(&ann, "POST", server.URL), r.ask(&bob, "GET", server.URL)
			if first.rc != "OK" || second.body != first.body || other.body == first.body {
				t.Errorf("%q, %q and %q", first.body, second.body, other.body)
			}
			if !first.fresh || second.fresh || first.connect <= 0 || first.peer.String() != server.Listener.Addr().String() {
				t.Errorf("%+v, then %+v", first, second)
			}
			ann.close(r.loop)
			r.wait(func() bool { return count(http.StateClosed) == 1 })
			if again := r.ask(&ann, "GET", server.URL); again.rc != "OK" || !again.fresh || again.body == first.body {
				t.Errorf("%+v", again)
			}
			if made := count(http.StateNew); made != 3 {
				t.Errorf("%d connections", made)
			}
			ann.close(r.loop)
			name := &hostname{}
			for _, p := range r.pools {
				name = p.hostname
			}
			r.renew(name) // it has other addresses
			if moved := r.ask(&bob, "GET", server.URL); !moved.fresh {
				t.Errorf("%+v", moved)
			}
			bob.close(r.loop)
			r.wait(func() bool { return count(http.StateClosed) == 4 })
		})
	}
}

func TestAConnectionThatTheServiceClosedWhileItsUserThoughtIsReplaced(t *testing.T) {
	for name, one := range protocols {
		t.Run(name, func(t *testing.T) {
			server, count := counting(t, func(s *httptest.Server) {
				s.Config.IdleTimeout = 30 * time.Millisecond
				one.start(s)
			})
			r := newRig(t, &one.load, 100)
			var ann connections
			for i := range 3 {
				if got := r.ask(&ann, "POST", server.URL); got.rc != "OK" || !got.fresh {
					t.Fatalf("request %d: %+v", i, got)
				}
				time.Sleep(20 * time.Millisecond) // the loop is busy with others
				r.wait(func() bool { return count(http.StateClosed) == i+1 })
			}
		})
	}
}

func TestARequestThatMayHaveArrivedIsNotSentAgain(t *testing.T) {
	for name, byClient := range map[string]bool{"sockets": false, "Go's client": true} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			address := raw(t, func(made net.Conn) {
				for some := make([]byte, 1000); ; {
					if _, err := made.Read(some); err != nil || requests.Add(1) > 1 {
						return // closes the connection instead of an answer
					}
					_, _ = io.WriteString(made, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			r := newRig(t, &load{byClient: byClient}, 100)
			var ann connections
			first, second := r.ask(&ann, "GET", address), r.ask(&ann, "GET", address)
			if first.rc != "OK" || second.err == nil || second.fresh || requests.Load() != 2 {
				t.Errorf("%+v, then %+v with %d requests", first, second, requests.Load())
			}
		})
	}
}

func TestARequestInFlightFailsIfItsUserEnds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	r := newRig(t, &load{}, 100)
	var ann connections
	got := r.begin(&ann, "GET", "http://"+silent.Addr().String(), capture{})
	ann.close(r.loop)
	r.wait(func() bool { return got.done })
	if !errors.Is(got.err, errClosed) || len(r.conns) != len(r.unused) {
		t.Errorf("%+v", got)
	}
}

func TestFailuresToConnect(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	for address, want := range map[string]string{
		"http://" + listener.Addr().String():  "ConnectionRefusedError",
		"https://" + listener.Addr().String(): "ConnectionRefusedError",
		"http://missing.invalid":              "gaierror",
		"ftp://127.0.0.1":                     "Error",
	} {
		r := newRig(t, &load{}, 100)
		r.dialer.lookup = func(context.Context, string) ([]string, error) { return nil, nil }
		var ann connections
		for _, own := range []*connections{nil, &ann} {
			if got := r.ask(own, "GET", address); got.rc != want || got.peer != nil || got.status != 0 {
				t.Errorf("%s: %+v", address, got)
			}
		}
		for _, p := range r.pools {
			if p.open != 0 || len(r.conns) != len(r.unused) {
				t.Errorf("%s: %d connections are open", address, p.open)
			}
		}
	}
}

func TestAllAddressesAreTriedWithoutWaiting(t *testing.T) {
	server, _ := counting(t, (*httptest.Server).Start)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	r := newRig(t, &load{}, 100)
	asked := 0
	r.dialer.ttl = time.Minute
	r.dialer.lookup = func(context.Context, string) ([]string, error) {
		asked++
		return []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, nil // the server listens at the first one only
	}
	for range 6 {
		var ann connections
		got := r.ask(&ann, "GET", "http://shop.example:"+port)
		if got.rc != "OK" || got.peer.String() != server.Listener.Addr().String() {
			t.Fatalf("%+v", got)
		}
	}
	if asked != 1 {
		t.Errorf("looked up %d times", asked)
	}
}

func TestAConnectionIsBoundedByTheConnectTimeout(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, _ := syscall.Getsockname(fd)
	full := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	if made, err := net.DialTCP("tcp", nil, &full); err == nil { // the server accepts none: the next one waits
		defer made.Close()
	}
	connectTimeout = 100 * time.Millisecond
	t.Cleanup(func() { connectTimeout = 10 * time.Second })
	r := newRig(t, &load{}, 100)
	var ann connections
	if got := r.ask(&ann, "GET", "http://"+full.String()); got.rc != "TimeoutError" || len(r.conns) != len(r.unused) {
		t.Errorf("%+v", got)
	}
}

func TestTheConnectionIdleForLongestGivesWayToAnother(t *testing.T) {
	for name, one := range protocols {
		if one.load.byClient || one.load.HTTP2 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			server, count := counting(t, one.start)
			r := newRig(t, &one.load, 3)
			users := make([]connections, 5)
			for round := range 3 {
				for i := range users {
					if got := r.ask(&users[i], "GET", server.URL); got.rc != "OK" || !got.fresh {
						t.Fatalf("round %d, user %d: %+v", round, i, got)
					}
				}
			}
			if made := count(http.StateNew); made != 15 {
				t.Errorf("%d connections", made)
			}
			last := &users[4]
			if got := r.ask(last, "GET", server.URL); got.fresh {
				t.Error("the last user's connection is idle for the shortest time")
			}
		})
	}
}

func TestWithoutAnIdleConnectionTheRequestFails(t *testing.T) {
	address := raw(t, func(made net.Conn) { _, _ = io.Copy(io.Discard, made) })
	r := newRig(t, &load{}, 1)
	var ann, bob connections
	r.begin(&ann, "GET", address, capture{})
	if got := r.ask(&bob, "GET", address); got.rc != "OSError" || !errors.Is(got.err, syscall.EMFILE) {
		t.Errorf("%+v", got)
	}
}

// The service has no memory of Go's: the test is both sides.
func TestAnIdleConnectionIsSmall(t *testing.T) {
	const users, mostBytes = 1000, 700
	service, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(service)
	if err := errors.Join(
		syscall.Bind(service, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(service, 10),
	); err != nil {
		t.Fatal(err)
	}
	name, _ := syscall.Getsockname(service)
	full := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	r := newRig(t, &load{}, users)
	all := make([]connections, users)
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // what the first one found in pools and finalizers
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	some := make([]byte, 1000)
	before := int64(0)
	for i := range all {
		if i == users/10 { // what all share is there
			before = heap()
		}
		got := r.begin(&all[i], "GET", "http://"+full.String(), capture{})
		accepted, _, err := syscall.Accept(service)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(accepted)
		r.wait(func() bool { return len(all[i].list) == 1 && all[i].list[0].response != nil })
		if _, err := syscall.Read(accepted, some); err != nil {
			t.Fatal(err)
		}
		_, _ = syscall.Write(accepted, answer)
		r.wait(func() bool { return got.done })
	}
	if each := (heap() - before) / (users * 9 / 10); each > mostBytes { // less, where memory of earlier tests is freed
		t.Errorf("%d bytes", each)
	}
	runtime.KeepAlive(all)
	runtime.KeepAlive(r)
}

func TestAResponseInPiecesIsCapturedUpToTheLimit(t *testing.T) {
	body := strings.Repeat("0123456789", 20_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", "200000")
		}
		for part := body; len(part) > 0; part = part[10_000:] {
			_, _ = io.WriteString(w, part[:10_000])
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(server.Close)
	for name, byClient := range map[string]bool{"sockets": false, "Go's client": true} {
		r := newRig(t, &load{byClient: byClient}, 100)
		var ann connections
		for path, want := range map[string]capture{"/sized": {true, bodyLimit}, "/chunks": {true, bodyLimit}, "/sized?": {true, 1234}, "/": {}} {
			got := r.begin(&ann, "GET", server.URL+path, want)
			s := r.slots.at(0)
			done, decoded := s.done, ""
			s.done = func(o *loop, s *slot, e *exchanged) {
				text, err := o.bodies.decode(e.head, e.body)
				if decoded = string(text); err != nil {
					t.Error(err)
				}
				done(o, s, e)
			}
			r.wait(func() bool { return got.done })
			if got.bytes != 200_000 || got.headers <= 0 || !strings.HasPrefix(body, decoded) || int64(len(decoded)) != min(want.limit, 200_000) {
				t.Errorf("%s %s: %d bytes, of which %d are captured", name, path, got.bytes, len(decoded))
			}
		}
	}
}

func TestALocalPortIsFreeAtOnceIfItsConnectionGivesWay(t *testing.T) {
	ended := make(chan error, 2)
	address := raw(t, func(made net.Conn) {
		some := make([]byte, 1000)
		if _, err := made.Read(some); err == nil {
			_, _ = io.WriteString(made, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
		_, err := made.Read(some)
		ended <- err
	})
	other, _ := counting(t, (*httptest.Server).Start)
	r := newRig(t, &load{}, 10)
	var ann, bob connections
	if r.ask(&bob, "GET", other.URL).rc != "OK" || r.ask(&ann, "GET", address).rc != "OK" {
		t.Fatal("no connections")
	}
	p := r.pools[server{"http", address[len("http://"):]}]
	if r.evict(p, &ann, syscall.EADDRNOTAVAIL) {
		t.Error("no other user is connected to this server")
	}
	if !r.evict(p, &bob, syscall.EADDRNOTAVAIL) || len(ann.list) != 0 || len(bob.list) != 1 {
		t.Error("the other user's connection to the same server gives way")
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Error("it ended with", err)
	}
}

func TestAfterManyConnectionsOfAMinuteTheNextOnesKeepNoLocalPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ends := make(chan error)
	go func() {
		for {
			accepted, err := listener.Accept()
			if err != nil {
				return
			}
			some := make([]byte, 1000)
			_, _ = accepted.Read(some)
			_, _ = io.WriteString(accepted, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			_, err = accepted.Read(some)
			ends <- err
			_ = accepted.Close()
		}
	}()
	r := newRig(t, &load{}, 100)
	r.farewells.most = 2
	var got []bool
	for range 4 {
		var own connections
		if body := r.ask(&own, http.MethodGet, "http://"+listener.Addr().String()+"/").body; body != "ok" {
			t.Fatal(body)
		}
		own.close(r.loop)
		got = append(got, errors.Is(<-ends, syscall.ECONNRESET))
	}
	if want := []bool{false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("resets: %v, want %v", got, want)
	}
	if r.farewells.since -= int64(time.Minute); r.farewells.abrupt(now()) {
		t.Error("a new minute begins with resets")
	}
}
