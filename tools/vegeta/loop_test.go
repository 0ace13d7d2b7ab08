package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const megabyte = 1 << 20

func TestLargeBodiesGoBothWaysWithAndWithoutTLS(t *testing.T) {
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
						time.Sleep(time.Millisecond) // more than fits has to wait
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
			l := &load{Insecure: true, Points: [][2]float64{{0, 8}, {0.5, 8}}}
			for _, path := range []string{"/known", "/chunks"} {
				target := told{Method: "POST", URL: server.URL + path, Label: path, Body: make([]byte, 20*megabyte)}
				l.Targets = append(l.Targets, target)
			}
			if got := sent(t, l); got["200"] != 4 || len(got) != 1 {
				t.Error(got)
			}
			if got := bytesOf(t, l); got != 4*30*megabyte {
				t.Errorf("%d bytes of bodies", got)
			}
		})
	}
}

func bytesOf(t *testing.T, l *load) int64 {
	t.Helper()
	rows, err := os.ReadFile(filepath.Join(l.Folder, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	found := int64(0)
	for ; len(rows) >= rowBytes; rows = rows[rowBytes:] {
		if binary.LittleEndian.Uint32(rows[48:]) < lateRow {
			found += int64(binary.LittleEndian.Uint64(rows[40:]))
		}
	}
	return found
}

func TestAResponseInDropsIsOneAndAnotherIsNotHeldUpByIt(t *testing.T) {
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
	l := &load{Targets: []told{
		{Method: "GET", URL: server + "/drops", Label: "drops"}, {Method: "GET", URL: server + "/", Label: "quick"},
	}}
	if got := sent(t, l); got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

func TestWhatIsCutOffWithTLSIsNoWholeResponse(t *testing.T) {
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
		if got := sent(t, &load{Insecure: true, Targets: to(server.URL + path)}); got[want] != 20 || len(got) != 1 {
			t.Error(path, got)
		}
	}
}

func TestAddressesOfIPv6AreReached(t *testing.T) {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6:", err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler()}}
	server.Start()
	t.Cleanup(server.Close)
	if got := sent(t, &load{Targets: to(server.URL)}); got["404"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}
