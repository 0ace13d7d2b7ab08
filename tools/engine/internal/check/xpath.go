package check

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/antchfx/htmlquery"
	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"

	"toril/tools/engine/internal/text"
)

// xPath is a compiled expression. The library's expressions serve one goroutine at a time.
type xPath struct {
	lock       sync.Mutex
	expression *xpath.Expr
}

func parseXPath(source string) (made *xPath, err error) {
	defer func() {
		if recover() != nil { // the library's parser panics for some texts
			err = fmt.Errorf("XPath %s is not understood", source)
		}
	}()
	expression, err := xpath.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("XPath %s: %w", source, err)
	}
	return &xPath{expression: expression}, nil
}

// evaluate returns a node set's values, or true, a number or a text as one value. isSet is false for those.
func (x *xPath) evaluate(root xpath.NodeNavigator, most int, found []match) (all []match, isSet bool) {
	x.lock.Lock()
	defer x.lock.Unlock()
	before := len(found)
	defer func() {
		if recover() != nil { // and some functions panic for values that they do not expect
			all, isSet = found[:before], true
		}
	}()
	switch value := x.expression.Evaluate(root).(type) {
	case *xpath.NodeIterator:
		for (most < 0 || len(found)-before < most) && value.MoveNext() {
			content, ok := valueOfNode(value.Current())
			found = append(found, match{value: []byte(content), null: !ok})
		}
		return found, true
	case float64:
		return append(found, match{value: strconv.AppendFloat(nil, value, 'f', -1, 64)}), false
	case bool:
		return append(found, match{value: strconv.AppendBool(nil, value)}), false
	default:
		return append(found, match{value: fmt.Append(nil, value)}), false
	}
}

// valueOfNode returns a node's value as JMeter does: of an element that of its first child, if this is a text.
func valueOfNode(node xpath.NodeNavigator) (value string, ok bool) {
	if node.NodeType() != xpath.ElementNode && node.NodeType() != xpath.RootNode {
		return node.Value(), true
	}
	child := node.Copy()
	if !child.MoveToChild() || child.NodeType() != xpath.TextNode && child.NodeType() != xpath.CommentNode {
		return "", false
	}
	return child.Value(), true
}

// tree returns the body as a tree: of HTML if tolerant, else of XML; nil: it is none.
func (r *Response) tree(tolerant bool) xpath.NodeNavigator {
	if tolerant {
		return htmlquery.CreateXPathNavigator(r.page())
	}
	if r.xmlState == notYet {
		r.xmlState = isBroken
		options := xmlquery.ParserOptions{Decoder: &xmlquery.DecoderOptions{
			Strict: true, CharsetReader: func(_ string, input io.Reader) (io.Reader, error) { return input, nil }, // is UTF-8
		}}
		if root, err := xmlquery.ParseWithOptions(bytes.NewReader(r.Body), options); err == nil {
			r.xml, r.xmlState = root, isParsed
		}
	}
	if r.xmlState == isBroken {
		return nil
	}
	return xmlquery.CreateXPathNavigator(r.xml)
}

func (e *Extractor) xPath() (finder, error) {
	expression, err := newCompiled(e.spec.Expression, e.names, parseXPath)
	if err != nil {
		return nil, err
	}
	return func(r *Response, s *text.Scope, most int, found []match) []match {
		x, err := expression.in(s)
		root := r.tree(e.spec.Tolerant)
		if err != nil || root == nil {
			return found
		}
		found, _ = x.evaluate(root, most, found)
		return found
	}, nil
}
