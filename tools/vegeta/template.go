package main

import (
	"bytes"
	"net/http"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// template is a text in which ${names} stand for columns of data; most have none, and cost nothing.
type template struct {
	texts   []string // one more than columns
	columns []column
}

type column struct{ source, index int }

func parse(text string, known map[string]column) template {
	made := template{}
	for from := 0; ; {
		start := strings.Index(text[from:], "${")
		end := -1
		if start >= 0 {
			end = strings.IndexByte(text[from+start:], '}')
		}
		if end < 0 {
			made.texts = append(made.texts, text)
			return made
		}
		name := text[from+start+2 : from+start+end]
		if found, ok := known[name]; ok {
			made.texts = append(made.texts, text[:from+start])
			made.columns = append(made.columns, found)
			text, from = text[from+start+end+1:], 0
		} else {
			from += start + 2 // the text means just this
		}
	}
}

func (t *template) fixed() bool { return len(t.columns) == 0 }

func (t *template) with(rows [][]string) string {
	if len(t.columns) == 0 {
		return t.texts[0]
	}
	var made strings.Builder
	for i, at := range t.columns {
		made.WriteString(t.texts[i])
		made.WriteString(rows[at.source][at.index])
	}
	made.WriteString(t.texts[len(t.columns)])
	return made.String()
}

const hex = "0123456789ABCDEF"

// sendable is an address as it may stand in a request: what has no place in one is written %XX, as by Locust and
// browsers. The host is left as it is.
func sendable(address string) string {
	from := 0
	if at := strings.Index(address, "://"); at >= 0 {
		from = at + 3
	}
	if at := strings.IndexAny(address[from:], "/?"); at >= 0 {
		from += at
	} else {
		return address
	}
	for i := from; i < len(address); i++ {
		if !stands(address, i) {
			return encoded(address, i)
		}
	}
	return address
}

func encoded(address string, from int) string {
	var made strings.Builder
	made.WriteString(address[:from])
	for i := from; i < len(address); i++ {
		if one := address[i]; stands(address, i) {
			made.WriteByte(one)
		} else {
			made.Write([]byte{'%', hex[one>>4], hex[one&15]})
		}
	}
	return made.String()
}

// stands is whether the character there may stand in an address as it is; a % only before two digits.
func stands(address string, i int) bool {
	one := address[i]
	if one == '%' {
		return i+2 < len(address) && isHex(address[i+1]) && isHex(address[i+2])
	}
	return one > ' ' && one < 0x7f && strings.IndexByte("\"<>\\^`{|}", one) < 0
}

func isHex(one byte) bool {
	return '0' <= one && one <= '9' || 'a' <= one && one <= 'f' || 'A' <= one && one <= 'F'
}

// urlWith is the request's address with its columns in it.
func (r *request) urlWith(rows [][]string) string {
	if r.address != "" {
		return r.address
	}
	address, _, _ := strings.Cut(r.url.with(rows), "#") // a value may bring a fragment
	return sendable(address)
}

// request is one request of the suite, with everything built that can be before the load.
type request struct {
	method  string
	url     template
	address string // built, unless it has a column in it
	names   []string
	values  []template
	body    template
	header  http.Header // built, unless a value has a column in it
	fixed   []byte
	dynamic bool // the body has a column in it
	follow  bool
	wire    []byte // the whole request as it is sent over HTTP/1; nil when a column is in it
	to      server // of it
	label   uint32
}

func (r *request) headerWith(rows [][]string) http.Header {
	if r.header != nil {
		return r.header
	}
	made := http.Header{}
	for i, name := range r.names {
		made.Add(name, r.values[i].with(rows))
	}
	return made
}

func (r *request) bodyWith(rows [][]string) []byte {
	if r.dynamic {
		return []byte(r.body.with(rows))
	}
	return r.fixed
}

func requests(told []told, sources []source, label func(string) uint32) []request {
	known := map[string]column{}
	for s, source := range sources {
		for i, name := range source.Columns {
			known[name] = column{s, i}
		}
	}
	made := make([]request, len(told))
	for i, one := range told {
		r := request{method: one.Method, follow: one.Follow, fixed: one.Body, label: label(one.Label)}
		address, _, _ := strings.Cut(one.URL, "#") // no fragment is ever sent; ours tells requests apart
		r.url, r.body = parse(address, known), parse(string(one.Body), known)
		r.dynamic = !r.body.fixed()
		if r.url.fixed() {
			r.address = sendable(r.url.with(nil))
		}
		allFixed := true
		for _, pair := range one.Headers {
			value := parse(pair[1], known)
			allFixed = allFixed && value.fixed()
			r.names, r.values = append(r.names, pair[0]), append(r.values, value)
		}
		if allFixed {
			r.header = r.headerWith(nil)
		}
		if allFixed && r.url.fixed() && !r.dynamic {
			r.wire, r.to, _ = r.wired(nil) // what is no request is found out, and counted, when it is due
		}
		made[i] = r
	}
	return made
}

// made is the request as Go's client takes it.
func (r *request) made(rows [][]string) (*http.Request, error) {
	target := vegeta.Target{Method: r.method, URL: r.urlWith(rows), Header: r.headerWith(rows), Body: r.bodyWith(rows)}
	req, err := target.Request()
	if err == nil && req.URL.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := req.URL.User.Password()
		req.SetBasicAuth(req.URL.User.Username(), password)
	}
	return req, err
}

// ready is what is sent over HTTP/1, and to whom.
func (r *request) ready(rows [][]string) ([]byte, server, error) {
	if r.wire != nil {
		return r.wire, r.to, nil
	}
	return r.wired(rows)
}

func (r *request) wired(rows [][]string) ([]byte, server, error) {
	req, err := r.made(rows)
	if err != nil {
		return nil, server{}, err
	}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, server{}, err
	}
	return wire.Bytes(), server{req.URL.Scheme, req.URL.Host}, nil
}
