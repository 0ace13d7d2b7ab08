package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"toril/tools/engine/internal/check"
	"toril/tools/engine/internal/sign"
	"toril/tools/engine/internal/text"
)

const userAgent = "Go-http-client/1.1"

// request is a request of the suite. What does not depend on variables is built before the load.
type request struct {
	label      uint32
	name       string // its label
	written    string // its URL, as the suite has it
	dynamic    bool   // a part of it depends on variables
	wire       []byte // the request as sent over HTTP/1, if it is the same each time; it must not change
	method     text.Template
	to         server // unless it depends on `whole`
	target     text.Template
	fixed      string         // the target, if it depends on nothing
	path       string         // of it
	whole      *text.Template // the URL, if its server depends on variables, or if it has a user
	origin     text.Template  // in front of `whole`, if that is a path
	head       string         // lines of headers that depend on nothing
	headers    []headerText
	host       *text.Template // the suite's own header, in place of the URL's host
	cookie     *text.Template // the suite's own header, in front of the jar's
	authorized bool           // the suite has an Authorization header
	body       body
	timeout    int64
	closes     bool // the connection after the response
	follow     bool // redirects
	cookies    bool
	cache      bool
	signer     *sign.Signer // nil: no signature
	traced     bool         // each request has a trace context of its own
	extractors []*check.Extractor
	assertions []*check.Assertion
	checks     []check.AssertionSpec // of assertions
	judges     bool                  // the suite judges the status itself
	needed     []string
	capture    capture
	named      bool // an extractor reads the response's URL or message
}

type headerText struct {
	name  string // with colon and space
	value text.Template
}

// encoder is what the requests of a loop are encoded with. The zero value encodes those that depend on no variable.
type encoder struct {
	scope   text.Scope // of the user whose request is next
	scratch []byte
}

// text returns a template's text. It is valid until the next call.
func (e *encoder) text(t *text.Template) []byte {
	e.scratch = t.Append(e.scratch[:0], &e.scope)
	return e.scratch
}

