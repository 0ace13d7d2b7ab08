package check

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// document is a JSON text with a table of its values. The table has positions and no pointers, and is used again for
// the next response.
type document struct {
	text  []byte
	nodes []jsonNode
}

// jsonNode is one value. The first has the number 0; its children follow it directly.
type jsonNode struct {
	kind       byte  // { [ " 0 (a number) t f n
	escaped    bool  // the string has backslashes
	keyEscaped bool  // so has the key
	next       int32 // the sibling; 0: none
	begin, end int32 // of the value, a string's quotes left out
	key, size  int32 // position and length of the member's name; size -1: an element of an array
}

// deepestJSON bounds arrays and objects inside each other.
const deepestJSON = 1000

// mostJSON is the largest text whose positions fit; a larger response is not read.
const mostJSON = math.MaxInt32

var errJSON = errors.New("no JSON")

// parse reads a whole text. As Jayway's parser, it accepts control characters in strings.
func (d *document) parse(text []byte) error {
	d.text, d.nodes = text, d.nodes[:0]
	if len(text) > mostJSON {
		return errJSON
	}
	at, ok := d.value(skipBlanks(text, len(text)-len(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))), 0)
	if !ok || skipBlanks(text, at) != len(text) {
		d.nodes = d.nodes[:0]
		return errJSON
	}
	return nil
}

func skipBlanks(text []byte, at int) int {
	for at < len(text) && text[at] <= ' ' && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t') {
		at++
	}
	return at
}

// value reads one value and appends its node. at is its first character.
func (d *document) value(at, depth int) (end int, ok bool) {
	text := d.text
	if at >= len(text) || depth > deepestJSON {
		return at, false
	}
	self := len(d.nodes)
	c := text[at]
	d.nodes = append(d.nodes, jsonNode{kind: c, begin: int32(at), size: -1})
	switch {
	case c == '"':
		end, escaped, ok := skipString(text, at+1)
		node := &d.nodes[self]
		node.begin, node.end, node.escaped = int32(at+1), int32(end), escaped
		return end + 1, ok
	case c == '{' || c == '[':
		end, ok = d.members(at, depth, c == '{')
		d.nodes[self].end = int32(end)
		return end, ok
	case c == '-' || c >= '0' && c <= '9':
		end, ok = skipNumber(text, at)
		d.nodes[self].kind, d.nodes[self].end = '0', int32(end)
		return end, ok
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if word[0] == c && len(text)-at >= len(word) && string(text[at:at+len(word)]) == word {
			d.nodes[self].end = int32(at + len(word))
			return at + len(word), true
		}
	}
	return at, false
}

// members reads the members of an object or the elements of an array, up to the bracket that closes it.
func (d *document) members(at, depth int, object bool) (end int, ok bool) {
	text := d.text
	closing := byte(']')
	if object {
		closing = '}'
	}
	at = skipBlanks(text, at+1)
	if at < len(text) && text[at] == closing {
		return at + 1, true
	}
	for last := -1; ; {
		key, size, escaped := at+1, -1, false
		if object {
			if at >= len(text) || text[at] != '"' {
				return at, false
			}
			end, has, ok := skipString(text, at+1)
			if !ok {
				return at, false
			}
			size, escaped = end-key, has
			at = skipBlanks(text, end+1)
			if at >= len(text) || text[at] != ':' {
				return at, false
			}
			at = skipBlanks(text, at+1)
		}
		child := len(d.nodes)
		if at, ok = d.value(at, depth+1); !ok {
			return at, false
		}
		node := &d.nodes[child]
		node.key, node.size, node.keyEscaped = int32(key), int32(size), escaped
		if last >= 0 {
			d.nodes[last].next = int32(child)
		}
		last = child
		at = skipBlanks(text, at)
		if at >= len(text) {
			return at, false
		}
		switch text[at] {
		case ',':
			at = skipBlanks(text, at+1)
		case closing:
			return at + 1, true
		default:
			return at, false
		}
	}
}

// skipString returns the position of the quote that ends a string.
func skipString(text []byte, at int) (end int, escaped, ok bool) {
	for ; at < len(text); at++ {
		switch text[at] {
		case '"':
			return at, escaped, true
		case '\\':
			escaped = true
			at++
			if at < len(text) && bytes.IndexByte([]byte(`"\/bfnrtu`), text[at]) < 0 {
				return at, escaped, false
			}
		}
	}
	return at, escaped, false
}

