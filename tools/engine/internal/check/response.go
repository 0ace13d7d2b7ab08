// Package check reads values from responses and asserts on them, as the options of Taurus' requests say.
package check

import (
	"bytes"
	"strconv"

	"github.com/antchfx/xmlquery"
	"github.com/tidwall/gjson"
	"golang.org/x/net/html"
)

// Response is what extractors and assertions look at. Documents are parsed when the first of them needs one, and once.
// Nothing that they give away refers to its memory. Reset makes the response ready for another one.
type Response struct {
	Status  int
	Message string // the reason phrase
	Head    []byte // raw: status line and headers, with or without the empty line
	Body    []byte // decoded: chunks, compression, and the charset, to UTF-8
	URL     string // of the last request, after redirects

	json      gjson.Result
	jsonState parsed
	html      *html.Node
	xml       *xmlquery.Node
	xmlState  parsed
	headers   []byte
	subject   []byte // room for a subject that is no part of the response
}

type parsed uint8

const (
	notYet parsed = iota
	isParsed
	isBroken
)

// Reset forgets the response and its documents, and keeps some room for the next.
func (r *Response) Reset() {
	*r = Response{headers: r.headers[:0], subject: r.subject[:0]}
}

// document returns the body as JSON. It does not exist if the body is none.
func (r *Response) document() gjson.Result {
	if r.jsonState == notYet {
		r.json, r.jsonState = parseJSON(r.Body), isParsed
	}
	return r.json
}

// page returns the body as HTML.
func (r *Response) page() *html.Node {
	if r.html == nil {
		r.html, _ = html.ParseWithOptions(bytes.NewReader(r.Body), html.ParseOptionEnableScripting(false))
		if r.html == nil {
			r.html = &html.Node{Type: html.DocumentNode}
		}
	}
	return r.html
}

// headerText returns the head as JMeter has it: lines that end with one line feed.
func (r *Response) headerText() []byte {
	if len(r.headers) == 0 {
		for line := range bytes.Lines(r.Head) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
				r.headers = append(append(r.headers, line...), '\n')
			}
		}
	}
	return r.headers
}

// part returns what a subject means: body, headers, http-code, url or message.
func (r *Response) part(subject string) []byte {
	switch subject {
	case "headers":
		return r.headerText()
	case "http-code":
		r.subject = r.subject[:0]
		if r.Status > 0 {
			r.subject = strconv.AppendInt(r.subject, int64(r.Status), 10)
		}
		return r.subject
	case "url":
		return append(r.subject[:0], r.URL...)
	case "message":
		return append(r.subject[:0], r.Message...)
	}
	return r.Body
}

var subjects = map[string]bool{"": true, "body": true, "headers": true, "http-code": true, "url": true, "message": true}
