package check

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"toril/tools/engine/internal/text"
)

// selector is a compiled CSS selector.
type selector struct {
	group cascadia.SelectorGroup
	quick *quickSelector // nil: not in this form
}

func parseSelector(source string) (*selector, error) {
	group, err := cascadia.ParseGroup(fromJsoup(source))
	if err != nil {
		return nil, fmt.Errorf("CSS selector %s: %w", source, err)
	}
	return &selector{group: group, quick: newQuickSelector(source)}, nil
}

// fromJsoup translates what jsoup, JMeter's library, reads otherwise: values and texts without quotes, [name~=regular
// expression], :eq(0), :lt(0) and :gt(0).
func fromJsoup(source string) string {
	var out strings.Builder
	for i := 0; i < len(source); {
		rest := source[i:]
		switch c := source[i]; {
		case c == '"' || c == '\'':
			end := strings.IndexByte(rest[1:], c)
			if end < 0 {
				return out.String() + rest
			}
			out.WriteString(rest[:end+2])
			i += end + 2
			continue
		case c == '[':
			if found := attributeTest.FindStringSubmatch(rest); found != nil {
				value := strings.TrimSpace(found[3])
				if found[2] == "~=" {
					value = strings.Trim(value, `"'`)
					out.WriteString("[" + found[1] + "#=" + value + "]")
				} else if strings.Trim(value, `"'`) == value {
					out.WriteString("[" + found[1] + found[2] + `"` + value + `"]`)
				} else {
					out.WriteString(found[0])
				}
				i += len(found[0])
				continue
			}
		case c == ':':
			if found := containsTest.FindStringSubmatch(rest); found != nil {
				out.WriteString(found[1] + `("` + found[2] + `")`)
				i += len(found[0])
				continue
			}
			if found := indexTest.FindStringSubmatch(rest); found != nil {
				index, _ := strconv.Atoi(found[2])
				form := map[string]string{"eq": ":nth-child(%d)", "lt": ":nth-child(-n+%d)", "gt": ":nth-child(n+%d)"}[found[1]]
				fmt.Fprintf(&out, form, index+map[string]int{"eq": 1, "lt": 0, "gt": 2}[found[1]])
				i += len(found[0])
				continue
			}
		}
		out.WriteByte(source[i])
		i++
	}
	return out.String()
}

var (
	attributeTest = regexp.MustCompile(`^\[\s*([\w:-]+)\s*([~^$*|!]?=)\s*("[^"]*"|'[^']*'|[^\]"']+)\s*\]`)
	containsTest  = regexp.MustCompile(`^(:contains|:containsOwn)\(([^()"']+)\)`)
	indexTest     = regexp.MustCompile(`^:(eq|lt|gt)\((\d{1,6})\)`)
)

func (e *Extractor) css() (finder, error) {
	expression, err := newCompiled(e.spec.Expression, e.names, parseSelector)
	if err != nil {
		return nil, err
	}
	attribute := strings.ToLower(e.spec.Attribute)
	return func(r *Response, s *text.Scope, most int, found []match) []match {
		selector, err := expression.in(s)
		if err != nil {
			return found
		}
		if selector.quick != nil && attribute != "" && r.html == nil {
			if all, ok := selector.quick.find(r.Body, attribute, most, found); ok {
				return all
			}
		}
		walk(r.page(), func(node *html.Node) bool {
			if node.Type == html.ElementNode && selector.matches(node) {
				found = append(found, match{value: valueOf(node, attribute)})
			}
			return most < 0 || len(found) < most
		})
		return found
	}, nil
}

func (s *selector) matches(node *html.Node) bool {
	for _, one := range s.group {
		if one.PseudoElement() == "" && one.Match(node) {
			return true
		}
	}
	return false
}

// walk calls visit for each node in the document's order, until it returns false.
func walk(of *html.Node, visit func(*html.Node) bool) bool {
	for node := range of.Descendants() {
		if !visit(node) {
			return false
		}
	}
	return true
}

// blocks are the elements whose text a blank separates from the text before, as in jsoup.
var blocks = func() map[string]bool {
	found := map[string]bool{}
	for name := range strings.FieldsSeq(`html head body frameset script noscript style meta link title frame noframes
		section nav aside hgroup header footer p h1 h2 h3 h4 h5 h6 ul ol pre div blockquote hr address figure figcaption
		form fieldset ins del dl dt dd li table caption thead tfoot tbody colgroup col tr th td video audio canvas
		details menu plaintext template article main svg math center br`) {
		found[name] = true
	}
	return found
}()

// valueOf returns an element's attribute, or its text with single blanks between words.
func valueOf(node *html.Node, attribute string) []byte {
	if attribute != "" {
		for i := range node.Attr {
			if node.Attr[i].Key == attribute {
				return []byte(node.Attr[i].Val)
			}
		}
		return nil
	}
	var all strings.Builder
	appendText(&all, node)
	return []byte(strings.Join(strings.Fields(all.String()), " "))
}

func appendText(all *strings.Builder, of *html.Node) {
	if of.Data == "script" || of.Data == "style" {
		return // data, no text
	}
	for child := of.FirstChild; child != nil; child = child.NextSibling {
		if child.Type == html.TextNode {
			all.WriteString(child.Data)
		} else if child.Type == html.ElementNode {
			if blocks[child.Data] {
				all.WriteByte(' ')
			}
			appendText(all, child)
			if blocks[child.Data] {
				all.WriteByte(' ')
			}
		}
	}
}