func skipNumber(text []byte, at int) (end int, ok bool) {
	digits := func() bool {
		begin := at
		for at < len(text) && text[at] >= '0' && text[at] <= '9' {
			at++
		}
		return at > begin
	}
	if text[at] == '-' {
		at++
	}
	if at < len(text) && text[at] == '0' {
		at++
	} else if !digits() {
		return at, false
	}
	if at < len(text) && text[at] == '.' {
		if at++; !digits() {
			return at, false
		}
	}
	if at < len(text) && text[at]|0x20 == 'e' {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		if !digits() {
			return at, false
		}
	}
	return at, true
}

// first returns the first child of an object or array; 0: none.
func (d *document) first(of int32) int32 {
	node := &d.nodes[of]
	if (node.kind == '{' || node.kind == '[') && int(of)+1 < len(d.nodes) && d.nodes[of+1].begin < node.end {
		return of + 1
	}
	return 0
}

// isKey reports whether a member has this name.
func (d *document) isKey(of int32, name string) bool {
	node := &d.nodes[of]
	raw := d.text[node.key : node.key+node.size]
	if node.keyEscaped {
		return string(appendUnescaped(nil, raw)) == name
	}
	return string(raw) == name
}

// member returns an object's member; 0: none. The last one of a name counts.
func (d *document) member(of int32, name string) int32 {
	found := int32(0)
	if d.nodes[of].kind == '{' {
		for at := d.first(of); at > 0; at = d.nodes[at].next {
			if d.isKey(at, name) {
				found = at
			}
		}
	}
	return found
}

// count returns the number of children.
func (d *document) count(of int32) int {
	n := 0
	for at := d.first(of); at > 0; at = d.nodes[at].next {
		n++
	}
	return n
}

// append appends a value as JMeter's variables have it: a string's content, a number as Java writes it, and other
// values as JSON without blanks.
func (d *document) append(dst []byte, of int32) []byte {
	node := &d.nodes[of]
	raw := d.text[node.begin:node.end]
	switch node.kind {
	case '"':
		if node.escaped {
			return appendUnescaped(dst, raw)
		}
		return append(dst, raw...)
	case '0':
		return appendNumber(dst, raw)
	case '{', '[':
		return appendCompact(dst, raw)
	}
	return append(dst, raw...)
}

func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			dst = append(dst, raw[i])
			continue
		}
		i++
		at := bytes.IndexByte([]byte("bfnrt"), raw[i])
		switch {
		case at >= 0:
			dst = append(dst, "\b\f\n\r\t"[at])
		case raw[i] != 'u':
			dst = append(dst, raw[i])
		default:
			unit := unicodeEscape(raw[i+1:])
			if unit < 0 {
				dst = append(dst, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(unit) && i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
				if pair := utf16.DecodeRune(unit, unicodeEscape(raw[i+3:])); pair != utf8.RuneError {
					unit = pair
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, unit)
		}
	}
	return dst
}

// unicodeEscape reads four hexadecimal digits; -1: there are none.
func unicodeEscape(text []byte) rune {
	if len(text) < 4 {
		return -1
	}
	var unit rune
	for _, c := range text[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		unit = unit<<4 | rune(c)
	}
	return unit
}

// appendNumber appends a number as Java's Double has it, if a Double can: 12.50 is 12.5, 1e3 is 1000.0.
func appendNumber(dst, raw []byte) []byte {
	if !bytes.ContainsAny(raw, ".eE") || len(raw) > 17 {
		return append(dst, raw...)
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return append(dst, raw...)
	}
	if size := math.Abs(number); number != 0 && (size < 1e-3 || size >= 1e7) {
		text := strconv.FormatFloat(number, 'E', -1, 64)
		mantissa, exponent, _ := bytes.Cut([]byte(text), []byte("E"))
		dst = append(dst, mantissa...)
		if !bytes.ContainsRune(mantissa, '.') {
			dst = append(dst, ".0"...)
		}
		power, _ := strconv.Atoi(string(exponent))
		return strconv.AppendInt(append(dst, 'E'), int64(power), 10)
	}
	begin := len(dst)
	dst = strconv.AppendFloat(dst, number, 'f', -1, 64)
	if bytes.IndexByte(dst[begin:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendCompact appends valid JSON without the blanks between its parts.
func appendCompact(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			end, _, _ := skipString(raw, i+1)
			dst = append(dst, raw[i:min(end+1, len(raw))]...)
			i = end
		case c > ' ':
			dst = append(dst, c)
		}
	}
	return dst
}
