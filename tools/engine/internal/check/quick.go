package check

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// quickSelector is a selector such as input[name=token], of an element that HTML keeps wherever it is. A page is
// searched for it without its tree, with the result that the tree gives.
type quickSelector struct {
	tag        string // "": any, as in #token. The tree is needed if another element may have the attributes
	attributes [][2]string
}

var (
	quickForm      = regexp.MustCompile(`^\s*(?i:(input|meta))?(?:#([A-Za-z][\w-]*))?((?:\[\s*[A-Za-z][\w-]*\s*=\s*(?:"[\w-]+"|'[\w-]+'|[A-Za-z][\w-]*)\s*\])*)\s*$`)
	quickAttribute = regexp.MustCompile(`\[\s*([A-Za-z][\w-]*)\s*=\s*["']?([\w-]+)["']?\s*\]`)
)

// newQuickSelector returns nil for a selector of another form.
func newQuickSelector(source string) *quickSelector {
	found := quickForm.FindStringSubmatch(source)
	if found == nil {
		return nil
	}
	q := &quickSelector{tag: strings.ToLower(found[1])}
	if found[2] != "" {
		q.attributes = append(q.attributes, [2]string{"id", found[2]})
	}
	for _, test := range quickAttribute.FindAllStringSubmatch(found[3], -1) {
		q.attributes = append(q.attributes, [2]string{strings.ToLower(test[1]), test[2]})
	}
	if len(q.attributes) == 0 {
		return nil
	}
	return q
}

// find appends the attribute's values of up to most elements, in the document's order. ok is false if only the tree
// can say what there is, or in which order.
func (q *quickSelector) find(page []byte, attribute string, most int, found []match) (all []match, ok bool) {
	before := len(found)
	tables, inCell, inSelect := 0, false, false
	at := 0
	for most < 0 || len(found)-before < most || tables > 0 { // what follows in a table may precede it
		next := bytes.IndexByte(page[at:], '<')
		if next < 0 || at+next+1 >= len(page) {
			at = len(page)
			break
		}
		at += next + 1
		c, ends := page[at], false
		if c == '/' {
			if at++; at >= len(page) {
				break
			}
			c, ends = page[at], true
			if c == '>' {
				continue
			}
		}
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if at, ok = skipOther(page, at, ends); !ok {
				return found[:before], false
			}
			continue
		}
		var name []byte
		begin := at
		name, at = readName(page, at)
		isInput := isWordOf(name, "input")
		isTarget := !ends && (isInput && q.tag != "meta" || q.tag != "input" && isWordOf(name, "meta"))
		var value []byte
		matches := false
		if isTarget {
			value, matches, at = q.read(page, begin, at, attribute)
		} else {
			at = skipTag(page, at)
		}
		if at < 0 {
			at = len(page) // a tag without an end is none
			break
		}
		if !isTarget && q.tag == "" && mayHave(page[begin:at], q.attributes[0][1]) {
			return found[:before], false
		}
		if isTarget {
			if inSelect && !isInput || tables > 0 && !inCell {
				return found[:before], false // left out, or put before the table
			}
			if inSelect = false; matches {
				found = append(found, match{value: value})
			}
			continue
		}
		switch kindOf(name) {
		case isUnusual:
			return found[:before], false
		case isTable:
			inCell = false
			if !ends {
				tables++
			} else if tables > 0 {
				tables--
				inCell = tables > 0 // the table was in a cell, or that is the tree's to say
			}
			if tables > 1 || inCell {
				return found[:before], false
			}
		case isCell:
			inCell = !ends
		case isRow:
			inCell = false
		case isSelect:
			inSelect = !ends
		case isRaw:
			if ends {
				continue
			}
			if inSelect {
				return found[:before], false
			}
			if at, ok = skipRaw(page, at, page[begin:begin+len(name)]); !ok {
				return found[:before], false
			}
		}
	}
	if changesWhatPrecedes(page[at:], q.tag == "") {
		return found[:before], false // a frameset, or a tag that belongs to the beginning
	}
	if most >= 0 && len(found)-before > most {
		found = found[:before+most]
	}
	return found, true
}

