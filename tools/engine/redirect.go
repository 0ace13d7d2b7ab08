package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// hop is a request as it is sent over HTTP/1, with its server.
type hop struct {
	method   string
	to       server
	wire     []byte
	jar      bool // its Cookie field is a jar's, which knows what the next server gets
	cache    bool // its conditions are a cache's, which knows what it has of the next URL
	referred bool // its Referer field is an earlier redirect's
}

var errManyRedirects = errors.New("too many redirects")

// redirect returns the request that follows a response with this status and Location, as net/http's client and browsers
// build it; false if none does. A 301, 302 or 303 makes every method but HEAD a GET without a body; 307 and 308 keep
// both. What authorizes the user stays on its host and the subdomains. It needs no network: the caller sends the request,
// and counts the redirects.
func redirect(from hop, status int, location string) (next hop, ok bool, err error) {
	bodied := status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
	if location == "" || !bodied && status != 301 && status != 302 && status != 303 {
		return hop{}, false, nil
	}
	end := max(endOfHead(from.wire, 0), 0)
	start, fields, _ := bytes.Cut(from.wire[:end], []byte("\r\n"))
	_, target, _ := strings.Cut(string(start), " ")
	target, _, _ = strings.Cut(target, " ")
	base, err := url.Parse(from.to.scheme + "://" + from.to.host + target)
	if err != nil {
		return hop{}, true, err
	}
	to, err := base.Parse(location)
	if err != nil {
		return hop{}, true, fmt.Errorf("failed to parse Location header %q: %v", location, err)
	}
	next = hop{method: from.method, to: server{to.Scheme, to.Host}}
	if !bodied && from.method != http.MethodGet && from.method != http.MethodHead {
		next.method = http.MethodGet
	}
	next.wire, next.referred = from.head(base, to, location, fields, next.method, bodied)
	if bodied {
		next.wire = append(next.wire, from.wire[end:]...)
	}
	return next, true, nil
}

// head builds the head of the next request: the fields of the last one, in their order, without those that must not go
// with it.
func (from hop) head(last, to *url.URL, location string, fields []byte, method string, bodied bool) (wire []byte, referred bool) {
	wire = append(appendTarget([]byte(method+" "), []byte(to.RequestURI())), " HTTP/1.1\r\n"...)
	safe := sameOrSubdomain(to.Hostname(), last.Hostname())
	referred = last.Scheme != "https" || to.Scheme != "http"
	authorized := false
	for line := range bytes.SplitAfterSeq(fields, []byte("\n")) {
		name, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		switch strings.ToLower(string(name)) {
		case "":
			continue
		case "host":
			if relative, err := url.Parse(location); err != nil || relative.Host != "" {
				line = fmt.Appendf(nil, "Host: %s\r\n", to.Host)
			}
		case "authorization":
			if !safe {
				continue
			}
			authorized = true
		case "www-authenticate", "cookie", "cookie2":
			if !safe || from.jar {
				continue
			}
		case "if-none-match", "if-modified-since":
			if from.cache {
				continue
			}
		case "referer":
			if from.referred {
				continue
			}
			referred = false
		case "content-length", "content-type", "content-encoding", "content-language", "content-location", "transfer-encoding":
			if !bodied {
				continue
			}
		}
		wire = append(wire, line...)
	}
	if referred {
		wire = fmt.Appendf(wire, "Referer: %s\r\n", last)
	}
	if to.User != nil && !authorized {
		password, _ := to.User.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(to.User.Username() + ":" + password))
		wire = fmt.Appendf(wire, "Authorization: Basic %s\r\n", pair)
	}
	return append(wire, "\r\n"...), referred
}

// sameOrSubdomain compares two names of hosts.
func sameOrSubdomain(name, parent string) bool {
	return strings.EqualFold(name, parent) || net.ParseIP(name) == nil && strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(parent))
}