func newRequest(b *block, j *journey, names *text.Names, traced bool, label uint32) (*request, error) {
	r := &request{
		label: label, name: b.Label, follow: orElse(b.Follow, j.Follow), closes: !orElse(b.KeepAlive, j.KeepAlive),
		cookies: j.Cookies, cache: j.Cache && b.Method == "GET", judges: b.JudgesStatus, needed: b.Needed,
		timeout: seconds(orElse(b.TimeoutS, j.TimeoutS)), capture: capture{limit: bodyLimit},
	}
	var err error
	if r.signer, err = j.Sign.signer(); err != nil {
		return nil, err
	}
	if r.method, err = r.parse(b.Method, names); err != nil {
		return nil, fmt.Errorf("method: %w", err)
	}
	if err := r.parseURL(b.URL, j.Address, names); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	headers := mergeHeaders(j.Headers, b.Headers)
	if headers, err = r.parseBody(b, headers, names); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	r.traced = traced && !hasHeader(headers, traceHeader)
	if err := r.parseHeaders(headers, names); err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	for _, spec := range b.Extract {
		extractor, err := check.NewExtractor(spec, names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		r.extractors = append(r.extractors, extractor)
		r.capture.body = r.capture.body || extractor.NeedsBody()
		r.named = r.named || spec.Subject == "url" || strings.HasSuffix(spec.Subject, "message")
	}
	for _, spec := range b.Assert {
		assertion, err := check.NewAssertion(spec, names)
		if err != nil {
			return nil, fmt.Errorf("assert: %w", err)
		}
		r.assertions, r.checks = append(r.assertions, assertion), append(r.checks, spec)
		r.capture.body = r.capture.body || assertion.NeedsBody()
	}
	if !r.dynamic && !r.cookies && !r.cache {
		if wire, to, _, err := r.append(nil, &encoder{}, nil); err == nil { // an invalid one fails when it is due
			r.wire, r.to = wire, to
		}
	}
	return r, nil
}

func orElse[T any](own *T, other T) T {
	if own != nil {
		return *own
	}
	return other
}

// parse parses a part of the request.
func (r *request) parse(written string, names *text.Names) (text.Template, error) {
	t, err := text.Parse(written, names)
	_, fixed := t.Fixed()
	r.dynamic = r.dynamic || !fixed
	return t, err
}

// mergeHeaders returns the defaults without those that the request has itself, and its own.
func mergeHeaders(defaults, own [][2]string) [][2]string {
	merged := slices.DeleteFunc(slices.Clone(defaults), func(header [2]string) bool { return hasHeader(own, header[0]) })
	return append(merged, own...)
}

func hasHeader(headers [][2]string, name string) bool {
	return slices.ContainsFunc(headers, func(header [2]string) bool { return strings.EqualFold(header[0], name) })
}

func (r *request) parseURL(written, address string, names *text.Names) (err error) {
	address = strings.TrimRight(address, "/")
	if at := indexOutside(written, "#"); at >= 0 { // a fragment is never sent
		written = written[:at]
	}
	if r.written = written; strings.HasPrefix(written, "${") {
		if r.origin, err = r.parse(address, names); err == nil {
			err = r.parseWhole(written, names)
		}
		return err
	}
	r.written = joined(address, written)
	origin, target := cutOrigin(r.written)
	if strings.Contains(origin, "${") || strings.Contains(origin, "@") {
		return r.parseWhole(r.written, names)
	}
	if r.to, err = serverOf(origin); err != nil {
		return err
	}
	if r.target, err = r.parse(target, names); err != nil {
		return err
	}
	if fixed, ok := r.target.Fixed(); ok {
		r.fixed = string(appendTarget(nil, []byte(fixed)))
		r.path = pathOf([]byte(r.fixed))
	}
	return nil
}

func (r *request) parseWhole(written string, names *text.Names) error {
	whole, err := r.parse(written, names)
	r.whole = &whole
	return err
}

// joined returns a URL with the address in front of it, if it needs that.
func joined(address, written string) string {
	switch {
	case isAbsolute(written):
		return written
	case strings.HasPrefix(written, "/"), strings.HasPrefix(written, "?"):
		return address + written
	}
	return address + "/" + written
}

func isAbsolute(written string) bool {
	start := strings.ToLower(written[:min(8, len(written))])
	return strings.HasPrefix(start, "http://") || start == "https://"
}

// cutOrigin splits a URL in front of its path or query.
func cutOrigin(whole string) (origin, target string) {
	scheme, rest, found := strings.Cut(whole, "://")
	if !found {
		return "", whole
	}
	if at := indexOutside(rest, "/?"); at >= 0 {
		at += len(scheme) + len("://")
		return whole[:at], whole[at:]
	}
	return whole, ""
}

// indexOutside returns the index of the first of these characters that is not inside ${…}; -1 if there is none.
func indexOutside(written, chars string) int {
	depth := 0
	for i := range len(written) {
		switch {
		case written[i] == '{' && i > 0 && written[i-1] == '$':
			depth++
		case written[i] == '}' && depth > 0:
			depth--
		case depth == 0 && strings.IndexByte(chars, written[i]) >= 0:
			return i
		}
	}
	return -1
}

func serverOf(origin string) (server, error) {
	scheme, host, found := strings.Cut(origin, "://")
	if !found || host == "" {
		return server{}, errors.New("no host in the address")
	}
	for _, char := range []byte(host) {
		if !plain[char] && char != '%' && char < 0x80 { // of a variable's value
			return server{}, fmt.Errorf("invalid host %q", host)
		}
	}
	return server{strings.ToLower(scheme), host}, nil
}

const hex = "0123456789ABCDEF"

// appendTarget appends what a request line has of a URL: its path and query. It escapes characters that must not be there
// as browsers do, among them a % that begins no escape.
func appendTarget(dst, target []byte) []byte {
	if len(target) == 0 || target[0] != '/' {
		dst = append(dst, '/')
	}
	for i, char := range target {
		switch {
		case char == '#':
			return dst
		case plain[char], char == '%' && i+2 < len(target) && isHex(target[i+1]) && isHex(target[i+2]):
			dst = append(dst, char)
		default:
			dst = append(dst, '%', hex[char>>4], hex[char&15])
		}
	}
	return dst
}

// plain are the characters that a request line may hold as they are.
var plain = func() (table [256]bool) {
	for char := byte('!'); char < 0x7f; char++ {
		table[char] = strings.IndexByte("\"<>\\^`{|}%", char) < 0
	}
	return table
}()

func isHex(char byte) bool {
	return '0' <= char && char <= '9' || 'a' <= char|0x20 && char|0x20 <= 'f'
}

func (r *request) parseHeaders(headers [][2]string, names *text.Names) error {
	var fixed strings.Builder
	if !hasHeader(headers, "User-Agent") {
		fixed.WriteString("User-Agent: " + userAgent + "\r\n")
	}
	if r.closes && !hasHeader(headers, "Connection") {
		fixed.WriteString("Connection: close\r\n")
	}
	if r.traced {
		fixed.WriteString(traceHeader + ": " + noTrace + "\r\n")
	}
	r.authorized = hasHeader(headers, "Authorization")
	for _, header := range headers {
		value, err := r.parse(header[1], names)
		if err != nil {
			return fmt.Errorf("%s: %w", header[0], err)
		}
		known, isFixed := value.Fixed()
		switch strings.ToLower(header[0]) {
		case "host":
			r.host = &value
		case "cookie":
			r.cookie = &value
		case "content-length", "transfer-encoding": // say what is really sent
		case "connection":
			r.closes = r.closes || strings.EqualFold(known, "close")
			fallthrough
		default:
			if isFixed {
				fixed.WriteString(header[0] + ": ")
				fixed.Write(appendValue(nil, []byte(known)))
				fixed.WriteString("\r\n")
			} else {
				r.headers = append(r.headers, headerText{header[0] + ": ", value})
			}
		}
	}
	r.head = fixed.String()
	return nil
}

// appendValue appends a header's value on one line.
func appendValue(dst, value []byte) []byte {
	for _, char := range bytes.TrimSpace(value) {
		if char == '\r' || char == '\n' || char == 0 {
			char = ' '
		}
		dst = append(dst, char)
	}
	return dst
}

// appendURL appends the target, and returns the server and the URL's user, if it has one.
func (r *request) appendURL(dst []byte, e *encoder) (line []byte, to server, user string, err error) {
	to = r.to
	from := len(dst)
	switch {
	case r.whole != nil:
		whole := string(e.text(r.whole))
		if !isAbsolute(whole) {
			whole = joined(strings.TrimRight(r.origin.String(&e.scope), "/"), whole)
		}
		origin, target := cutOrigin(whole)
		if to, err = serverOf(origin); err != nil {
			return dst, to, "", err
		}
		if at := strings.LastIndexByte(to.host, '@'); at >= 0 {
			user, to.host = to.host[:at], to.host[at+1:]
		}
		dst = appendTarget(dst, []byte(target))
	case r.fixed != "":
		dst = append(dst, r.fixed...)
	default:
		dst = appendTarget(dst, e.text(&r.target))
	}
	if len(r.body.query) > 0 {
		joint := byte('?')
		if bytes.IndexByte(dst[from:], '?') >= 0 {
			joint = '&'
		}
		dst = appendForm(append(dst, joint), r.body.query, &e.scope)
	}
	return dst, to, user, nil
}

// append appends the request as it is sent over HTTP/1, and returns its server and its method. u is nil if all requests
// share what they have.
func (r *request) append(dst []byte, e *encoder, u *session) (wire []byte, to server, method string, err error) {
	method = r.method.String(&e.scope)
	if !httpguts.ValidHeaderFieldName(method) { // a token, too
		return dst, server{}, method, fmt.Errorf("invalid method %q", method)
	}
	dst = append(append(dst, method...), ' ')
	from := len(dst)
	dst, to, user, err := r.appendURL(dst, e)
	if err != nil {
		return dst, to, method, err
	}
	target := dst[from:]
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if r.host != nil {
		dst = appendValue(dst, e.text(r.host))
	} else {
		dst = append(dst, to.host...)
	}
	dst = append(append(dst, "\r\n"...), r.head...)
	if user != "" && !r.authorized {
		if plain, err := url.PathUnescape(user); err == nil {
			user = plain
		}
		dst = append(dst, "Authorization: Basic "...)
		dst = append(base64.StdEncoding.AppendEncode(dst, []byte(user)), "\r\n"...)
	}
	for i := range r.headers {
		dst = append(dst, r.headers[i].name...)
		dst = append(appendValue(dst, e.text(&r.headers[i].value)), "\r\n"...)
	}
	dst = r.appendKept(dst, e, u, to, target, true)
	content := r.body.fixed
	if content == nil {
		e.scratch = r.body.append(shrunk(e.scratch), &e.scope)
		content = e.scratch
	}
	if len(content) > 0 || method == "POST" || method == "PUT" || method == "PATCH" {
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, int64(len(content)), 10), "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, content...), to, method, nil
}

// appendKept appends the header lines that earlier responses decide on: the cookies, with `own` behind the suite's own
// ones, and the conditions of the user's cache.
func (r *request) appendKept(dst []byte, e *encoder, u *session, to server, target []byte, own bool) []byte {
	before := len(dst)
	dst = append(dst, "Cookie: "...)
	from := len(dst)
	if own && r.cookie != nil {
		dst = appendValue(dst, e.text(r.cookie))
	}
	if r.cookies {
		path, end := r.path, len(dst)
		if string(target) != r.fixed {
			path = pathOf(target)
		}
		if end > from {
			dst = append(dst, "; "...)
		}
		jar := len(dst)
		if dst = u.cookies.AppendHeader(dst, hostOf(to.host), path, to.scheme == "https", e.scope.Now()); len(dst) == jar {
			dst = dst[:end]
		}
	}
	if dst = append(dst, "\r\n"...); len(dst) == from+2 {
		dst = dst[:before]
	}
	if r.cache && !r.capture.body && !u.cache.Empty() { // the cache has no bodies, so none could be read after a 304
		dst = u.cache.AppendHeaders(dst, to.url(target))
	}
	return dst
}

// hostOf returns a host without its port, in lower case.
func hostOf(host string) string {
	if at := strings.LastIndexByte(host, ':'); at >= 0 && strings.IndexByte(host[at:], ']') < 0 {
		host = host[:at]
	}
	return strings.ToLower(host)
}
