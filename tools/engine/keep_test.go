package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// line is a kept request as the worker reads it.
type line struct {
	Why, Label, Rc, Error, Method, URL, Connection, Remote string
	OK                                                     bool
	Status, Hops                                           int
	RequestHeaders                                         [][2]string `json:"request_headers"`
	ResponseHeaders                                        [][2]string `json:"response_headers"`
	Request, Response                                      []byte
	RequestBytes                                           int   `json:"request_bytes"`
	ResponseBytes                                          int   `json:"response_bytes"`
	ResponseUS                                             int64 `json:"response_us"`
	LeftOut                                                int   `json:"left_out"`
	Notes                                                  []string
	Variables                                              [][2]string
	Asserted                                               []struct {
		Name, Expected, Message string
		OK                      bool
	}
}

func (l line) header(name string) string {
	for _, one := range l.RequestHeaders {
		if strings.EqualFold(one[0], name) {
			return one[1]
		}
	}
	return ""
}

func keptBy(t *testing.T, l *load, run func(*load) error) []line {
	t.Helper()
	l.Keep.Path = filepath.Join(t.TempDir(), "exchanges")
	sendBy(t, l, run)
	return keptLines(t, l.Keep.Path)
}

func keptLines(t *testing.T, path string) []line {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []line
	for text := range bytes.Lines(text) {
		one := line{}
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		found = append(found, one)
	}
	return found
}

func firstFailures(count uint32) *keeping {
	return &keeping{Failures: count, Body: 4096, MostBody: 16384}
}

// recorded serves raw answers by path, and records each request byte by byte.
func recorded(t *testing.T, answers map[string]string) (url string, requests func(path string) []string) {
	mutex, seen := sync.Mutex{}, map[string][]string{}
	url = raw(t, func(made net.Conn) {
		for text, some := "", make([]byte, 1<<20); ; {
			head, _, whole := strings.Cut(text, "\r\n\r\n")
			length := 0
			if _, rest, ok := strings.Cut(head, "Content-Length: "); ok {
				for _, digit := range strings.SplitN(rest, "\r\n", 2)[0] {
					length = length*10 + int(digit-'0')
				}
			}
			if size := len(head) + 4 + length; whole && len(text) >= size {
				path := strings.Fields(head)[1]
				mutex.Lock()
				seen[path] = append(seen[path], text[:size])
				mutex.Unlock()
				answer, known := answers[path]
				if !known {
					return // closes the connection
				}
				for _, part := range strings.SplitAfter(answer, "\r\n\r\n") {
					_, _ = io.WriteString(made, part)
					time.Sleep(time.Millisecond)
				}
				text = text[size:]
				continue
			}
			n, err := made.Read(some)
			if err != nil {
				return
			}
			text += string(some[:n])
		}
	})
	return url, func(path string) []string {
		mutex.Lock()
		defer mutex.Unlock()
		return seen[path]
	}
}

func TestTheFirstFailuresAreKeptAsTheyWereSentAndReceived(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 2000)
	answers := map[string]string{
		"/fail":   "HTTP/1.1 500 Oh no\r\nX-B: 1\r\nx-a: two  words\r\nContent-Length: 14\r\n\r\n{\"ok\": false}\n",
		"/early":  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Gone\r\nContent-Length: 2\r\n\r\nno",
		"/parts":  "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n7d00\r\n" + long + "\r\n0\r\n\r\n",
		"/moved":  "HTTP/1.1 302 Found\r\nLocation: /fail?x\r\nContent-Length: 0\r\n\r\n",
		"/fail?x": "HTTP/1.1 500 Oh no\r\nContent-Length: 3\r\n\r\n\x00\x01\xff",
		"/loop":   "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
		"/ok":     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	}
	for name, sender := range senders {
		t.Run(name, func(t *testing.T) {
			url, requests := recorded(t, answers)
			l := &load{Keep: firstFailures(2), Traceparent: true, Points: curve{{0, 80}, {0.5, 80}}}
			var asked []block
			for _, path := range []string{"/fail", "/early", "/parts", "/moved", "/loop", "/ok", "/cut"} {
				one := block{Method: "POST", URL: url + path, Label: path, BodyBytes: []byte("a body of " + path)}
				one.Headers = [][2]string{{"X-Own", "yes"}, {"Authorization", "Bearer abc"}}
				asked = append(asked, one)
			}
			l.Journeys = asking(append(asked, block{URL: "http://127.0.0.1:1/", Label: "/refused"})...)
			byLabel := map[string][]line{}
			for _, one := range keptBy(t, l, sender) {
				byLabel[one.Label] = append(byLabel[one.Label], one)
			}
			for label, wanted := range map[string]line{
				"/fail":  {Rc: "500", Status: 500, Response: []byte("{\"ok\": false}\n"), ResponseBytes: 14},
				"/early": {Rc: "404", Status: 404, Response: []byte("no"), ResponseBytes: 2},
				"/parts": {Rc: "503", Status: 503, Response: []byte(long[:16384]), ResponseBytes: 32000},
				"/moved": {Rc: "500", Status: 500, Response: []byte("\x00\x01\xff"), ResponseBytes: 3, Hops: 1},
				"/loop":  {Rc: "TooManyRedirects", Status: 302, Hops: 10},
				"/cut":   {Rc: "RemoteDisconnected"},
			} {
				if len(byLabel[label]) != 2 {
					t.Fatalf("%s: %d kept", label, len(byLabel[label]))
				}
				got := byLabel[label][1]
				if got.Rc != wanted.Rc || got.Status != wanted.Status || got.Hops != wanted.Hops || got.OK ||
					!bytes.Equal(got.Response, wanted.Response) && label != "/parts" || got.ResponseBytes != wanted.ResponseBytes ||
					!bytes.HasPrefix(wanted.Response, got.Response) || got.Why != "failure" || got.Remote != url[len("http://"):] {
					t.Errorf("%s: %+v", label, got)
				}
				path := strings.TrimPrefix(got.URL, url)
				i := slices.IndexFunc(requests(path), func(one string) bool { // redirects carry the first request's context
					return strings.HasPrefix(one, got.Method) && strings.Contains(one, got.header("traceparent"))
				})
				if i < 0 {
					t.Fatalf("%s: %s was not sent", label, got.header("traceparent"))
				}
				head, body, _ := strings.Cut(requests(path)[i], "\r\n\r\n")
				sent := strings.Split(head, "\r\n")
				shown := []string{got.Method + " " + path + " HTTP/1.1"}
				for _, header := range got.RequestHeaders {
					shown = append(shown, header[0]+": "+header[1])
				}
				if !slices.Equal(sent, shown) || string(got.Request) != body || got.RequestBytes != len(body) {
					t.Errorf("%s: sent %q, shown %q with body %q", label, requests(path)[i], shown, got.Request)
				}
			}
			if got := byLabel["/fail"][0].ResponseHeaders; len(got) != 3 || !slices.Contains(got, [2]string{"X-B", "1"}) {
				t.Error(got)
			}
			if got := byLabel["/refused"][0]; len(got.Notes) != 1 || got.Remote != "" || got.Status != 0 {
				t.Errorf("%+v", got)
			}
			if len(byLabel["/ok"]) != 0 {
				t.Errorf("successes are kept: %+v", byLabel["/ok"])
			}
		})
	}
}

