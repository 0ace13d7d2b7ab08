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
			moved := target{Method: "POST", Label: "/", Body: []byte("sent"), Headers: [][2]string{{"X-Mine", "yes"}}, Follow: true}
			repeated := moved
			moved.URL, repeated.URL = url+"/move/302", url+"/move/307"
			if got := sendBy(t, &load{Targets: []target{moved, repeated}}, run); got["200"] != 20 || len(got) != 1 {
				t.Error(got)
			}
			if got := found(); !slices.Equal(got, []string{
				"GET /end?of=302  yes " + moved.URL, "POST /end?of=307 sent yes " + repeated.URL,
				"POST /move/302 sent yes ", "POST /move/307 sent yes ",
			}) {
				t.Errorf("%q", got)
			}
			moved.Follow = false
			if got := sendBy(t, &load{Targets: []target{moved}}, run); got["302"] != 20 || len(got) != 1 {
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
	if got := send(t, &load{Targets: to(address + "/home")}); got["200"] != 20 {
		t.Error(got)
	}
	if got := found(); !slices.Equal(got, []string{"/home ann secret"}) {
		t.Errorf("%q", got)
	}
}

func TestResponsesToHEADHaveNoBody(t *testing.T) {
	address, _ := recording(t, func(*http.Request, string) string { return "" })
	if got := send(t, &load{Targets: []target{{Method: "HEAD", URL: address, Label: "/"}}}); got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}
