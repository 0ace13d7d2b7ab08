package check

import (
	"bytes"
	"fmt"
	"testing"

	"toril/tools/engine/internal/text"
)

// webPage returns a page of 20 kB whose form is in its middle.
func webPage() []byte {
	var page bytes.Buffer
	page.WriteString("<!DOCTYPE html>\n<html><head><title>Shop</title><meta name=\"viewport\" content=\"width=device-width\">\n")
	page.WriteString("<script>window.data = {\"a\": 1};</script></head>\n<body>\n<nav><ul>\n")
	for i := 0; page.Len() < 10_000; i++ {
		fmt.Fprintf(&page, "<li class=\"item\"><a href=\"/item/%d\" title=\"Item %d\">Item number %d</a> <span>%d.99</span></li>\n", i, i, i, i)
	}
	page.WriteString("</ul></nav>\n<form action=\"/cart\" method=\"post\"><input type=\"text\" name=\"q\">\n")
	page.WriteString("<input type=\"hidden\" name=\"token\" value=\"f3a9c2d17b\"><button>Add</button></form>\n")
	for i := 0; page.Len() < 20_000; i++ {
		fmt.Fprintf(&page, "<div class=\"row\"><p>Some text about item %d &amp; its friends</p><img src=\"/i/%d.png\" alt=\"\"></div>\n", i, i)
	}
	page.WriteString("</body></html>\n")
	return page.Bytes()
}

// answer returns JSON of 5 kB.
func answer() []byte {
	var body bytes.Buffer
	body.WriteString(`{"total": 40, "items": [`)
	for i := 0; body.Len() < 5_000; i++ {
		if i > 0 {
			body.WriteString(", ")
		}
		fmt.Fprintf(&body, `{"id": %d, "name": "Item number %d", "price": %d.99, "tags": ["new", "sale"], "stock": true}`, 1000+i, i, i)
	}
	body.WriteString(`], "next": null}`)
	return body.Bytes()
}

func BenchmarkExtract(b *testing.B) {
	for _, c := range []struct {
		name string
		body []byte
		spec Spec
	}{
		{"regexp", webPage(), Spec{Kind: "regexp", Expression: `name="token" value="([^"]+)"`, Match: 1}},
		{"regexp-lazy", webPage(), Spec{Kind: "regexp", Expression: `name="token" value="(.+?)"`, Match: 1}},
		{"regexp-any", webPage(), Spec{Kind: "regexp", Expression: `href="(/item/\d+)"`, Match: 0}},
		{"regexp-no-prefix", webPage(), Spec{Kind: "regexp", Expression: `(?:name|id)="token" value="(.+?)"`, Match: 1}},
		{"regexp-backtracking", webPage(), Spec{Kind: "regexp", Expression: `(?<=name="token" value=")[^"]+`, Template: "$0$", Match: 1}},
		{"css", webPage(), Spec{Kind: "css", Expression: "input[name=token]", Attribute: "value", Match: 1}},
		{"css-any", webPage(), Spec{Kind: "css", Expression: "input[name=token]", Attribute: "value", Match: 0}},
		{"css-text", webPage(), Spec{Kind: "css", Expression: "form > button", Match: 1}},
		{"xpath", webPage(), Spec{Kind: "xpath", Expression: "//input[@name='token']/@value", Tolerant: true, Match: 1}},
		{"jsonpath", answer(), Spec{Kind: "jsonpath", Expression: "$.items[0].id", Match: 1}},
		{"jsonpath-filter", answer(), Spec{Kind: "jsonpath", Expression: "$.items[?(@.price > 30)].id", Match: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			names := &text.Names{}
			c.spec.Name = "v"
			made, s := extractor(b, c.spec, names), scope(names)
			var r Response
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				r.Body = c.body
				if !made.Run(&r, s) {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkAssert(b *testing.B) {
	for _, c := range []struct {
		name string
		spec AssertionSpec
	}{
		{"contains", AssertionSpec{Kind: "contains", Contains: []string{"<button>Add"}}},
		{"regexp", AssertionSpec{Kind: "contains", Contains: []string{"<button>Add"}, Regexp: true}},
		{"regexp-code", AssertionSpec{Kind: "contains", Subject: "http-code", Contains: []string{"2.."}, Regexp: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			names := &text.Names{}
			assertion, _ := NewAssertion(c.spec, names)
			s := scope(names)
			r := Response{Status: 200, Body: webPage()}
			b.ReportAllocs()
			for b.Loop() {
				if failure := assertion.Check(&r, s); failure != "" {
					b.Fatal(failure)
				}
			}
		})
	}
}
