// Package cookie keeps the cookies of one user, as RFC 6265 says.
package cookie

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Jar holds one user's cookies. The zero value is ready and takes no memory.
type Jar struct {
	cookies []cookie // the oldest first
}

// cookie is one cookie. text is name=value, then the domain, then the path.
type cookie struct {
	text     string
	name     uint16 // lengths
	pair     uint16
	domain   uint16
	hostOnly bool
	secure   bool
	expires  int64 // Unix time in seconds; 0: with the session
}

// The limits of RFC 6265bis for a cookie and of its attributes, of browsers for the cookies of a domain, and of
// RFC 6265 for all cookies.
const (
	longestPair      = 4096
	longestAttribute = 1024
	mostOfADomain    = 180
	mostCookies      = 3000
)

func (c *cookie) nameIs() string   { return c.text[:c.name] }
func (c *cookie) pairIs() string   { return c.text[:c.pair] }
func (c *cookie) domainIs() string { return c.text[c.pair : c.pair+c.domain] }
func (c *cookie) pathIs() string   { return c.text[c.pair+c.domain:] }

func (c *cookie) isExpired(now time.Time) bool { return c.expires != 0 && c.expires <= now.Unix() }

func (c *cookie) isFor(host, path string, secure bool) bool {
	if c.secure && !secure {
		return false
	}
	domain := c.domainIs()
	if c.hostOnly && domain != host || !c.hostOnly && !isWithin(host, domain) {
		return false
	}
	scope := c.pathIs()
	return strings.HasPrefix(path, scope) && (len(path) == len(scope) || scope[len(scope)-1] == '/' || path[len(scope)] == '/')
}

