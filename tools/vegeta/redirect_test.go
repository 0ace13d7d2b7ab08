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

// heard is a server that notes what it is asked, and answers `/move/<status>` with a redirect to `/end`.
func heard(t *testing.T, keeps func(*http.Request, string) string) (address string, found func() []string) {
	t.Helper()
	var mutex sync.Mutex
	all := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mutex.Lock()
		all[keeps(r, string(body))] = true
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
	address, found := heard(t, func(r *http.Request, body string) string {
		return r.Method + " " + r.URL.String() + " " + body + " " + r.Header.Get("X-Mine") + " " + r.Header.Get("Referer")
	})
	target := told{Method: "POST", Label: "/", Body: []byte("sent"), Headers: [][2]string{{"X-Mine", "yes"}}, Follow: true}
	there := target
	target.URL, there.URL = address+"/move/302", address+"/move/307"
	if got := sent(t, &load{Targets: []told{target, there}}); got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
	if got := found(); !slices.Equal(got, []string{
		"GET /end?of=302  yes " + target.URL, "POST /end?of=307 sent yes " + there.URL,
		"POST /move/302 sent yes ", "POST /move/307 sent yes ",
	}) {
		t.Errorf("%q", got)
	}
	target.Follow = false
	if got := sent(t, &load{Targets: []told{target}}); got["302"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}

func TestAnAddressMayHoldANameAndAPassword(t *testing.T) {
	address, found := heard(t, func(r *http.Request, _ string) string {
		name, password, _ := r.BasicAuth()
		return r.URL.String() + " " + name + " " + password
	})
	address = strings.Replace(address, "http://", "http://ann:secret@", 1)
	if got := sent(t, &load{Targets: to(address + "/home")}); got["200"] != 20 {
		t.Error(got)
	}
	if got := found(); !slices.Equal(got, []string{"/home ann secret"}) {
		t.Errorf("%q", got)
	}
}

func TestHeadsHaveNoBody(t *testing.T) {
	address, _ := heard(t, func(*http.Request, string) string { return "" })
	if got := sent(t, &load{Targets: []told{{Method: "HEAD", URL: address, Label: "/"}}}); got["200"] != 20 || len(got) != 1 {
		t.Error(got)
	}
}
