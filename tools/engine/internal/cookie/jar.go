// Package cookie keeps the cookies of one user, as RFC 6265 says.
package cookie

import "time"

// Jar holds one user's cookies. The zero value is ready and takes no memory.
type Jar struct{}

// AppendHeader appends the value of the Cookie header for a request, such as a=1; b=2. It appends nothing if no
// cookie is due. host has no port, path is the URL's path without its query.
func (j *Jar) AppendHeader(dst []byte, host, path string, secure bool, now time.Time) []byte {
	return dst
}

// Store keeps the cookie of one Set-Cookie header's value, or deletes one, if the header asks for it. It ignores what
// the host may not set. It copies what it keeps.
func (j *Jar) Store(host, path string, secure bool, setCookie []byte, now time.Time) {}

// Clear forgets all cookies.
func (j *Jar) Clear() { *j = Jar{} }
