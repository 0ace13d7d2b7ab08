package main

import "bytes"

// endOfHead is where the empty line ends that ends a head; -1 where it has not come. It isn't looked for before `from`.
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

// quick reads a head as nearly all are; false for one that is in any way unusual, and wants a parser that knows it all.
func quick(head []byte) (framing, bool) {
	found := framing{length: -1}
	if len(head) < 13 || string(head[:9]) != "HTTP/1.1 " || head[12] != ' ' && head[12] != '\r' {
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
		if !found.line(head[:end-1]) {
			return found, false
		}
		head = head[end+1:]
	}
}

// line is false for a header that is unusual.
func (f *framing) line(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return false
	}
	name, value := line[:colon], line[colon+1:]
	for _, one := range name {
		if (one|0x20 < 'a' || one|0x20 > 'z') && one != '-' && one != '_' && (one < '0' || one > '9') {
			return false
		}
	}
	for _, one := range value {
		if one < ' ' && one != '\t' || one == 0x7f {
			return false
		}
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch len(name) {
	case len("trailer"):
		return !same(name, "trailer")
	case len("connection"):
		if same(name, "connection") {
			f.closes = f.closes || same(value, "close")
			return same(value, "keep-alive") || same(value, "close")
		}
	case len("content-length"):
		if same(name, "content-length") {
			return f.counted(value)
		}
	case len("transfer-encoding"):
		if same(name, "transfer-encoding") {
			again := f.chunked
			f.chunked = true
			return !again && same(value, "chunked")
		}
	}
	return true
}

func (f *framing) counted(value []byte) bool {
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

// same is whether it is that, which is in lower case, whatever case it is in itself.
func same(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i, one := range text {
		if 'A' <= one && one <= 'Z' {
			one |= 0x20
		}
		if one != lower[i] {
			return false
		}
	}
	return true
}
