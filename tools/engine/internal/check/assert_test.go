package check

import (
	"strings"
	"testing"

	"toril/tools/engine/internal/text"
)

func TestAssertions(t *testing.T) {
	html := &Response{
		Status: 404, Head: []byte("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n"),
		Body: []byte("<p class=a>Sold out</p>\n"),
	}
	data := &Response{Status: 200, Body: []byte(`{"a": 1, "n": null, "s": "x y", "f": 1.50, "l": [1, "two", null], "e": [], "o": {"b": true}}`)}
	xml := &Response{Status: 200, Body: []byte(`<r><a n="1"/></r>`)}
	for _, c := range []struct {
		response *Response
		spec     AssertionSpec
		failure  string
	}{
		{html, AssertionSpec{Contains: []string{"Sold"}}, ""},
		{html, AssertionSpec{Contains: []string{"Sold", "gone"}}, `the body lacks "gone"`},
		{html, AssertionSpec{Contains: []string{"gone", "Sold"}, Not: true}, `the body has "Sold"`},
		{html, AssertionSpec{Contains: []string{"S.ld"}}, `the body lacks "S.ld"`},
		{html, AssertionSpec{Contains: []string{"S.ld", "(?i)OUT", "</p>$"}, Regexp: true}, ""},
		{html, AssertionSpec{Contains: []string{`(?<=Sold )out`}, Regexp: true}, ""},
		{html, AssertionSpec{Contains: []string{"${what}"}, Regexp: true}, `the body lacks "x{1}y"`},
		{html, AssertionSpec{Subject: "http-code", Contains: []string{"404"}, Regexp: true}, ""},
		{html, AssertionSpec{Subject: "http-code", Contains: []string{"2.."}, Regexp: true}, `the http-code is 404, not "2.."`},
		{html, AssertionSpec{Subject: "http-code", Contains: []string{"4.."}, Regexp: true, Not: true}, `the http-code is 404, which matches "4.."`},
		{html, AssertionSpec{Subject: "headers", Contains: []string{"Type: text/html\n"}}, ""},
		{html, AssertionSpec{Subject: "headers", Contains: []string{"json"}}, `the response lacks the header text "json"`},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.a"}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.z"}, "$.z is missing"},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.z", Invert: true}, ""},
		{html, AssertionSpec{Kind: "jsonpath", Expression: "$.z", Invert: true}, ""},
		{&Response{}, AssertionSpec{Kind: "jsonpath", Expression: "$.z", Invert: true}, "the body is no JSON, so $.z is missing"},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.a", Invert: true}, "$.a is there, or has the value that it must not have"},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$..z"}, "$..z is missing"},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.n"}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.n", ExpectNull: true}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.a", ExpectNull: true}, "$.a is 1, not null"},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.a", Expected: as("1")}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.a", Expected: as("2")}, `$.a is 1, not "2"`},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.s", Expected: as("x")}, `$.s is x y, not "x"`},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.s", Expected: as("x"), Regexp: true}, `$.s is x y, not "x"`},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.s", Expected: as("x.*"), Regexp: true}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.s", Expected: as(`"x y"`)}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.f", Expected: as("1.5")}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.f", Expected: as("1.500")}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.l", Expected: as("two")}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.l[*]", Expected: as("two")}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.l", ExpectNull: true}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.e", Expected: as("[]")}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.o", Expected: as(`{"b": true}`)}, ""},
		{data, AssertionSpec{Kind: "jsonpath", Expression: "$.s", Expected: as("${v}")}, ""},
		{html, AssertionSpec{Kind: "jsonpath", Expression: "$.a"}, "the body is no JSON, so $.a is missing"},
		{xml, AssertionSpec{Kind: "xpath", Expression: "//a[@n=1]"}, ""},
		{xml, AssertionSpec{Kind: "xpath", Expression: "//b"}, "//b has no match"},
		{xml, AssertionSpec{Kind: "xpath", Expression: "//a", Invert: true}, "//a has a match"},
		{xml, AssertionSpec{Kind: "xpath", Expression: "count(//a) = 2"}, "count(//a) = 2 has no match"},
		{xml, AssertionSpec{Kind: "xpath", Expression: "count(//a) = 1"}, ""},
		{html, AssertionSpec{Kind: "xpath", Expression: "//p[@class='a']", Tolerant: true}, ""},
		{html, AssertionSpec{Kind: "xpath", Expression: "//p"}, "the body is no XML, so //p is missing. For HTML use use-tolerant-parser"},
	} {
		if c.spec.Kind == "" {
			c.spec.Kind = "contains"
		}
		names := &text.Names{}
		assertion, err := NewAssertion(c.spec, names)
		if err != nil {
			t.Errorf("%v: %v", c.spec, err)
			continue
		}
		s := scope(names)
		s.Values.Set("what", "x{1}y")
		s.Values.Set("v", "x y")
		if got := assertion.Check(c.response, s); got != c.failure {
			t.Errorf("%v: %q, want %q", c.spec, got, c.failure)
		}
	}
}

func TestAssertionsThatAreWrongAreRefused(t *testing.T) {
	for _, spec := range []AssertionSpec{
		{Kind: "contains", Contains: []string{"("}, Regexp: true}, {Kind: "contains", Subject: "cookies"},
		{Kind: "jsonpath", Expression: "$["}, {Kind: "jsonpath", Expression: "$.a", Expected: as("("), Regexp: true},
		{Kind: "xpath", Expression: "//["}, {Kind: "other"}, {Kind: "contains", Contains: []string{"${__nosuch(1)}"}},
	} {
		if _, err := NewAssertion(spec, &text.Names{}); err == nil || !strings.HasPrefix(err.Error(), "assert") {
			t.Errorf("%v: %v", spec, err)
		}
	}
}

func TestAFailureQuotesLittleOfTheResponse(t *testing.T) {
	names := &text.Names{}
	assertion, _ := NewAssertion(AssertionSpec{Kind: "jsonpath", Expression: "$", Expected: as("1")}, names)
	failure := assertion.Check(&Response{Body: []byte(`"` + strings.Repeat("ä", 10_000) + `"`)}, scope(names))
	if len(failure) > 200 || strings.ContainsRune(failure, '�') {
		t.Error(failure)
	}
}
