package main

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// template is a text with ${names} of data columns. Most have none and cost nothing.
type template struct {
	texts   []string // around the columns: one more than there are columns
	columns []column
}

type column struct{ source, index int }

// parseTemplate leaves ${names} of unknown columns as they are.
func parseTemplate(text string, known map[string]column) template {
	t := template{}
	for from := 0; ; {
		start := strings.Index(text[from:], "${")
		end := -1
		if start >= 0 {
			end = strings.IndexByte(text[from+start:], '}')
		}
		if end < 0 {
			t.texts = append(t.texts, text)
			return t
		}
		name := text[from+start+2 : from+start+end]
		if found, ok := known[name]; ok {
			t.texts = append(t.texts, text[:from+start])
			t.columns = append(t.columns, found)
			text, from = text[from+start+end+1:], 0
		} else {
			from += start + 2
		}
	}
}

func (t *template) fixed() bool { return len(t.columns) == 0 }

// fill inserts the columns' values from one row of each data source.
func (t *template) fill(rows [][]string) string {
	if t.fixed() {
		return t.texts[0]
	}
	var text strings.Builder
	for i, column := range t.columns {
		text.WriteString(t.texts[i])
		text.WriteString(rows[column.source][column.index])
	}
	text.WriteString(t.texts[len(t.columns)])
	return text.String()
}

const hex = "0123456789ABCDEF"

// escapeURL writes characters that a request line must not contain as %XX, as Locust and browsers do. It leaves the host
// as it is.
func escapeURL(url string) string {
	from := 0
	if at := strings.Index(url, "://"); at >= 0 {
		from = at + 3
	}
	at := strings.IndexAny(url[from:], "/?")
	if at < 0 {
		return url
	}
	for i := from + at; i < len(url); i++ {
		if !allowedInURL(url, i) {
			return escapeFrom(url, i)
		}
	}
	return url
}

func escapeFrom(url string, from int) string {
	var escaped strings.Builder
	escaped.WriteString(url[:from])
	for i := from; i < len(url); i++ {
		if char := url[i]; allowedInURL(url, i) {
			escaped.WriteByte(char)
		} else {
			escaped.Write([]byte{'%', hex[char>>4], hex[char&15]})
		}
	}
	return escaped.String()
}

// allowedInURL is false for a % that does not begin an escape.
func allowedInURL(url string, i int) bool {
	char := url[i]
	if char == '%' {
		return i+2 < len(url) && isHex(url[i+1]) && isHex(url[i+2])
	}
	return char > ' ' && char < 0x7f && strings.IndexByte("\"<>\\^`{|}", char) < 0
}

func isHex(char byte) bool {
	return '0' <= char && char <= '9' || 'a' <= char && char <= 'f' || 'A' <= char && char <= 'F'
}

// request is one request of the suite. Everything that does not depend on data is built before the load.
type request struct {
	method      string
	url         template
	fixedURL    string // empty if the URL depends on data
	names       []string
	values      []template
	header      http.Header // nil if a value depends on data
	body        template
	fixedBody   []byte
	dynamicBody bool
	follow      bool
	fixedWire   []byte // the whole request as sent over HTTP/1; nil if it depends on data or is invalid
	fixedServer server
	label       uint32
	traced      bool // each request has a trace context of its own
}

func newRequests(targets []target, sources []dataSource, traced bool, label func(string) uint32) []request {
	known := map[string]column{}
	for s, source := range sources {
		for i, name := range source.Columns {
			known[name] = column{s, i}
		}
	}
	requests := make([]request, len(targets))
	for i, t := range targets {
		r := request{method: t.Method, follow: t.Follow, fixedBody: t.Body, label: label(t.Label)}
		url, _, _ := strings.Cut(t.URL, "#") // a fragment is never sent
		r.url, r.body = parseTemplate(url, known), parseTemplate(string(t.Body), known)
		r.dynamicBody = !r.body.fixed()
		own := func(header [2]string) bool { return strings.EqualFold(header[0], traceHeader) }
		if r.traced = traced && !slices.ContainsFunc(t.Headers, own); r.traced {
			t.Headers = append(slices.Clone(t.Headers), [2]string{traceHeader, noTrace})
		}
		if r.url.fixed() {
			r.fixedURL = escapeURL(r.url.fill(nil))
		}
		fixedHeader := true
		for _, header := range t.Headers {
			value := parseTemplate(header[1], known)
			fixedHeader = fixedHeader && value.fixed()
			r.names, r.values = append(r.names, header[0]), append(r.values, value)
		}
		if fixedHeader {
			r.header = r.headerFor(nil)
		}
		if fixedHeader && r.url.fixed() && !r.dynamicBody {
			r.fixedWire, r.fixedServer, _ = r.encode(nil) // an invalid request fails when it is due
		}
		requests[i] = r
	}
	return requests
}

func (r *request) urlFor(rows [][]string) string {
	if r.fixedURL != "" {
		return r.fixedURL
	}
	url, _, _ := strings.Cut(r.url.fill(rows), "#") // a value may contain a fragment
	return escapeURL(url)
}

func (r *request) headerFor(rows [][]string) http.Header {
	if r.header != nil {
		return r.header
	}
	header := http.Header{}
	for i, name := range r.names {
		header.Add(name, r.values[i].fill(rows))
	}
	return header
}

func (r *request) bodyFor(rows [][]string) []byte {
	if r.dynamicBody {
		return []byte(r.body.fill(rows))
	}
	return r.fixedBody
}

// wire returns the request as it is sent over HTTP/1, and its server.
func (r *request) wire(rows [][]string) ([]byte, server, error) {
	if r.fixedWire != nil {
		return r.fixedWire, r.fixedServer, nil
	}
	return r.encode(rows)
}

func (r *request) encode(rows [][]string) ([]byte, server, error) {
	req, err := http.NewRequest(r.method, r.urlFor(rows), bytes.NewReader(r.bodyFor(rows)))
	if err != nil {
		return nil, server{}, err
	}
	req.Header = r.headerFor(rows).Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.URL.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := req.URL.User.Password()
		req.SetBasicAuth(req.URL.User.Username(), password)
	}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, server{}, err
	}
	return wire.Bytes(), server{req.URL.Scheme, req.URL.Host}, nil
}
