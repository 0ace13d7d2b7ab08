package main

import (
	"bytes"
	"iter"
)

// endOfHead returns the index after the empty line that ends a head; -1 if it is not there. The search starts at from.
func endOfHead(data []byte, from int) int {
	for {
		at := bytes.IndexByte(data[from:], '\n')
		if at < 0 {
			return -1
		}
		from += at + 1
		switch {
		case from < len(data) && data[from] == '\n':
			return from + 1
		case from+1 < len(data) && data[from] == '\r' && data[from+1] == '\n':
			return from + 2
		}
	}
}

// parseCommonHead parses a head in the form that nearly all services send. It returns false for every other one, which
// needs net/http's parser.
func parseCommonHead(head []byte) (framing, bool) {
	found := framing{length: -1}
	if len(head) < 14 || string(head[:9]) != "HTTP/1.1 " || head[12] != ' ' && string(head[12:14]) != "\r\n" {
		return found, false
	}
	for _, digit := range head[9:12] {
		if digit < '0' || digit > '9' {
			return found, false
		}
		found.status = found.status*10 + int(digit-'0')
	}
	if found.status < 100 {
		return found, false
	}
	head = head[bytes.IndexByte(head, '\n')+1:]
	for {
		end := bytes.IndexByte(head, '\n')
		if end < 1 || head[end-1] != '\r' {
			return found, false
		}
		if end == 1 {
			return found, !found.chunked || found.length < 0
		}
		if !found.addHeader(head[:end-1]) {
			return found, false
		}
		head = head[end+1:]
	}
}

// addHeader returns false for a header in an uncommon form.
func (f *framing) addHeader(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return false
	}
	name, value := line[:colon], line[colon+1:]
	for _, char := range name {
		if (char|0x20 < 'a' || char|0x20 > 'z') && char != '-' && char != '_' && (char < '0' || char > '9') {
			return false
		}
	}
	for _, char := range value {
		if char < ' ' && char != '\t' || char == 0x7f {
			return false
		}
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch len(name) {
	case len("trailer"):
		return !equalFold(name, "trailer")
	case len("connection"):
		if equalFold(name, "connection") {
			f.closes = f.closes || equalFold(value, "close")
			return equalFold(value, "keep-alive") || equalFold(value, "close")
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			return f.setLength(value)
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			repeated := f.chunked
			f.chunked = true
			return !repeated && equalFold(value, "chunked")
		}
	}
	return true
}

func (f *framing) setLength(value []byte) bool {
	if f.length >= 0 || len(value) == 0 || len(value) > 15 {
		return false
	}
	f.length = 0
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			return false
		}
		f.length = f.length*10 + int64(digit-'0')
	}
	return true
}

// equalFold compares text with a word in lower case, ignoring the case of ASCII letters.
func equalFold(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i, char := range text {
		if 'A' <= char && char <= 'Z' {
			char |= 0x20
		}
		if char != lower[i] {
			return false
		}
	}
	return true
}

// headerIn returns the value of a head's first field of this name, in lower case; empty if there is none.
func headerIn(head []byte, lower string) string {
	for value := range headersIn(head, lower) {
		return string(value)
	}
	return ""
}

// headersIn yields the values of a head's fields of this name, in lower case.
func headersIn(head []byte, lower string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(head) {
			if len(line) > len(lower) && line[len(lower)] == ':' && equalFold(line[:len(lower)], lower) &&
				!yield(bytes.TrimSpace(line[len(lower)+1:])) {
				return
			}
		}
	}
}