// isWithin reports whether the host is the domain or inside it.
func isWithin(host, domain string) bool {
	return host == domain ||
		strings.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.' && !isAddress(host)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// AppendHeader appends the value of the Cookie header for a request, such as a=1; b=2. It appends nothing if no
// cookie is due. host is lower-case and has no port, path is the URL's path without its query.
func (j *Jar) AppendHeader(dst []byte, host, path string, secure bool, now time.Time) []byte {
	if path == "" {
		path = "/"
	}
	var room [16]int
	due := room[:0]
	for i := range j.cookies {
		if c := &j.cookies[i]; c.isFor(host, path, secure) && !c.isExpired(now) {
			due = append(due, i)
		}
	}
	if len(due) > 1 {
		slices.SortStableFunc(due, func(a, b int) int { return len(j.cookies[b].pathIs()) - len(j.cookies[a].pathIs()) })
	}
	for i, at := range due {
		if i > 0 {
			dst = append(dst, "; "...)
		}
		dst = append(dst, j.cookies[at].pairIs()...)
	}
	return dst
}

// Store keeps the cookie of one Set-Cookie header's value, or deletes one, if the header asks for it. It ignores what
// the host may not set. It copies what it keeps.
func (j *Jar) Store(host, path string, secure bool, setCookie []byte, now time.Time) {
	pair, rest, _ := bytes.Cut(setCookie, []byte(";"))
	name, value, ok := bytes.Cut(pair, []byte("="))
	name, value = bytes.Trim(name, " \t"), bytes.Trim(value, " \t")
	if !ok || len(name) == 0 || len(name)+len(value) > longestPair || bytes.ContainsFunc(pair, isControl) {
		return
	}
	found := attributes{path: path[:max(strings.LastIndexByte(path, '/'), 0)]}
	if len(path) == 0 || path[0] != '/' || found.path == "" {
		found.path = "/"
	}
	found.read(rest, now)
	domain, hostOnly, ok := settle(host, found.domain)
	if !ok || len(found.path)+len(domain) > 2*longestAttribute {
		return
	}
	j.cookies = slices.DeleteFunc(j.cookies, func(c cookie) bool { return c.isExpired(now) })
	made := cookie{
		name: uint16(len(name)), pair: uint16(len(name) + 1 + len(value)), domain: uint16(len(domain)),
		hostOnly: hostOnly, secure: found.secure, expires: found.expires,
	}
	var text strings.Builder
	text.Grow(int(made.pair) + len(domain) + len(found.path))
	text.Write(name)
	text.WriteByte('=')
	text.Write(value)
	text.WriteString(domain)
	text.WriteString(found.path)
	made.text = text.String()
	j.keep(made, now)
}

// keep replaces the cookie of the same name, domain and path, and deletes an expired one.
func (j *Jar) keep(made cookie, now time.Time) {
	of, oldest := 0, -1
	for i := range j.cookies {
		c := &j.cookies[i]
		if c.domainIs() != made.domainIs() {
			continue
		}
		if c.nameIs() == made.nameIs() && c.pathIs() == made.pathIs() {
			if made.isExpired(now) {
				j.cookies = slices.Delete(j.cookies, i, i+1)
			} else {
				*c = made
			}
			return
		}
		if of++; oldest < 0 {
			oldest = i
		}
	}
	if made.isExpired(now) {
		return
	}
	if of >= mostOfADomain {
		j.cookies = slices.Delete(j.cookies, oldest, oldest+1)
	} else if len(j.cookies) >= mostCookies {
		j.cookies = slices.Delete(j.cookies, 0, 1)
	}
	j.cookies = append(j.cookies, made)
}

// Clear forgets all cookies.
func (j *Jar) Clear() { j.cookies = nil }

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// settle returns the domain that a host may set a cookie for.
func settle(host, asked string) (domain string, hostOnly, ok bool) {
	if asked == "" {
		return host, true, host != ""
	}
	if isAddress(host) {
		return host, true, asked == host
	}
	if suffix, _ := publicsuffix.PublicSuffix(asked); suffix == asked {
		return host, true, asked == host // otherwise all hosts of com would share it
	}
	return asked, false, isWithin(host, asked)
}

// attributes are what follows the pair in a Set-Cookie header.
type attributes struct {
	domain, path string
	secure       bool
	expires      int64 // Unix time in seconds; 0: with the session
}

func (a *attributes) read(rest []byte, now time.Time) {
	hasAge := false
	for len(rest) > 0 {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte(";"))
		key, value, _ := bytes.Cut(part, []byte("="))
		key, value = bytes.Trim(key, " \t"), bytes.Trim(value, " \t")
		if len(key) > len("max-age") || len(value) > longestAttribute {
			continue
		}
		switch strings.ToLower(string(key)) {
		case "secure":
			a.secure = true
		case "path":
			if len(value) > 0 && value[0] == '/' && !bytes.ContainsFunc(value, isControl) {
				a.path = string(value)
			}
		case "domain":
			a.domain = strings.ToLower(string(bytes.TrimPrefix(value, []byte("."))))
		case "max-age":
			if seconds, ok := age(value); ok {
				hasAge = true
				if a.expires = 1; seconds > 0 { // 1: long ago
					a.expires = now.Unix() + seconds
				}
			}
		case "expires":
			if at, ok := parseDate(value); ok && !hasAge {
				a.expires = max(at.Unix(), 1)
			}
		}
	}
}

// dateForms are the usual dates of an expires attribute, without commas and hyphens.
var dateForms = []string{
	"Mon 2 Jan 2006 15:04:05 MST", "Mon 2 Jan 06 15:04:05 MST", "Monday 2 Jan 06 15:04:05 MST", "Mon Jan _2 15:04:05 2006",
	"Monday 2 Jan 2006 15:04:05 MST", "Mon 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05 MST",
}

var plainDate = strings.NewReplacer(",", "", "-", " ")

func parseDate(text []byte) (time.Time, bool) {
	plain := plainDate.Replace(string(text))
	for _, form := range dateForms {
		if found, err := time.Parse(form, plain); err == nil && found.Year() > 1600 { // as RFC 6265 says
			return found, true
		}
	}
	return time.Time{}, false
}

// mostAge is ten years: no run is longer.
const mostAge = 10 * 366 * 24 * 3600

func age(value []byte) (seconds int64, ok bool) {
	digits := bytes.TrimPrefix(value, []byte("-"))
	if len(digits) == 0 || bytes.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	if len(digits) < len(value) {
		return 0, true
	}
	seconds, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || seconds > mostAge {
		return mostAge, true
	}
	return seconds, true
}
