package main

import (
	"crypto/rand"
	"fmt"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"toril/tools/engine/internal/text"
)

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

// body is what a request carries: one of its fields. The zero value is empty.
type body struct {
	fixed []byte
	text  text.Template
	query []field // form fields that become part of the URL
	form  []field
	parts []part
	bound string // between parts
}

type field struct{ name, value text.Template }

// part is a field or a file of multipart/form-data.
type part struct {
	field field
	head  string // up to the file's content; empty: it is a field
	file  []byte
}

// parseBody returns the headers with the body's type.
func (r *request) parseBody(b *block, headers [][2]string, names *text.Names) ([][2]string, error) {
	withType := func(kind string) [][2]string {
		if kind == "" || hasHeader(headers, "Content-Type") {
			return headers
		}
		return append(headers, [2]string{"Content-Type", kind})
	}
	fields, err := r.parseFields(b.Form, names)
	switch {
	case err != nil:
		return nil, err
	case len(b.Files) == 1 && b.Files[0].Param == "":
		r.body.fixed, err = os.ReadFile(b.Files[0].Path)
		return withType(b.Files[0].Mime), err
	case len(b.Files) > 0 || b.Multipart:
		r.body.bound = "toril-" + rand.Text()
		r.body.parts, err = partsOf(fields, b.Files)
		return mergeHeaders(headers, [][2]string{{"Content-Type", multipartType + "; boundary=" + r.body.bound}}), err
	case b.Form != nil && slices.Contains([]string{"GET", "HEAD", "DELETE", "OPTIONS"}, b.Method):
		r.body.query = fields
		return headers, nil
	case b.Form != nil:
		r.body.form = fields
		return withType(formType), nil
	case b.Body != nil:
		r.body.text, err = r.parse(*b.Body, names)
		return headers, err
	}
	r.body.fixed = b.BodyBytes
	return headers, nil
}

func (r *request) parseFields(pairs [][2]string, names *text.Names) (fields []field, err error) {
	for _, pair := range pairs {
		var parsed field
		if parsed.name, err = r.parse(pair[0], names); err != nil {
			return nil, err
		}
		if parsed.value, err = r.parse(pair[1], names); err != nil {
			return nil, err
		}
		fields = append(fields, parsed)
	}
	return fields, nil
}

func partsOf(fields []field, files []upload) (parts []part, err error) {
	for _, field := range fields {
		parts = append(parts, part{field: field})
	}
	for _, file := range files {
		content, err := os.ReadFile(file.Path)
		if err != nil {
			return nil, err
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
		parts = append(parts, part{head: head, file: content})
	}
	return parts, nil
}

var inQuotes = strings.NewReplacer("\\", "\\\\", `"`, `\"`, "\r", "%0D", "\n", "%0A")

func quoted(name string) string { return `"` + inQuotes.Replace(name) + `"` }

// append appends the body, unless it is `fixed`.
func (b *body) append(dst []byte, s *text.Scope) []byte {
	switch {
	case b.form != nil:
		return appendForm(dst, b.form, s)
	case b.bound == "":
		return b.text.Append(dst, s)
	}
	for i := range b.parts {
		one := &b.parts[i]
		dst = append(append(append(dst, "--"...), b.bound...), "\r\n"...)
		if one.head != "" {
			dst = append(append(dst, one.head...), one.file...)
		} else {
			dst = append(dst, "Content-Disposition: form-data; name="...)
			dst = append(append(dst, quoted(one.field.name.String(s))...), "\r\n\r\n"...)
			dst = one.field.value.Append(dst, s)
		}
		dst = append(dst, "\r\n"...)
	}
	return append(append(append(dst, "--"...), b.bound...), "--\r\n"...)
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