func TestTheSlowestRequestsAreKeptEvenIfOnlyTheirBodiesAreSlow(t *testing.T) {
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/judged" {
			fourth := count.Add(1) == 4
			_, _ = io.WriteString(w, "begun ")
			w.(http.Flusher).Flush()
			if fourth {
				time.Sleep(500 * time.Millisecond)
				_, _ = io.WriteString(w, "fourth")
			}
		}
	}))
	t.Cleanup(server.Close)
	for name, sender := range senders {
		count.Store(0)
		l := &load{Keep: &keeping{Failures: 0, Body: 4096, MostBody: 16384, Slowest: []string{"", "judged"}}}
		l.Journeys = asking(block{URL: server.URL + "/judged", Label: "judged"}, block{URL: server.URL + "/", Label: "not judged"})
		last := map[string]line{}
		for _, one := range keptBy(t, l, sender) {
			last[one.Label] = one
			if one.Why != "slowest" {
				t.Errorf("%s: %+v", name, one)
			}
		}
		got := last["judged"]
		if string(got.Response) != "begun fourth" || got.ResponseUS < 500_000 || got.ResponseBytes != 12 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestATimeoutIsKeptWithWhatArrivedAndEverythingIsKeptOfATry(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "a part")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	l := &load{Keep: &keeping{Everything: true, MostBody: 100}, Points: curve{{0, 4}, {0.5, 4}}}
	l.Journeys = asking(block{URL: silent.URL, Label: "quick"}, block{URL: silent.URL + "/silent", Label: "silent"})
	got := keptBy(t, l, func(l *load) error {
		l.Journeys[0].TimeoutS = 0.3
		return run(l)
	})
	if len(got) != 2 || got[0].Why != "tried" || !got[0].OK || got[1].Rc != "TimeoutError" || got[1].Status != 200 ||
		string(got[1].Response) != "a part" {
		t.Errorf("%+v", got)
	}
}

func TestHTTP2RequestsAreKept(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Header.Get("Traceparent")+" "+r.Header.Get("User-Agent")+" "+string(body))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	l := &load{Keep: firstFailures(1), Traceparent: true, HTTP2: true, Insecure: true}
	l.Journeys = asking(block{Method: "POST", URL: server.URL + "/a?b", Label: "tea", BodyBytes: []byte("leaves")})
	got := keptBy(t, l, run)
	if len(got) != 1 || string(got[0].Response) != got[0].header("traceparent")+" "+got[0].header("user-agent")+" leaves" ||
		string(got[0].Request) != "leaves" || got[0].URL != server.URL+"/a?b" || got[0].Status != http.StatusTeapot {
		t.Errorf("%+v", got)
	}
}

func TestRequestsThatAreNotKeptAllocateNothing(t *testing.T) {
	k, err := newKeeper(&keeping{Path: os.DevNull, Failures: 3, Slowest: []string{""}}, map[labelKind]uint32{{"a", "request"}: 0})
	if err != nil {
		t.Fatal(err)
	}
	s := &slot{trail: trail{wire: []byte("GET / HTTP/1.1\r\n\r\n")}}
	failed, fine := statuses[500], statuses[200]
	k.offer(s, 10, 200, fine)
	for range 3 {
		k.offer(s, 1, 500, failed)
	}
	if allocations := testing.AllocsPerRun(100, func() {
		k.room(s, 500, true, 1)
		k.offer(s, 1, 500, failed)
		k.offer(s, 1, 200, fine)
	}); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkARequestThatIsNotKept(b *testing.B) {
	k, _ := newKeeper(&keeping{Path: os.DevNull, Failures: 0, Slowest: []string{""}}, map[labelKind]uint32{{"a", "request"}: 0})
	s := &slot{trail: trail{wire: []byte("GET / HTTP/1.1\r\n\r\n")}}
	k.offer(s, 10, 200, statuses[200])
	for b.Loop() {
		k.room(s, 500, true, 1)
		k.offer(s, 1, 500, statuses[500])
	}
}
