// Package cache remembers what one user's earlier responses said about their freshness, as JMeter's Cache Manager
// does: Expires and max-age, ETag, Last-Modified, of GET requests only. It keeps no bodies.
package cache

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Cache is one user's. The zero value is ready and takes no memory.
type Cache struct {
	entries map[string]entry
}

// entry is what is known of one URL.
type entry struct {
	etag, modified string
	until          int64 // Unix time in seconds up to which the response is fresh; 0: it is not
}

// mostEntries is how many URLs JMeter's Cache Manager keeps by default.
const mostEntries = 5000

// Empty reports whether nothing is known of any URL.
func (c *Cache) Empty() bool { return len(c.entries) == 0 }

// Fresh reports whether the user still has the response to a GET of this URL. Such a request is not sent and gives no
// sample.
func (c *Cache) Fresh(url string, now time.Time) bool { return c.entries[url].until > now.Unix() }

// AppendHeaders appends the header lines that make a GET of this URL conditional, each with its CRLF.
func (c *Cache) AppendHeaders(dst []byte, url string) []byte {
	known, ok := c.entries[url]
	if !ok {
		return dst
	}
	if known.modified != "" {
		dst = append(append(append(dst, "If-Modified-Since: "...), known.modified...), "\r\n"...)
	}
	if known.etag != "" {
		dst = append(append(append(dst, "If-None-Match: "...), known.etag...), "\r\n"...)
	}
	return dst
}

// Store reads the head of the response to a GET. It copies what it keeps. Responses that Vary are not kept: the user's
// later request may differ.
func (c *Cache) Store(url string, status int, head []byte, now time.Time) {
	if (status < 200 || status > 299) && status != http.StatusNotModified {
		return
	}
	made, varies := read(head, now)
	if status == http.StatusNotModified {
		known := c.entries[url]
		if made.etag == "" {
			made.etag = known.etag
		}
		if made.modified == "" {
			made.modified = known.modified
		}
	}
	switch {
	case varies || made == (entry{}):
		delete(c.entries, url)
	case c.entries == nil:
		c.entries = map[string]entry{url: made}
	default:
		if _, known := c.entries[url]; !known && len(c.entries) >= mostEntries {
			for old := range c.entries { // any: JMeter drops the one that was used least recently
				delete(c.entries, old)
				break
			}
		}
		c.entries[url] = made
	}
}

// Clear forgets everything: at the end of each of the user's iterations.
func (c *Cache) Clear() { c.entries = nil }

// read returns what a head says. varies: the response is for requests with the same headers only.
func read(head []byte, now time.Time) (made entry, varies bool) {
	var expires, date time.Time
	age, hasAge, stale, never := int64(0), false, false, false
	for line := range bytes.Lines(head) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) > len("last-modified") {
			continue
		}
		value = bytes.TrimSpace(value)
		switch strings.ToLower(string(name)) {
		case "etag":
			made.etag = string(value)
		case "last-modified":
			made.modified = string(value)
		case "vary":
			varies = len(value) > 0 && !strings.EqualFold(string(value), "accept-encoding") // a user's requests have the same one
		case "expires":
			expires, _ = http.ParseTime(string(value))
		case "date":
			date, _ = http.ParseTime(string(value))
		case "cache-control":
			for directive := range strings.SplitSeq(strings.ToLower(string(value)), ",") {
				directive = strings.TrimSpace(directive)
				if seconds, is := strings.CutPrefix(directive, "max-age="); is {
					number, err := strconv.ParseInt(strings.Trim(seconds, `"`), 10, 64)
					age, hasAge = number, err == nil
				}
				stale = stale || directive == "no-cache"
				never = never || directive == "no-store"
			}
		}
	}
	switch modified, err := http.ParseTime(made.modified); {
	case never:
		return entry{}, false
	case stale:
	case hasAge:
		if age > 0 {
			made.until = now.Unix() + min(age, 1<<32)
		}
	case !expires.IsZero() && !date.IsZero(): // by the service's clock
		made.until = now.Unix() + max(0, int64(expires.Sub(date)/time.Second))
	case !expires.IsZero():
		made.until = expires.Unix()
	case err == nil && !date.IsZero(): // without a term: a tenth of its age, as RFC 9111 suggests
		made.until = now.Unix() + int64(date.Sub(modified)/time.Second)/10
	}
	if made.until <= now.Unix() {
		made.until = 0
	}
	return made, varies
}
