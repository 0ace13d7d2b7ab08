package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const megabyte = 1 << 20

func TestLargeBodiesAreSentAndReceivedWithAndWithoutTLS(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"plain": (*httptest.Server).Start,
		"TLS":   (*httptest.Server).StartTLS,
		"TLS 1.2": func(s *httptest.Server) {
			s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
			s.StartTLS()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				took := int64(0)
				for some := make([]byte, megabyte); ; {
					read, err := r.Body.Read(some)
					took += int64(read)
					if err != nil {
						break
					}
					if took < megabyte {
						time.Sleep(time.Millisecond) // let the buffers fill up
					}
				}
				if took != 20*megabyte {
					w.WriteHeader(http.StatusBadRequest)
				}
				if r.URL.Path == "/known" {
					w.Header().Set("Content-Length", fmt.Sprint(30*megabyte))
				}
				for some := make([]byte, megabyte); took > -10*megabyte; took -= megabyte {
					_, _ = w.Write(some)
				}
			}))
			start(server)
			t.Cleanup(server.Close)
			l := &load{Insecure: true, Points: curve{{0, 8}, {0.5, 8}}}
			large := func(path string) block {
				return block{Method: "POST", URL: server.URL + path, Label: path, BodyBytes: make([]byte, 20*megabyte)}
			}
			l.Journeys = asking(large("/known"), large("/chunks"))
			if got := send(t, l); got["200"] != 4 || len(got) != 1 {
				t.Error(got)
			}
			if got := bodyBytes(t, l); got != 4*30*megabyte {
				t.Errorf("%d bytes of bodies", got)
			}
		})
	}
}

func bodyBytes(t *testing.T, l *load) int64 {
	t.Helper()
	sum := int64(0)
	for _, row := range samples(t, l) {
		sum += int64(binary.LittleEndian.Uint64(row[40:]))
	}
	return sum
}

