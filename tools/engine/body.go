package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// metaBytes is how much of a page may precede the charset that it names itself.
const metaBytes = 2000

// decoder turns bodies as received into text. It keeps its memory for the next one: a loop has one decoder.
type decoder struct {
	joined, plain, text []byte
	gzip                gzip.Reader
	brotli              brotli.Reader
	source              bytes.Reader
	cut                 bool // the body was captured up to the limit only
}

// decode returns a body without chunks and without its content coding (gzip, deflate, br), converted to UTF-8 from the
// charset that the head names, or that an HTML page names itself. Without one it is taken to be UTF-8.
//
// head and raw are those of exchanged. Of a body beyond bodyLimit it returns what can be decoded. The result is valid as
// long as raw is, and until the next call.
func (d *decoder) decode(head, raw []byte) ([]byte, error) {
	body := raw
	d.cut = len(raw) >= bodyLimit
	if equalFold([]byte(headerIn(head, "transfer-encoding")), "chunked") {
		d.joined = appendChunks(shrunk(d.joined), raw)
		body = d.joined
	}
	if codings := headerIn(head, "content-encoding"); codings != "" {
		var err error
		if body, err = d.decompress(codings, body); err != nil {
			return body, err
		}
	}
	if charset := charsetOf(headerIn(head, "content-type"), body); charset != "" {
		return d.convert(charset, body), nil
	}
	return body, nil
}

// shrunk returns memory to append to, unless it is too much to keep.
func shrunk(memory []byte) []byte {
	if cap(memory) > mostSpare {
		return nil
	}
	return memory[:0]
}

// appendChunks appends the content of chunks, as far as they are there.
func appendChunks(dst, raw []byte) []byte {
	for {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 {
			return dst
		}
		length, err := chunkLength(raw[:end-1])
		if err != nil || length == 0 {
			return dst
		}
		raw = raw[end+1:]
		n := min(length, uint64(len(raw)))
		dst = append(dst, raw[:n]...)
		raw = raw[min(n+2, uint64(len(raw))):]
	}
}

// mostCodings bounds the work that a response can ask for; services apply one.
const mostCodings = 5

// decompress undoes content codings, of which the last one was applied last.
func (d *decoder) decompress(codings string, body []byte) ([]byte, error) {
	names := strings.Split(codings, ",")
	if len(names) > mostCodings {
		return body, fmt.Errorf("the body has %d content codings, more than %d", len(names), mostCodings)
	}
	for i := len(names) - 1; i >= 0 && len(body) > 0; i-- {
		name := strings.ToLower(strings.TrimSpace(names[i]))
		if name == "identity" || name == "" {
			continue
		}
		if len(names) > 1 {
			body = bytes.Clone(body) // it may lie in the memory of the next result
		}
		d.source.Reset(body)
		reader, err := d.reader(name, body)
		if err == nil {
			body, err = d.readAll(reader)
		}
		if err != nil {
			return body, fmt.Errorf("the body is not valid %s: %w", name, err)
		}
	}
	return body, nil
}

func (d *decoder) reader(name string, body []byte) (io.Reader, error) {
	switch name {
	case "gzip", "x-gzip":
		return &d.gzip, d.gzip.Reset(&d.source)
	case "br":
		return &d.brotli, d.brotli.Reset(&d.source)
	case "deflate":
		if len(body) > 1 && body[0]&15 == 8 && (int(body[0])<<8|int(body[1]))%31 == 0 {
			return zlib.NewReader(&d.source)
		}
		return flate.NewReader(&d.source), nil // as some services send it
	}
	return nil, errors.ErrUnsupported
}

func (d *decoder) readAll(reader io.Reader) ([]byte, error) {
	plain := bytes.NewBuffer(shrunk(d.plain))
	_, err := plain.ReadFrom(io.LimitReader(reader, bodyLimit))
	if d.cut && errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	d.plain = plain.Bytes()
	return d.plain, err
}

// charsetOf returns the charset of a text; empty if that is UTF-8, or unknown.
func charsetOf(contentType string, body []byte) string {
	charset := parameter(contentType, "charset=")
	if charset == "" && len(contentType) >= 9 && strings.EqualFold(contentType[:9], "text/html") {
		start := bytes.ToLower(body[:min(len(body), metaBytes)])
		if at := bytes.Index(start, []byte("charset=")); at >= 0 && bytes.LastIndex(start[:at], []byte("<meta")) > bytes.LastIndexByte(start[:at], '>') {
			charset = parameter(string(start[at:]), "charset=")
		}
	}
	switch charset {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return ""
	}
	return charset
}

// parameter returns the value after a name, in lower case.
func parameter(text, name string) string {
	text = strings.ToLower(text)
	at := strings.Index(text, name)
	if at < 0 {
		return ""
	}
	value := strings.TrimLeft(text[at+len(name):], `"' `)
	if end := strings.IndexAny(value, `"'; />`); end >= 0 {
		value = value[:end]
	}
	return value
}

// convert returns the text in UTF-8. An unknown charset changes nothing.
func (d *decoder) convert(charset string, body []byte) []byte {
	known, err := ianaindex.IANA.Encoding(charset)
	if err != nil || known == nil {
		if known, err = htmlindex.Get(charset); err != nil {
			return body
		}
	}
	if known == encoding.Nop {
		return body
	}
	text := bytes.NewBuffer(shrunk(d.text))
	_, _ = text.ReadFrom(transform.NewReader(bytes.NewReader(body), known.NewDecoder()))
	d.text = text.Bytes()
	return d.text
}