func isWordOf(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' }

func skipSpace(page []byte, at int) int {
	for at < len(page) && isBlank(page[at]) {
		at++
	}
	return at
}

// readName reads a tag's name.
func readName(page []byte, at int) (name []byte, end int) {
	end = at
	for end < len(page) && page[end] != '>' && page[end] != '/' && !isBlank(page[end]) {
		end++
	}
	return page[at:end], end
}

// readAttribute reads the next attribute of a tag. end is -1 if the page ends before the tag does.
func readAttribute(page []byte, at int) (key, value []byte, end int) {
	begin := at
	for ; at < len(page); at++ {
		c := page[at]
		if c == '=' && at > begin || c == '/' || c == '>' || isBlank(c) {
			break
		}
	}
	key = page[begin:at]
	at = skipSpace(page, at)
	if at >= len(page) {
		return key, nil, -1
	}
	if page[at] == '/' {
		return key, nil, at + 1
	}
	if page[at] != '=' {
		return key, nil, at
	}
	at = skipSpace(page, at+1)
	if at >= len(page) {
		return key, nil, -1
	}
	switch quote := page[at]; quote {
	case '>':
		return key, nil, at
	case '"', '\'':
		length := bytes.IndexByte(page[at+1:], quote)
		if length < 0 {
			return key, nil, -1
		}
		return key, page[at+1 : at+1+length], at + length + 2
	}
	begin = at
	for at < len(page) && page[at] != '>' && !isBlank(page[at]) {
		at++
	}
	return key, page[begin:at], at
}

// skipTag returns the position behind a tag; -1 if it has no end.
func skipTag(page []byte, at int) int {
	if length := bytes.IndexByte(page[at:], '>'); length >= 0 && areClosed(page[at:at+length]) {
		return at + length + 1
	}
	for at = skipSpace(page, at); at < len(page); at = skipSpace(page, at) {
		if page[at] == '>' {
			return at + 1
		}
		if _, _, at = readAttribute(page, at); at < 0 {
			return -1
		}
	}
	return -1
}

// areClosed reports whether no quote can be open behind these attributes. It is sure of the usual form only: a quote
// that opens follows =, and one that closes follows neither = nor a blank.
func areClosed(attributes []byte) bool {
	if bytes.IndexByte(attributes, '\'') >= 0 {
		return false
	}
	for {
		opens := bytes.IndexByte(attributes, '"')
		if opens < 0 {
			return true
		}
		closes := bytes.IndexByte(attributes[opens+1:], '"') + opens + 1
		if opens == 0 || attributes[opens-1] != '=' || closes == opens || attributes[closes-1] == '=' || isBlank(attributes[closes-1]) {
			return false
		}
		attributes = attributes[closes+1:]
	}
}

// read reads the attributes of the selector's element, whose name is at begin. end is -1 if the tag has no end.
func (q *quickSelector) read(page []byte, begin, at int, attribute string) (value []byte, matches bool, end int) {
	var room [4]bool
	seen := append(room[:0], make([]bool, len(q.attributes))...)
	matched, hasValue, hasEntity := 0, false, false
	for at = skipSpace(page, at); at < len(page); at = skipSpace(page, at) {
		if page[at] == '>' {
			if hasEntity {
				value, matches = q.readByLibrary(page[begin-1:at+1], attribute)
				return value, matches, at + 1
			}
			return value, matched == len(q.attributes), at + 1
		}
		var key, content []byte
		if key, content, at = readAttribute(page, at); at < 0 {
			break
		}
		needed := false
		if isWordOf(key, attribute) && !hasValue { // the first one of a name counts
			value, hasValue, needed = content, true, true
		}
		for i, test := range q.attributes {
			if isWordOf(key, test[0]) && !seen[i] {
				seen[i], needed = true, true
				if string(content) == test[1] {
					matched++
				}
			}
		}
		hasEntity = hasEntity || needed && bytes.ContainsAny(content, "&\r\x00")
	}
	return nil, false, -1
}

// readByLibrary reads a tag whose values are written otherwise than they are.
func (q *quickSelector) readByLibrary(tag []byte, attribute string) (value []byte, matches bool) {
	tokens := html.NewTokenizer(bytes.NewReader(tag))
	tokens.Next()
	node := &html.Node{Attr: tokens.Token().Attr}
	for _, test := range q.attributes {
		if !slices.ContainsFunc(node.Attr, func(has html.Attribute) bool { return has.Key == test[0] && has.Val == test[1] }) {
			return nil, false
		}
	}
	return valueOf(node, attribute), true
}

// skipOther skips a comment or a declaration behind <! or <?, a closing tag without a name, or a < that is text.
func skipOther(page []byte, at int, ends bool) (int, bool) {
	rest := page[at:]
	if bytes.HasPrefix(rest, []byte("!--")) {
		length := bytes.Index(rest, []byte("-->"))
		if length < 5 || bytes.Contains(rest[:length], []byte("--!")) {
			return at, false // unusual
		}
		return at + length + 3, true
	}
	if rest[0] == '!' && (len(rest) < 9 || !isWordOf(rest[1:8], "doctype")) {
		return at, false
	}
	if ends || rest[0] == '!' || rest[0] == '?' {
		length := bytes.IndexByte(rest, '>')
		if length < 0 {
			return len(page), true
		}
		return at + length + 1, true
	}
	return at, true
}

// skipRaw returns the position of the closing tag of an element whose content is text.
func skipRaw(page []byte, at int, name []byte) (int, bool) {
	begin := at
	for {
		next := bytes.Index(page[at:], []byte("</"))
		if next < 0 {
			return at, false
		}
		at += next
		after := at + 2 + len(name)
		if after < len(page) && bytes.EqualFold(page[at+2:after], name) &&
			(page[after] == '>' || page[after] == '/' || isBlank(page[after])) {
			return at, !bytes.Contains(page[begin:at], []byte("<!--")) // which may hide the closing tag of a script
		}
		at += 2
	}
}

type tagKind uint8

const (
	isUsual   tagKind = iota
	isUnusual         // changes what follows
	isTable
	isRow
	isCell
	isSelect
	isRaw
)

// mayHave reports whether a tag may have an attribute of this value, which consists of word characters and hyphens.
func mayHave(tag []byte, value string) bool {
	if bytes.Contains(tag, []byte(value)) {
		return true
	}
	for _, entity := range []string{"&#", "&lowbar", "&UnderBar", "&fjlig"} { // those of word characters
		if bytes.Contains(tag, []byte(entity)) {
			return true
		}
	}
	return false
}

// changesWhatPrecedes reports whether the rest of a page may change what was found: a frameset replaces it, and
// attributes of html and body, if they count, go to the elements that are there.
func changesWhatPrecedes(page []byte, begins bool) bool {
	for {
		at := bytes.IndexByte(page, '<')
		if at < 0 {
			return false
		}
		page = page[at+1:]
		if len(page) > 8 && page[0]|0x20 == 'f' && isWordOf(page[:8], "frameset") ||
			begins && len(page) > 4 && (isWordOf(page[:4], "html") || isWordOf(page[:4], "body")) {
			return true
		}
	}
}

// kinds are the tags that matter, by their first letter.
var kinds = func() (found [26][]struct {
	name string
	kind tagKind
}) {
	for kind, names := range map[tagKind]string{
		isUnusual: "frameset svg math template plaintext noembed noframes", isTable: "table", isCell: "td th caption",
		isRow: "tr tbody thead tfoot colgroup col", isSelect: "select", isRaw: "script style title textarea iframe xmp",
	} {
		for name := range strings.FieldsSeq(names) {
			letter := &found[name[0]-'a']
			*letter = append(*letter, struct {
				name string
				kind tagKind
			}{name, kind})
		}
	}
	return found
}()

func kindOf(name []byte) tagKind {
	letter := kinds[name[0]|0x20-'a']
	at := slices.IndexFunc(letter, func(k struct {
		name string
		kind tagKind
	}) bool {
		return isWordOf(name, k.name)
	})
	if at < 0 {
		return isUsual
	}
	return letter[at].kind
}
