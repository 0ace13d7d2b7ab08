package check

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"toril/tools/engine/internal/text"
)

// byTree returns what a selector finds in the page's tree.
func byTree(t testing.TB, page []byte, source, attribute string, most int) (found []string, ok bool) {
	t.Helper()
	selector, err := parseSelector(source)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.ParseWithOptions(bytes.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		return nil, false // deeper than the parser goes
	}
	walk(root, func(node *html.Node) bool {
		if node.Type == html.ElementNode && selector.matches(node) {
			found = append(found, string(valueOf(node, attribute)))
		}
		return len(found) != most
	})
	return found, true
}

func FuzzQuickSelector(f *testing.F) {
	for _, seed := range []string{
		string(webPage()[:3000]), string(webPage()[9800:]), `<input name=token value=1><INPUT NAME='token' VALUE="2"/>`,
		`<!-- <input name=token> --><script>"<input name=token>"</script><input/name=token/value="a>b">`,
		`<table><input name=token value=1><tr><td><input name=token value=2></table><input name=token value=3>`,
		`<select><option><input name=token><meta name=token></select><textarea><input name=token></textarea>`,
		`<title><meta name=token content=1></title><meta name=token content='2'><meta name=token name=b content=3 content=4>`,
		`<input name=token value="a&amp;b"><input name="token`, `</><?x <input name=token>><!doctype html><!x><input name=token>`,
		`<noscript><input name=token></noscript><svg><title><input name=token>`, `<input name==token =name=token value=1 <input name=token>`,
		`<head><noscript><meta name=token></noscript></head><meta name=token content=2>`, `<td><input name=token></table><frameset><input name=token>`,
	} {
		f.Add([]byte(seed), -1)
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, page []byte, most int) {
		if most != 1 {
			most = -1
		}
		for _, c := range [][2]string{{"input[name=token]", "value"}, {`meta[name="token"]`, "content"}, {"input#token", "value"}} {
			got, ok := newQuickSelector(c[0]).find(page, c[1], most, nil)
			want, parsed := byTree(t, page, c[0], c[1], most)
			if !ok || !parsed {
				continue
			}
			values := []string(nil)
			for _, m := range got {
				values = append(values, string(m.value))
			}
			if !slices.Equal(values, want) {
				t.Errorf("%s in %q: %q, by the tree %q", c[0], page, values, want)
			}
		}
	})
}

// TestUsualPagesNeedNoTree is why the quick selector is there.
func TestUsualPagesNeedNoTree(t *testing.T) {
	for _, page := range [][]byte{webPage(), read(t, "page.html")} {
		for source, attribute := range map[string]string{
			"input[name=token]": "value", "input#token": "value", "INPUT[type='hidden'][name=token]": "Value", "meta[name=csrf-token]": "content",
		} {
			quick := newQuickSelector(source)
			if _, ok := quick.find(page, strings.ToLower(attribute), 1, nil); !ok {
				t.Errorf("%s needs the tree", source)
			}
		}
	}
	for _, source := range []string{"a[href]", "input", "input[name^=t]", "form input[name=t]", ".t", "#t", "", "input[name=t] b", "input[name=t]:first-child"} {
		if newQuickSelector(source) != nil {
			t.Errorf("%s has no quick form", source)
		}
	}
}

func FuzzInnerText(f *testing.F) {
	for _, seed := range [][2]string{
		{`name="token" value="([^"]+)"`, `name="token" value="abc" name="token" value="ü"`}, {`a(.+?)b`, "aab\nab"}, {`x(\d{2,3})(\w*?)y`, "x1234y x12y"},
		{`a([^b]*)(b+)c?`, "aäöübbc ab"}, {`a(.*)b(.*)c`, "a b b c c"}, {`(ab)(c*)`, "abccab"}, {`a.{0,3}?b`, "axxxb ab"}, {`\$\{(.+)\}`, "${a}\xff}"},
		{`a(b?)(b*)`, "abbb"}, {`(?:name|id)="t" (.+?)"`, `name="t" x" id="t" y"`}, {`[ab]{0,2}(xyz)`, "xyz abxyz"}, {`(ü|ö?)=bcd(.)`, "üü=bcde=bcdf\xff=bcd"},
		{`(a|ab)(c|bcd)efg`, "abcdefg"}, {`.?abc$`, "xabc\n"}, {`\w+?abc`, "aabc"}, {`<a[^>]*href="(.+?)"`, `<a class=x href="1"><a href="2">`},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, source string, subject []byte) {
		if _, err := syntax.Parse(source, syntax.Perl); err != nil || len(source) > 100 {
			return
		}
		library := regexp.MustCompile(source)
		if whole, err := compile(source); err == nil && whole.inner != nil {
			for _, most := range []int{1, -1} {
				got, want := whole.find(subject, most, nil), library.FindAllSubmatchIndex(subject, most)
				matches, err := whole.matches(subject)
				if !slices.EqualFunc(got, want, slices.Equal[[]int]) || matches != (len(want) > 0) || err != nil {
					t.Errorf("%q in %q: %v, by package regexp %v", source, subject, got, want)
				}
			}
		}
	})
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte("<a><b c='d'>e</b></a>"), "//b/@c", uint8(0))
	f.Add([]byte("<a><b c='d'>e</b></a>"), "a > b:not(.c)", uint8(1))
	f.Add([]byte("aab"), "(a)\\1|(?<=a)b$", uint8(2))
	f.Add([]byte(`{"a":[{"b":1}]}`), "$.a[?(@.b in [1,'2'] && !(@.c =~ /x/i))]['b','c']", uint8(3))
	f.Fuzz(func(t *testing.T, body []byte, expression string, kind uint8) {
		if len(expression) > 60 || len(body) > 300 {
			return
		}
		names := &text.Names{}
		spec := Spec{Kind: []string{"xpath", "css", "regexp", "jsonpath"}[kind%4], Name: "v", Expression: expression, Tolerant: kind < 128}
		made, err := NewExtractor(spec, names)
		if err == nil {
			made.Run(&Response{Body: body}, scope(names))
		}
	})
}