func TestASlowResponseDoesNotDelayOthers(t *testing.T) {
	server := raw(t, func(made net.Conn) {
		asked := make([]byte, 1000)
		for {
			read, err := made.Read(asked)
			if err != nil {
				return
			}
			answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
			if strings.HasPrefix(string(asked[:read]), "GET /drops") {
				for i := range answer {
					_, _ = made.Write([]byte(answer[i : i+1]))
					time.Sleep(5 * time.Millisecond)
				}
			} else {
				_, _ = made.Write([]byte(answer))
			}
		}
	})
	l := &load{Journeys: asking(block{URL: server + "/drops", Label: "drops"}, block{URL: server + "/", Label: "quick"})}
	if got := send(t, l); got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

func TestATruncatedTLSResponseIsAFailure(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		length := map[string]string{"/cut": "Content-Length: 100\r\n"}[r.URL.Path]
		_, _ = io.WriteString(buffered, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+length+"\r\nsome")
		_ = buffered.Flush()
		_ = made.Close()
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	for path, want := range map[string]string{"/cut": "RemoteDisconnected", "/closed": "200"} {
		if got := send(t, &load{Insecure: true, Journeys: to(server.URL + path)}); got[want] != 20 || len(got) != 1 {
			t.Error(path, got)
		}
	}
}

func TestIPv6AddressesWork(t *testing.T) {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6:", err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler()}}
	server.Start()
	t.Cleanup(server.Close)
	if got := send(t, &load{Journeys: to(server.URL)}); got["404"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

func TestEachAddressHasAConnectionAndIdleOnesTakeTurns(t *testing.T) {
	p := &pool{hostname: &hostname{}}
	p.hostname.count.Store(2)
	take := func() *conn {
		return p.take(now(), func(*conn) bool { return true }, func(*conn) { t.Error("one is dropped") })
	}
	if take() != nil {
		t.Fatal("there is no connection yet")
	}
	p.open = 1
	first, second := &conn{pool: p}, &conn{pool: p}
	p.give(first, now())
	if take() != nil {
		t.Fatal("one of two addresses would get everything")
	}
	p.open = 2
	p.give(second, now())
	for _, want := range []*conn{first, second, first} {
		got := take()
		if got != want {
			t.Fatal("idle connections do not take turns")
		}
		p.give(got, now())
	}
}

func TestSurplusIdleConnectionsAreClosed(t *testing.T) {
	p := &pool{hostname: &hostname{}}
	for range 5 {
		p.give(&conn{pool: p}, now())
		p.idle[len(p.idle)-1].idleSince -= 2 * surplusFor
		p.open++
	}
	alive := func(*conn) bool { return true }
	if p.take(now(), alive, func(*conn) { p.open-- }) == nil || p.open != 1 {
		t.Errorf("%d connections are kept for one request", p.open)
	}
}

func TestConnectionsIdleForAsLongAsTheServiceKeepsThemAreNotUsed(t *testing.T) {
	const second = int64(time.Second)
	alive := func(*conn) bool { return true }
	idle := func(p *pool, since int64) *conn {
		c := &conn{pool: p}
		p.give(c, now())
		c.idleSince -= since
		p.open++
		return p.take(now(), alive, func(*conn) { p.open-- })
	}
	p := &pool{hostname: &hostname{}}
	if idle(p, 3*second) == nil {
		t.Error("nothing is known of the service yet")
	}
	p.learn(second) // a restart, say: others were idle for longer
	if idle(p, 2*second) == nil {
		t.Error("one early end says nothing")
	}
	p.learn(3 * second)
	if idle(p, 29*second/10) != nil || idle(p, second) == nil {
		t.Error("the service keeps connections for 3 s")
	}
	c := &conn{pool: p, idleFor: second, response: &response{}}
	if !p.lost(c, syscall.ECONNRESET) || idle(p, second) != nil {
		t.Error("an idle connection was lost")
	}
	c.response.phase = complete
	if p.lost(c, io.ErrUnexpectedEOF) {
		t.Error("there was a response")
	}
}

func TestSeveralLoopsSendTheWholeLoad(t *testing.T) {
	var protocol atomic.Int32
	server := served(t, (*httptest.Server).Start, &protocol)
	got := sendBy(t, &load{Journeys: to(server.URL)}, func(l *load) error {
		e, err := newEngine(l)
		if err != nil {
			return err
		}
		return sendByLoops(l, e, 3)
	})
	if got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

// A loop that waits in a raw system call must stop for the garbage collector all the same: see poller.
func TestAWaitingLoopDoesNotDelayTheGarbageCollector(t *testing.T) {
	poll, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1))
	var done atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for !done.Load() {
			if _, err := poll.wait(math.MaxInt64); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	time.Sleep(10 * time.Millisecond)
	began := time.Now()
	for range 20 {
		runtime.GC()
	}
	if took := time.Since(began); took > 20*maxWait { // each stops the world more than once
		t.Errorf("20 collections took %v", took)
	}
	done.Store(true)
	poll.wake()
	<-stopped
}

func TestWakingALoopThatHasEndedWritesIntoNoOtherFile(t *testing.T) {
	poll, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	poll.close()
	var files []*os.File // they take the numbers of the poller's
	for i := range 64 {
		file, err := os.Create(filepath.Join(t.TempDir(), fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	poll.wake()
	for _, file := range files {
		if written, err := file.Stat(); err != nil || written.Size() != 0 {
			t.Errorf("%s has %d bytes: %v", file.Name(), written.Size(), err)
		}
	}
}

func TestOneLoopSendsUnlessTheRateIsHigh(t *testing.T) {
	half := interleave{Weight: 1, Peers: []peerGroup{{1, 2, 0}}}
	for peak, want := range map[float64]int{100: 1, 2 * loopRate: 1, 2*loopRate + 1: 4} {
		if got := loopCount(&load{PeakRPS: peak, Interleave: half}, 4); got != want {
			t.Errorf("%d loops for half of %g/s", got, peak)
		}
	}
}
