package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// recording starts a server that keeps a description of each request and answers `/move/<status>` with a redirect to
// `/end`. It returns the URL, and the different descriptions in order.
func recording(t *testing.T, describe func(*http.Request, string) string) (url string, found func() []string) {
	t.Helper()
	var mutex sync.Mutex
	all := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mutex.Lock()
		all[describe(r, string(body))] = true
		mutex.Unlock()
		if status, moved := strings.CutPrefix(r.URL.Path, "/move/"); moved {
			code := map[string]int{"302": 302, "307": 307}[status]
			http.Redirect(w, r, "/end?of="+status, code)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		var found []string
		for one := range all {
			found = append(found, one)
		}
		slices.Sort(found)
		return found
	}
}

func TestRedirectsAreFollowedAsBrowsersDo(t *testing.T) {
	for name, run := range senders {
		t.Run(name, func(t *testing.T) {
			url, found := recording(t, func(r *http.Request, body string) string {
				return r.Method + " " + r.URL.String() + " " + body + " " + r.Header.Get("X-Mine") + " " + r.Header.Get("Referer")
			})
			moved := block{Method: "POST", Label: "/", BodyBytes: []byte("sent"), Headers: [][2]string{{"X-Mine", "yes"}}}
			repeated := moved
			moved.URL, repeated.URL = url+"/move/302", url+"/move/307"
			if got := sendBy(t, &load{Journeys: asking(moved, repeated)}, run); got["200"] != 20 || len(got) != 1 {
				t.Error(got)
			}
			if got := found(); !slices.Equal(got, []string{
				"GET /end?of=302  yes " + moved.URL, "POST /end?of=307 sent yes " + repeated.URL,
				"POST /move/302 sent yes ", "POST /move/307 sent yes ",
			}) {
				t.Errorf("%q", got)
			}
			moved.Follow = new(bool)
			if got := sendBy(t, &load{Journeys: asking(moved)}, run); got["302"] != 20 || len(got) != 1 {
				t.Error(got)
			}
		})
	}
}

func TestAURLMayContainANameAndAPassword(t *testing.T) {
	address, found := recording(t, func(r *http.Request, _ string) string {
		name, password, _ := r.BasicAuth()
		return r.URL.String() + " " + name + " " + password
	})
	address = strings.Replace(address, "http://", "http://ann:secret@", 1)
	if got := send(t, &load{Journeys: to(address + "/home")}); got["200"] != 20 {
		t.Error(got)
	}
	if got := found(); !slices.Equal(got, []string{"/home ann secret"}) {
		t.Errorf("%q", got)
	}
}

func TestResponsesToHEADHaveNoBody(t *testing.T) {
	address, _ := recording(t, func(*http.Request, string) string { return "" })
	if got := send(t, &load{Journeys: asking(block{Method: "HEAD", URL: address, Label: "/"})}); got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

// onePass is a transport that answers the first request of a client with a redirect and records the next one.
type onePass struct {
	status   int
	location string
	followed *http.Request
}

func (p *onePass) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}
	if req.Response == nil {
		answer.StatusCode = p.status
		if p.location != "" {
			answer.Header.Set("Location", p.location)
		}
	} else {
		p.followed = req
	}
	return answer, nil
}

func TestRedirectsAreThoseOfNetHTTP(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
		for _, status := range []int{200, 300, 301, 302, 303, 304, 307, 308} {
			for _, location := range []string{
				"", "/b?c=d", "e", "?f", "../g", "//other.example/h", "http://a.example/i#j", "http://a.example:80/", "http://sub.a.example/k",
				"http://a.example.evil/l", "https://a.example/m", "http://ann:secret@b.example/n", "http://[::1]:8080/o", "/p q", "",
				":bad", "http://a.example", "/%zz",
			} {
				for _, scheme := range []string{"http", "https"} {
					for _, referer := range []string{"", "http://mine.example/"} {
						compareRedirect(t, method, status, location, scheme, referer)
					}
				}
			}
		}
	}
}

func compareRedirect(t *testing.T, method string, status int, location, scheme, referer string) {
	t.Helper()
	var body io.Reader
	if method == "POST" || method == "PUT" {
		body = strings.NewReader("sent")
	}
	req, err := http.NewRequest(method, scheme+"://a.example/dir/file?x=y", body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer abc", "Cookie": "a=b", "X-Own": "yes", "Content-Type": "text/plain", "User-Agent": "toril",
		"Referer": referer,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	wire := func(req *http.Request) []byte {
		var text strings.Builder
		if err := req.Write(&text); err != nil {
			t.Fatal(err)
		}
		return []byte(text.String())
	}
	first := hop{method: method, to: server{scheme, "a.example"}, wire: wire(req)}
	req.Body = io.NopCloser(strings.NewReader("sent"))
	if body == nil {
		req.Body = nil
	}
	pass := &onePass{status: status, location: location}
	_, theirs := (&http.Client{Transport: pass}).Do(req)
	next, moved, err := redirect(first, status, location)
	name := method + " " + scheme + " " + http.StatusText(status) + " " + location
	if moved != (pass.followed != nil || theirs != nil) || (err != nil) != (theirs != nil) {
		t.Fatalf("%s: %v, %v; net/http says %v, %v", name, moved, err, pass.followed, theirs)
	}
	if !moved || err != nil {
		return
	}
	want := pass.followed
	if password, ok := want.URL.User.Password(); ok {
		want.SetBasicAuth(want.URL.User.Username(), password) // as net/http's client does when it sends
	}
	lines := func(wire []byte) []string {
		head, body, _ := strings.Cut(string(wire), "\r\n\r\n")
		all := strings.Split(head, "\r\n")
		slices.Sort(all[1:])
		return append(all, body)
	}
	if got, want := lines(next.wire), lines(wire(want)); !slices.Equal(got, want) {
		t.Errorf("%s:\n%q\nnet/http sends\n%q", name, got, want)
	}
	if next.to != (server{want.URL.Scheme, want.URL.Host}) || next.method != want.Method {
		t.Errorf("%s goes to %v", name, next.to)
	}
}

func TestRedirectsKeepWhatIsTheUsers(t *testing.T) {
	wire := []byte("GET /a HTTP/1.1\r\nHost: own.example\r\nCookie: jar=1\r\nX: y\r\n\r\n")
	next, _, _ := redirect(hop{method: "GET", to: server{"http", "127.0.0.1"}, wire: wire, jar: true}, 302, "b")
	if want := "GET /b HTTP/1.1\r\nHost: own.example\r\nX: y\r\nReferer: http://127.0.0.1/a\r\n\r\n"; string(next.wire) != want {
		t.Errorf("a host of the suite's stays, a jar's cookies do not: %q", next.wire)
	}
	next, _, _ = redirect(next, 302, "http://127.0.0.1:81/c")
	if want := "GET /c HTTP/1.1\r\nHost: 127.0.0.1:81\r\nX: y\r\nReferer: http://127.0.0.1/b\r\n\r\n"; string(next.wire) != want {
		t.Errorf("the next redirect: %q", next.wire)
	}
}