// TestRandomExpressions compares expressions with an inner text with package regexp.
func TestRandomExpressions(t *testing.T) {
	pieces := []string{"a", "b", "ü", "[ab]", "(a|b)", "(?:ab|c)?", ".", ".?", "(b{0,2})", "(a??)", "(c+)", "[^a]*", "abc", "bcd", "\\w", "x*"}
	random := rand.New(rand.NewPCG(5, 5))
	judged := 0
	for range 4000 {
		source := ""
		for range 2 + random.IntN(4) {
			source += pieces[random.IntN(len(pieces))]
		}
		whole, err := compile(source)
		if err != nil || whole.inner == nil {
			continue
		}
		library := regexp.MustCompile(source)
		for range 10 {
			subject := ""
			for range random.IntN(12) {
				subject += []string{"a", "b", "c", "d", "ü", "abc", "bcd", "\xff", "\n"}[random.IntN(9)]
			}
			for _, most := range []int{1, -1} {
				got, want := whole.find([]byte(subject), most, nil), library.FindAllSubmatchIndex([]byte(subject), most)
				judged += len(want)
				if !slices.EqualFunc(got, want, slices.Equal[[]int]) {
					t.Fatalf("%q in %q: %v, by package regexp %v", source, subject, got, want)
				}
			}
		}
	}
	if judged < 1000 {
		t.Errorf("only %d matches were compared", judged)
	}
}

// TestRandomPagesGiveWhatTheirTreesGive puts pages together from pieces that change how a page is read.
func TestRandomPagesGiveWhatTheirTreesGive(t *testing.T) {
	pieces := strings.Split(`<input name=token value=1>|<input type="hidden" name="token" value="a>b"/>|<INPUT NAME=token VALUE='&amp;'>|<input value=x
		name=token>|<input name="other" value=2>|<meta name="token" content=m>|<meta name=token>|<p>|</p>|text|<div class="a">|</div>|<table>|</table>|
		<tr>|</tr>|<td>|</td>|<th>|<caption>|<tbody>|<colgroup>|<col>|<select>|</select>|<option>|<textarea>|</textarea>|<title>|</title>|<script>|
		</script>|<style>|</style>|<noscript>|</noscript>|<head>|</head>|<body>|</body>|<html>|</html>|<form>|</form>|<a href="x>y">|</a>|<b>|</b>|<!--|
		-->|<!-- c -->|<!doctype html>|<svg>|</svg>|<template>|</template>|<iframe>|</iframe>|<button>|</button>|<li>|<ul>|</ul>|"|'|<|>|=|/|<x y='|
		<p id=token>|<a id="token" value=9>|<body id=token value=8>|<input id=token value=7>|<html id="&#116;oken">|<input id="tok&#101;n" name=token>|
		<b id=tok&#101;n>|<frameset>|<plaintext>|<object>|</object>|<br/>|&amp;|<xmp>|</xmp>|<math>|</math>|<nobr>|<h1>|</h2>|</br>|</p >|<?php echo '<' ?>|<td title='<tr>'>`, "|")
	random := rand.New(rand.NewPCG(3, 3))
	judged := 0
	for range 20_000 {
		var page []byte
		for range 1 + random.IntN(14) {
			page = append(page, strings.TrimSpace(pieces[random.IntN(len(pieces))])...)
		}
		if random.IntN(2) > 0 {
			page = append(page, pieces[random.IntN(4)]...)
		}
		most := []int{-1, 1}[random.IntN(2)]
		for _, c := range [][2]string{{"input[name=token]", "value"}, {`meta[name="token"]`, "content"}, {"input#token", "value"}} {
			got, ok := newQuickSelector(c[0]).find(page, c[1], most, nil)
			if !ok {
				continue
			}
			want, _ := byTree(t, page, c[0], c[1], most)
			if len(want) > 0 {
				judged++
			}
			values := []string(nil)
			for _, m := range got {
				values = append(values, string(m.value))
			}
			if !slices.Equal(values, want) {
				t.Fatalf("%s in %s: %q, by the tree %q", c[0], page, values, want)
			}
		}
	}
	if judged < 1000 {
		t.Errorf("only %d pages had an element", judged)
	}
}
