package check

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// quickSelector is a selector such as input[name=token], of an element that HTML keeps wherever it is. A page is
// searched for it without its tree, with the result that the tree gives.
type quickSelector struct {
	tag        atom.Atom
	attributes []html.Attribute
}

var (
	quickForm      = regexp.MustCompile(`^\s*(?i:(input|meta))(?:#([A-Za-z][\w-]*))?((?:\[\s*[A-Za-z][\w-]*\s*=\s*(?:"[\w-]+"|'[\w-]+'|[A-Za-z][\w-]*)\s*\])*)\s*$`)
	quickAttribute = regexp.MustCompile(`\[\s*([A-Za-z][\w-]*)\s*=\s*["']?([\w-]+)["']?\s*\]`)
)

// newQuickSelector returns nil for a selector of another form.
func newQuickSelector(source string) *quickSelector {
	found := quickForm.FindStringSubmatch(source)
	if found == nil {
		return nil
	}
	q := &quickSelector{tag: atom.Lookup([]byte(strings.ToLower(found[1])))}
	if found[2] != "" {
		q.attributes = append(q.attributes, html.Attribute{Key: "id", Val: found[2]})
	}
	for _, test := range quickAttribute.FindAllStringSubmatch(found[3], -1) {
		q.attributes = append(q.attributes, html.Attribute{Key: strings.ToLower(test[1]), Val: test[2]})
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
	if hasFrameset(page) {
		return found, false // it replaces what precedes it
	}
	tokens := html.NewTokenizer(bytes.NewReader(page))
	inTable, inCell, inSelect := false, false, false
	for most < 0 || len(found)-before < most || inTable { // what follows in a table may precede it
		kind := tokens.Next()
		if kind == html.ErrorToken {
			break
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken && kind != html.EndTagToken {
			continue
		}
		begins := kind != html.EndTagToken
		name, hasAttributes := tokens.TagName()
		switch tag := atom.Lookup(name); tag {
		case atom.Svg, atom.Math, atom.Template, atom.Plaintext, atom.Noembed, atom.Noframes:
			return found[:before], false // changes what follows
		case atom.Noscript:
			tokens.NextIsNotRawText()
		case atom.Table:
			if begins && inTable {
				return found[:before], false
			}
			inTable, inCell = begins, false
		case atom.Td, atom.Th, atom.Caption:
			inCell = begins
		case atom.Tr, atom.Tbody, atom.Thead, atom.Tfoot, atom.Colgroup, atom.Col:
			inCell = false
		case atom.Select:
			inSelect = begins
		case atom.Script, atom.Style, atom.Title, atom.Textarea, atom.Iframe, atom.Xmp:
			if begins && inSelect {
				return found[:before], false
			}
		case q.tag:
			if !begins {
				continue
			}
			if inSelect && tag == atom.Meta || inTable && !inCell {
				return found[:before], false // left out, or put before the table
			}
			inSelect = false
			node := &html.Node{}
			for hasAttributes {
				var key, value []byte
				key, value, hasAttributes = tokens.TagAttr()
				node.Attr = append(node.Attr, html.Attribute{Key: string(key), Val: string(value)})
			}
			if q.matches(node) {
				found = append(found, match{value: valueOf(node, attribute)})
			}
		}
	}
	if most >= 0 && len(found)-before > most {
		found = found[:before+most]
	}
	return found, true
}

func (q *quickSelector) matches(node *html.Node) bool {
	for _, test := range q.attributes {
		if !slices.Contains(node.Attr, test) {
			return false
		}
	}
	return true
}

func hasFrameset(page []byte) bool {
	for tag := range bytes.SplitSeq(page, []byte("<")) {
		if len(tag) >= len("frameset") && bytes.EqualFold(tag[:len("frameset")], []byte("frameset")) {
			return true
		}
	}
	return false
}
