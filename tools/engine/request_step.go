package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"toril/tools/engine/internal/check"
	"toril/tools/engine/internal/sign"
	"toril/tools/engine/internal/text"
)

const userAgent = "Go-http-client/1.1" // as in the requests model

// requestStep is a request of a journey. What does not depend on variables is built once.
type requestStep struct {
	label      uint32
	name       string // its label
	method     text.Template
	to         server // known beforehand, unless `whole` is needed
	target     text.Template
	fixed      string        // the target, if it depends on nothing
	path       string        // of it
	whole      text.Template // a URL that begins with a variable; its server is found out each time
	isWhole    bool
	origin     text.Template // in front of it, if it turns out to be a path
	head       string        // lines of headers that depend on nothing
	headers    []headerText
	host       text.Template // in place of the URL's
	ownHost    bool
	cookie     text.Template // the suite's own header, in front of the jar's
	ownCookie  bool
	body       body
	timeout    int64
	closes     bool // the connection after the response
	follow     bool // redirects
	cookies    bool
	cache      bool
	signer     *sign.Signer // nil: no signature
	traced     bool
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

// body is what a request carries: one of its fields.
type body struct {
	fixed []byte
	text  text.Template
	query []field // form fields that become part of the URL
	form  []field
	parts []part
	bound string // between parts
	empty bool
}

type field struct{ name, value text.Template }

// part is a field or a file of multipart/form-data.
type part struct {
	head  string // up to its content, if that depends on nothing
	field field
	file  []byte
}

func newRequestStep(b *block, j *journey, names *text.Names, traced bool, label uint32) (*requestStep, error) {
	r := &requestStep{
		label: label, name: b.Label, follow: b.followed(j), cookies: j.Cookies, cache: j.Cache && b.Method == "GET",
		judges: b.JudgesStatus, needed: b.Needed, timeout: seconds(j.TimeoutS), closes: !b.keptAlive(j),
	}
	if b.TimeoutS > 0 {
		r.timeout = seconds(b.TimeoutS)
	}
	var err error
	if r.signer, err = j.Sign.signer(); err != nil {
		return nil, err
	}
	if r.method, err = text.Parse(b.Method, names); err != nil {
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
		one, err := check.NewExtractor(spec, names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		r.extractors = append(r.extractors, one)
		r.capture.body = r.capture.body || one.NeedsBody()
		r.named = r.named || spec.Subject == "url" || strings.HasSuffix(spec.Subject, "message")
	}
	for _, spec := range b.Assert {
		one, err := check.NewAssertion(spec, names)
		if err != nil {
			return nil, fmt.Errorf("assert: %w", err)
		}
		r.assertions, r.checks = append(r.assertions, one), append(r.checks, spec)
		r.capture.body = r.capture.body || one.NeedsBody()
	}
	r.capture.limit = bodyLimit
	return r, nil
}

func (b *block) followed(j *journey) bool {
	if b.Follow != nil {
		return *b.Follow
	}
	return j.Follow
}

func (b *block) keptAlive(j *journey) bool {
	if b.KeepAlive != nil {
		return *b.KeepAlive
	}
	return j.KeepAlive
}

// mergeHeaders returns the defaults without those that the request has itself, and its own.
func mergeHeaders(defaults, own [][2]string) [][2]string {
	var merged [][2]string
	for _, header := range defaults {
		if !hasHeader(own, header[0]) {
			merged = append(merged, header)
		}
	}
	return append(merged, own...)
}

func hasHeader(headers [][2]string, name string) bool {
	for _, header := range headers {
		if strings.EqualFold(header[0], name) {
			return true
		}
	}
	return false
}

func (r *requestStep) parseURL(written, address string, names *text.Names) (err error) {
	address = strings.TrimRight(address, "/")
	written, _, _ = cutFragment(written)
	if strings.HasPrefix(written, "${") {
		r.isWhole = true
		if r.origin, err = text.Parse(address, names); err == nil {
			r.whole, err = text.Parse(written, names)
		}
		return err
	}
	whole := joined(address, written)
	origin, target := cutOrigin(whole)
	if strings.Contains(origin, "${") || strings.Contains(origin, "@") {
		r.isWhole = true
		r.whole, err = text.Parse(whole, names)
		return err
	}
	if r.to, err = serverOf(origin); err != nil {
		return err
	}
	if r.target, err = text.Parse(target, names); err != nil {
		return err
	}
	if fixed, ok := r.target.Fixed(); ok {
		r.fixed = string(appendTarget(nil, []byte(fixed)))
		r.path = pathOf([]byte(r.fixed))
	}
	return nil
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
	return len(written) > 7 && (strings.EqualFold(written[:7], "http://") || strings.EqualFold(written[:min(8, len(written))], "https://"))
}

// cutFragment cuts what is never sent; a # within ${…} is none.
func cutFragment(written string) (before, after string, found bool) {
	depth := 0
	for i := range len(written) {
		switch {
		case written[i] == '{' && i > 0 && written[i-1] == '$':
			depth++
		case written[i] == '}' && depth > 0:
			depth--
		case written[i] == '#' && depth == 0:
			return written[:i], written[i+1:], true
		}
	}
	return written, "", false
}

// cutOrigin splits a URL in front of its path or query.
func cutOrigin(whole string) (origin, target string) {
	from := strings.Index(whole, "://") + len("://")
	if from < len("://") {
		return "", whole
	}
	depth := 0
	for i := from; i < len(whole); i++ {
		switch {
		case whole[i] == '{' && whole[i-1] == '$':
			depth++
		case whole[i] == '}' && depth > 0:
			depth--
		case depth == 0 && (whole[i] == '/' || whole[i] == '?'):
			return whole[:i], whole[i:]
		}
	}
	return whole, ""
}

var errNoHost = errors.New("no host in the address")

func serverOf(origin string) (server, error) {
	scheme, host, found := strings.Cut(origin, "://")
	if !found || host == "" {
		return server{}, errNoHost
	}
	for _, char := range []byte(host) {
		if !plain[char] && char != '%' && char < 0x80 { // of a variable's value
			return server{}, fmt.Errorf("invalid host %q", host)
		}
	}
	return server{strings.ToLower(scheme), host}, nil
}

// appendTarget appends what a request line has of a URL: its path and query, with characters escaped that must not be
// there.
func appendTarget(dst, target []byte) []byte {
	if len(target) == 0 || target[0] != '/' {
		dst = append(dst, '/')
	}
	for i, char := range target {
		switch {
		case char == '#':
			return dst
		case char > ' ' && char < 0x7f && plain[char], char == '%' && i+2 < len(target) && isHex(target[i+1]) && isHex(target[i+2]):
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

func (r *requestStep) parseHeaders(headers [][2]string, names *text.Names) error {
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
	for _, header := range headers {
		value, err := text.Parse(header[1], names)
		if err != nil {
			return fmt.Errorf("%s: %w", header[0], err)
		}
		known, isFixed := value.Fixed()
		switch strings.ToLower(header[0]) {
		case "host":
			r.host, r.ownHost = value, true
		case "cookie":
			r.cookie, r.ownCookie = value, true
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

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

// parseBody returns the headers with the body's type.
func (r *requestStep) parseBody(b *block, headers [][2]string, names *text.Names) ([][2]string, error) {
	typed := hasHeader(headers, "Content-Type")
	withType := func(kind string) [][2]string {
		if typed || kind == "" {
			return headers
		}
		return append(headers, [2]string{"Content-Type", kind})
	}
	fields, err := fieldsOf(b.Form, names)
	switch {
	case err != nil:
		return nil, err
	case len(b.Files) == 1 && b.Files[0].Param == "":
		r.body.fixed, err = os.ReadFile(b.Files[0].Path)
		return withType(b.Files[0].Mime), err
	case len(b.Files) > 0 || b.Multipart:
		r.body.bound = boundary()
		if err := r.parseParts(fields, b); err != nil {
			return nil, err
		}
		headers = mergeHeaders(headers, [][2]string{{"Content-Type", multipartType + "; boundary=" + r.body.bound}})
		return headers, nil
	case b.Form != nil && isQueried(b.Method):
		r.body.query, r.body.empty = fields, true
		return headers, nil
	case b.Form != nil:
		r.body.form = fields
		return withType(formType), nil
	case b.Body != nil:
		r.body.text, err = text.Parse(*b.Body, names)
		if fixed, ok := r.body.text.Fixed(); ok {
			r.body.fixed = []byte(fixed)
		}
		r.body.empty = *b.Body == ""
		return headers, err
	}
	r.body.fixed = b.BodyBytes
	r.body.empty = len(b.BodyBytes) == 0
	return headers, nil
}

// isQueried tells the methods whose form fields are part of the URL.
func isQueried(method string) bool {
	return method == "GET" || method == "HEAD" || method == "DELETE" || method == "OPTIONS"
}

func fieldsOf(pairs [][2]string, names *text.Names) ([]field, error) {
	var fields []field
	for _, pair := range pairs {
		name, err := text.Parse(pair[0], names)
		if err != nil {
			return nil, err
		}
		value, err := text.Parse(pair[1], names)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{name, value})
	}
	return fields, nil
}

func (r *requestStep) parseParts(fields []field, b *block) error {
	for _, one := range fields {
		r.body.parts = append(r.body.parts, part{field: one})
	}
	for _, file := range b.Files {
		content, err := os.ReadFile(file.Path)
		if err != nil {
			return err
		}
		kind := file.Mime
		if kind == "" {
			kind = mime.TypeByExtension(filepath.Ext(file.Path))
		}
		if kind == "" {
			kind = "application/octet-stream"
		}
		head := fmt.Sprintf("Content-Disposition: form-data; name=%s; filename=%s\r\nContent-Type: %s\r\n\r\n",
			quoted(file.Param), quoted(filepath.Base(file.Path)), kind)
		r.body.parts = append(r.body.parts, part{head: head, file: content})
	}
	return nil
}

var inQuotes = strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\r", "%0D", "\n", "%0A")

func quoted(name string) string { return `"` + inQuotes.Replace(name) + `"` }

func boundary() string {
	var random [15]byte
	_, _ = rand.Read(random[:]) // never fails
	return "toril-" + base64.RawURLEncoding.EncodeToString(random[:])
}

// append appends the body.
func (b *body) append(dst []byte, s *text.Scope) []byte {
	switch {
	case b.fixed != nil:
		return append(dst, b.fixed...)
	case b.form != nil:
		return appendForm(dst, b.form, s)
	case b.bound != "":
		for _, one := range b.parts {
			dst = append(append(append(dst, "--"...), b.bound...), "\r\n"...)
			if one.file != nil || one.head != "" {
				dst = append(append(dst, one.head...), one.file...)
			} else {
				dst = append(dst, "Content-Disposition: form-data; name="...)
				dst = append(append(dst, quoted(one.field.name.String(s))...), "\r\n\r\n"...)
				dst = one.field.value.Append(dst, s)
			}
			dst = append(dst, "\r\n"...)
		}
		return append(append(append(dst, "--"...), b.bound...), "--\r\n"...)
	case b.empty:
		return dst
	}
	return b.text.Append(dst, s)
}

func appendForm(dst []byte, fields []field, s *text.Scope) []byte {
	for i := range fields {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = appendEscaped(dst, &fields[i].name, s)
		dst = append(dst, '=')
		dst = appendEscaped(dst, &fields[i].value, s)
	}
	return dst
}

// appendEscaped appends a text as in a form.
func appendEscaped(dst []byte, t *text.Template, s *text.Scope) []byte {
	from := len(dst)
	dst = t.Append(dst, s)
	for _, char := range dst[from:] {
		if !unreserved[char] {
			return append(dst[:from], url.QueryEscape(string(dst[from:]))...)
		}
	}
	return dst
}

// unreserved are the characters that url.QueryEscape leaves as they are.
var unreserved = func() (table [256]bool) {
	for char := range 256 {
		table[char] = url.QueryEscape(string([]byte{byte(char)})) == string([]byte{byte(char)})
	}
	return table
}()

// line appends the target, and returns the server and the URL's user, if it has one.
func (r *requestStep) line(dst []byte, s *text.Scope, scratch *[]byte) (line []byte, to server, user string, err error) {
	to = r.to
	from := len(dst)
	switch {
	case r.isWhole:
		*scratch = r.whole.Append((*scratch)[:0], s)
		whole := string(*scratch)
		if !isAbsolute(whole) {
			whole = joined(strings.TrimRight(r.origin.String(s), "/"), whole)
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
		*scratch = r.target.Append((*scratch)[:0], s)
		dst = appendTarget(dst, *scratch)
	}
	if len(r.body.query) > 0 {
		joint := byte('?')
		if bytes.IndexByte(dst[from:], '?') >= 0 {
			joint = '&'
		}
		dst = appendForm(append(dst, joint), r.body.query, s)
	}
	return dst, to, user, nil
}

// wire appends the request as it is sent over HTTP/1, and returns its server and its method.
func (r *requestStep) wire(dst []byte, s *text.Scope, scratch *[]byte, u *session) ([]byte, server, string, error) {
	method := r.method.String(s)
	if !httpguts.ValidHeaderFieldName(method) { // a token, too
		return dst, server{}, method, fmt.Errorf("invalid method %q", method)
	}
	dst = append(append(dst, method...), ' ')
	from := len(dst)
	dst, to, credentials, err := r.line(dst, s, scratch)
	if err != nil {
		return dst, to, method, err
	}
	target := dst[from:]
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if r.ownHost {
		*scratch = r.host.Append((*scratch)[:0], s)
		dst = appendValue(dst, *scratch)
	} else {
		dst = append(dst, to.host...)
	}
	dst = append(dst, "\r\n"...)
	dst = append(dst, r.head...)
	if credentials != "" && !strings.Contains(strings.ToLower(r.head), "authorization: ") {
		if plain, err := url.PathUnescape(credentials); err == nil {
			credentials = plain
		}
		dst = append(dst, "Authorization: Basic "...)
		dst = append(base64.StdEncoding.AppendEncode(dst, []byte(credentials)), "\r\n"...)
	}
	for i := range r.headers {
		dst = append(dst, r.headers[i].name...)
		*scratch = r.headers[i].value.Append((*scratch)[:0], s)
		dst = append(appendValue(dst, *scratch), "\r\n"...)
	}
	path := r.path
	if path == "" {
		path = pathOf(target)
	}
	dst = r.appendCookies(dst, s, scratch, u, to, path, r.ownCookie)
	if r.cache && !u.cache.Empty() {
		dst = u.cache.AppendHeaders(dst, to.scheme+"://"+to.host+string(target))
	}
	if !r.body.empty {
		*scratch = r.body.append((*scratch)[:0], s)
	} else {
		*scratch = (*scratch)[:0]
	}
	if !r.body.empty || method == "POST" || method == "PUT" || method == "PATCH" {
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, int64(len(*scratch)), 10), "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, *scratch...), to, method, nil
}

// appendCookies appends the Cookie header: with `own` the suite's, and those of the user's jar.
func (r *requestStep) appendCookies(
	dst []byte, s *text.Scope, scratch *[]byte, u *session, to server, path string, own bool,
) []byte {
	before := len(dst)
	dst = append(dst, "Cookie: "...)
	from := len(dst)
	if own {
		*scratch = r.cookie.Append((*scratch)[:0], s)
		dst = appendValue(dst, *scratch)
	}
	if r.cookies {
		end := len(dst)
		if end > from {
			dst = append(dst, "; "...)
		}
		jar := len(dst)
		if dst = u.cookies.AppendHeader(dst, hostOf(to.host), path, to.scheme == "https", s.Now()); len(dst) == jar {
			dst = dst[:end]
		}
	}
	if len(dst) == from {
		return dst[:before]
	}
	return append(dst, "\r\n"...)
}

// hostOf returns a host without its port, in lower case.
func hostOf(host string) string {
	if at := strings.LastIndexByte(host, ':'); at >= 0 && strings.IndexByte(host[at:], ']') < 0 {
		host = host[:at]
	}
	return strings.ToLower(host)
}
