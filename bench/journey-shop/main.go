// A shop for bench/journeys.py, fast enough not to limit a load generator: log in, list, open, cart, order, log out.
//
//	journey-shop [-tls | -http2] [-ports N] [-seconds N] HOST:PORT
//
// It refuses requests without an open session and with values that it did not give to this session. `/facts` returns
// the numbers of answered and refused requests. It ends after some minutes, or with its standard input.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

func main() {
	secure := flag.Bool("tls", false, "HTTP/1.1 over TLS")
	http2 := flag.Bool("http2", false, "HTTP/2 over TLS")
	ports := flag.Int("ports", 1, "number of ports to listen on")
	lifetime := flag.Int("seconds", 900, "seconds until it ends")
	flag.Parse()
	host, first, err := net.SplitHostPort(flag.Arg(0))
	port, err2 := strconv.Atoi(first)
	if err != nil || err2 != nil {
		flag.Usage()
		os.Exit(2)
	}
	debug.SetGCPercent(400)
	s := newShop()
	for i := range *ports {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port+i)))
		if err != nil {
			log.Fatal(err)
		}
		switch {
		case *http2:
			server := &http.Server{Handler: http.HandlerFunc(s.serveHTTP), TLSConfig: certificate("h2", "http/1.1")}
			go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
		case *secure:
			go s.accept(tls.NewListener(listener, certificate("http/1.1")))
		default:
			go s.accept(listener)
		}
	}
	fmt.Println("ready")
	time.AfterFunc(time.Duration(*lifetime)*time.Second, func() { os.Exit(0) })
	_, _ = io.Copy(io.Discard, os.Stdin) // it ends with the benchmark, however that ends
}

func (s *shop) accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Print(err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go s.serve(connection)
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

// serve answers the requests of a connection with HTTP/1.1, as far as the generators use it.
func (s *shop) serve(connection net.Conn) {
	defer connection.Close()
	buffer, filled := make([]byte, 2048), 0
	for {
		r, length, ok := parse(buffer[:filled])
		if !ok {
			if filled == len(buffer) {
				buffer = append(buffer, make([]byte, len(buffer))...)
			}
			n, err := connection.Read(buffer[filled:])
			if err != nil {
				return
			}
			filled += n
			continue
		}
		out := buffers.Get().(*[]byte)
		*out = s.appendAnswer((*out)[:0], &r)
		_, err := connection.Write(*out)
		buffers.Put(out)
		if err != nil {
			return
		}
		filled = copy(buffer, buffer[length:filled])
	}
}

// parse returns the first request of data, and its length; false if it is incomplete.
func parse(data []byte) (asked, int, bool) {
	head, body, found := bytes.Cut(data, []byte("\r\n\r\n"))
	if !found {
		return asked{}, 0, false
	}
	line, headers, _ := bytes.Cut(head, []byte("\r\n"))
	method, line, _ := bytes.Cut(line, []byte(" "))
	path, _, _ := bytes.Cut(line, []byte(" "))
	r, length := asked{method: method, path: path}, 0
	for len(headers) > 0 {
		line, headers, _ = bytes.Cut(headers, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case bytes.EqualFold(name, []byte("Cookie")):
			_, r.session, _ = bytes.Cut(value, []byte("session="))
			r.session, _, _ = bytes.Cut(r.session, []byte(";"))
		}
	}
	if len(body) < length {
		return asked{}, 0, false
	}
	r.body = body[:length]
	return r, len(head) + 4 + length, true
}

func (s *shop) appendAnswer(out []byte, r *asked) []byte {
	a := s.answerOrFacts(r)
	out = fmt.Appendf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n",
		a.status, http.StatusText(a.status), a.kind(), len(a.parts[0])+len(a.parts[1])+len(a.parts[2]))
	if cookie := a.cookie(); cookie != "" {
		out = fmt.Appendf(out, "Set-Cookie: %s\r\n", cookie)
	}
	out = append(out, "\r\n"...)
	for _, part := range a.parts {
		out = append(out, part...)
	}
	return out
}

// serveHTTP is the same service by Go's server, which has HTTP/2.
func (s *shop) serveHTTP(w http.ResponseWriter, request *http.Request) {
	r := asked{method: []byte(request.Method), path: []byte(request.URL.Path)}
	if cookie, err := request.Cookie("session"); err == nil {
		r.session = []byte(cookie.Value)
	}
	r.body, _ = io.ReadAll(request.Body)
	a := s.answerOrFacts(&r)
	w.Header().Set("Content-Type", a.kind())
	if cookie := a.cookie(); cookie != "" {
		w.Header().Set("Set-Cookie", cookie)
	}
	w.WriteHeader(a.status)
	for _, part := range a.parts {
		_, _ = w.Write(part)
	}
}

func (s *shop) answerOrFacts(r *asked) answer {
	if string(r.path) == "/facts" {
		facts := fmt.Sprintf(`{"answered": %d, "refused": %d}`, s.answered.Load(), s.refused.Load())
		return answer{status: 200, json: true, parts: [3][]byte{[]byte(facts)}}
	}
	return s.answer(r)
}

func (a *answer) kind() string {
	if a.json {
		return "application/json"
	}
	return "text/html; charset=utf-8"
}

func (a *answer) cookie() string {
	switch {
	case a.close:
		return "session=; Path=/; Max-Age=0"
	case a.session != 0:
		return fmt.Sprintf("session=%016x; Path=/; HttpOnly", a.session)
	}
	return ""
}

// certificate returns a self-signed one: generators accept any here.
func certificate(protocols ...string) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{signed}, PrivateKey: key}}, NextProtos: protocols,
	}
}
