package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

const url = "http://shop.example/logo.png"

func stored(status int, headers ...string) *Cache {
	c := &Cache{}
	c.Store(url, status, []byte("HTTP/1.1 200 OK\r\n"+strings.Join(headers, "\r\n")+"\r\n\r\n"), now)
	return c
}

func TestFreshness(t *testing.T) {
	for headers, want := range map[string]int{ // seconds
		"Cache-Control: max-age=60":                                                         60,
		"cache-control: public, Max-Age=60, immutable":                                      60,
		"Cache-Control: no-cache, max-age=60":                                               0,
		"Cache-Control: no-store\nETag: \"1\"":                                              0,
		"Cache-Control: max-age=0\nETag: \"1\"":                                             0,
		"Cache-Control: max-age=x\nETag: \"1\"":                                             0,
		"Expires: Tue, 03 Feb 2026 04:06:06 GMT":                                            60,
		"Expires: 0\nETag: \"1\"":                                                           0,
		"Date: Tue, 03 Feb 2026 05:05:06 GMT\nExpires: Tue, 03 Feb 2026 05:06:06 GMT":       60,
		"Expires: Tue, 03 Feb 2026 04:06:06 GMT\nCache-Control: max-age=5":                  5,
		"Date: Tue, 03 Feb 2026 04:05:06 GMT\nLast-Modified: Tue, 03 Feb 2026 03:55:06 GMT": 60,
		"ETag: \"1\"": 0,
		"Cache-Control: max-age=60\nVary: Cookie":          0,
		"Cache-Control: max-age=60\nVary: Accept-Encoding": 60,
		"Content-Type: text/html":                          0,
	} {
		c := stored(200, strings.Split(headers, "\n")...)
		got := 0
		for got < 100 && c.Fresh(url, now.Add(time.Duration(got)*time.Second)) {
			got++
		}
		if got != want {
			t.Errorf("%q is fresh for %d s, want %d", headers, got, want)
		}
	}
}

func TestConditionalRequests(t *testing.T) {
	modified := "Last-Modified: Mon, 02 Feb 2026 04:05:06 GMT"
	c := stored(200, `ETag: W/"a"`, modified)
	want := "If-Modified-Since: Mon, 02 Feb 2026 04:05:06 GMT\r\nIf-None-Match: W/\"a\"\r\n"
	if got := string(c.AppendHeaders(nil, url)); got != want {
		t.Errorf("%q", got)
	}
	c.Store(url, 304, []byte("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=9\r\n\r\n"), now)
	if got := string(c.AppendHeaders(nil, url)); got != want || !c.Fresh(url, now) {
		t.Errorf("after a 304: %q", got)
	}
	c.Store(url, 404, nil, now)
	if !c.Fresh(url, now) {
		t.Error("an error forgets the response")
	}
	c.Store(url, 200, nil, now)
	if got := c.AppendHeaders(nil, url); len(got) > 0 {
		t.Errorf("after a response without anything: %q", got)
	}
	for _, other := range []*Cache{{}, stored(302, "Cache-Control: max-age=9"), stored(500, "ETag: x"), stored(200, "Cache-Control: no-store", "ETag: x")} {
		if got := other.AppendHeaders(nil, url); len(got) > 0 || other.Fresh(url, now) {
			t.Errorf("%q", got)
		}
	}
	if c = stored(200, "ETag: x"); len(c.AppendHeaders(nil, url+"?")) > 0 {
		t.Error("another URL has its headers")
	}
	c.Clear()
	if len(c.AppendHeaders(nil, url)) > 0 {
		t.Error("Clear keeps entries")
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := &Cache{}
	for i := range mostEntries + 10 {
		c.Store(fmt.Sprint(i), 200, []byte("HTTP/1.1 200 OK\r\nETag: 1\r\n\r\n"), now)
	}
	if len(c.entries) != mostEntries {
		t.Errorf("%d entries", len(c.entries))
	}
}

func FuzzStore(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nCache-Control: max-age=\"9\", no-cache\r\nExpires: x\r\nVary: *"))
	f.Fuzz(func(t *testing.T, head []byte) {
		c := &Cache{}
		c.Store(url, 200, head, now)
		sent := string(c.AppendHeaders(nil, url))
		if strings.Count(sent, "\n") > 2 {
			t.Errorf("%q adds lines", sent)
		}
	})
}
