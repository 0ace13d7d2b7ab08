package check

import (
	"bufio"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"toril/tools/engine/internal/text"
)

func scope(names *text.Names) *text.Scope {
	return &text.Scope{
		Values: text.NewValues(names, nil), Shared: &text.Shared{}, Rand: rand.New(rand.NewPCG(1, 2)), Now: time.Now,
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func extractor(t testing.TB, spec Spec, names *text.Names) *Extractor {
	t.Helper()
	made, err := NewExtractor(spec, names)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func as[T any](value T) *T { return &value }

// differences are the expressions whose values differ from JMeter's on purpose, with the reason.
var differences = map[string]string{
	"token":              "without a group the whole match is the value; JMeter: null",
	"(a)(b)?":            "a group without a match is empty; JMeter: null",
	"(x)|(y)":            "a group without a match is empty; JMeter: null",
	`Item (\d)`:          "a group that is not there is empty; JMeter: null",
	"pre":                "blanks are single everywhere; jsoup keeps those of pre",
	"body":               "the same",
	"a:contains(Item 2)": "jsoup makes blanks single before it compares",
	"//a":                "JTidy, which JMeter's tolerant parser is, makes blanks single",
	"//p":                "and drops empty elements",
	"//item/@n":          "and unknown ones",
	"count(//a)":         "a number is its only match; JMeter takes it for each match number",
	"string(//title)":    "the same",
	"//li[2]/a/text()":   "JTidy makes blanks single",
}

// unsupported are expressions that JMeter takes: a suite with them is refused.
var unsupported = []string{"subsetof", "anyof", "noneof"}

// testdata/jmeter.jsonl has the variables that JMeter 5.6.3's extractors set from the files beside it.
func TestExtractorsSetWhatJMetersDo(t *testing.T) {
	lines := bufio.NewScanner(strings.NewReader(string(read(t, "jmeter.jsonl"))))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			Kind, Expression, Extra, File string
			Match                         int
			Variables                     map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if differences[row.Expression] != "" {
			continue
		}
		spec := Spec{Kind: row.Kind, Name: "v", Expression: row.Expression, Match: row.Match, Default: as("NOT_FOUND")}
		switch row.Kind {
		case "regexp":
			spec.Template = row.Extra
		case "css":
			spec.Attribute = row.Extra
		case "jsonpath":
			spec.Concat = row.Extra == "concat"
		case "xpath":
			spec.Tolerant, spec.Namespaces = row.Extra == "tolerant", row.Extra == "ns"
		}
		names := &text.Names{}
		if row.Kind == "regexp" {
			text.Parse("${v_g1}", names)
		}
		made, err := NewExtractor(spec, names)
		if err != nil {
			known := slices.ContainsFunc(unsupported, func(part string) bool { return strings.Contains(row.Expression, part) })
			if !known && len(row.Variables) > 1 && row.Variables["v_matchNr"] != "0" {
				t.Errorf("%s %s: %v, JMeter has %v", row.Kind, row.Expression, err, row.Variables)
			}
			continue
		}
		s := scope(names)
		response := Response{Status: 200, Body: read(t, row.File)}
		found := made.Run(&response, s)
		got := map[string]string{}
		for name := range row.Variables {
			if value, ok := s.Values.Get(name); ok {
				got[name] = value
			}
		}
		want := maps.Clone(row.Variables)
		for name, value := range want {
			if row.Kind == "xpath" && row.Match >= 0 && name != "v" {
				delete(want, name) // JMeter sets name_1 and name_matchNr, too
				delete(got, name)
			} else if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[{") {
				want[name], got[name] = canonical(value), canonical(got[name])
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s %s %d %s: %v, JMeter has %v", row.Kind, row.Expression, row.Match, row.Extra, got, want)
		}
		if missing := row.Variables["v"] == "NOT_FOUND" && (row.Match >= 0 || row.Variables["v_matchNr"] == "0"); found == missing {
			t.Errorf("%s %s %d: found is %v", row.Kind, row.Expression, row.Match, found)
		}
	}
}

// canonical returns JSON with its members in order.
func canonical(source string) string {
	var value any
	if json.Unmarshal([]byte("["+source+"]"), &value) != nil {
		return source
	}
	text, _ := json.Marshal(value)
	return string(text)
}

func value(t *testing.T, spec Spec, r *Response, set ...string) string {
	t.Helper()
	names := &text.Names{}
	spec.Name = "v"
	made := extractor(t, spec, names)
	s := scope(names)
	for i := 0; i < len(set); i += 2 {
		s.Values.Set(set[i], set[i+1])
	}
	made.Run(r, s)
	got, ok := s.Values.Get("v")
	if !ok {
		return "unset"
	}
	return got
}

func TestSubjectsOfARegularExpression(t *testing.T) {
	r := &Response{
		Status: 302, Message: "Found", Head: []byte("HTTP/1.1 302 Found\r\nLocation: /a\r\nX-B: c\r\n\r\n"), Body: []byte("Location: /b"),
		URL: "http://x/y?z=1",
	}
	for subject, want := range map[string]string{"": "/b", "body": "/b", "headers": "/a", "http-code": "unset"} {
		if got := value(t, Spec{Kind: "regexp", Expression: "Location: (.+)", Subject: subject, Match: 1}, r); got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
	for subject, want := range map[string]string{"http-code": "302", "url": "http://x/y?z=1", "message": "Found"} {
		if got := value(t, Spec{Kind: "regexp", Expression: "^(.+)$", Subject: subject, Match: 1}, r); got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
}

func TestExpressionsAndDefaultsMayHaveReferences(t *testing.T) {
	r := &Response{Body: []byte(`{"a":{"b":"1"},"c":"2"}`)}
	for _, spec := range []Spec{
		{Kind: "jsonpath", Expression: "$.${x}"}, {Kind: "regexp", Expression: `"${x}":"(\d)"`},
		{Kind: "jsonpath", Expression: "$.nope", Default: as("${y}")},
	} {
		if got := value(t, spec, r, "x", "c", "y", "2"); got != "2" {
			t.Errorf("%v: %q, want 2", spec, got)
		}
	}
}

func TestAVariableCanBeRead(t *testing.T) {
	r := &Response{Body: []byte(`{"a":1}`)}
	for _, spec := range []Spec{
		{Kind: "jsonpath", Expression: "$.a"}, {Kind: "regexp", Expression: "(2)"}, {Kind: "css", Expression: "b"},
		{Kind: "xpath", Expression: "//b", Tolerant: true},
	} {
		spec.FromVariable, spec.Default = "x", as("none")
		want := map[string]string{"jsonpath": "none", "regexp": "2", "css": "2", "xpath": "2"}[spec.Kind]
		if got := value(t, spec, r, "x", "<b>2</b>"); got != want {
			t.Errorf("%s: %q, want %q", spec.Kind, got, want)
		}
	}
}

func TestWithoutADefaultAVariableKeepsItsValue(t *testing.T) {
	for _, kind := range []string{"jsonpath", "regexp", "css", "xpath"} {
		for _, body := range []string{"", "{}", "<a/>", "\x00\xff", "[1"} {
			expression := map[string]string{"jsonpath": "$.x", "regexp": "x", "css": "x", "xpath": "//x"}[kind]
			if got := value(t, Spec{Kind: kind, Expression: expression, Match: 1}, &Response{Body: []byte(body)}, "v", "old"); got != "old" {
				t.Errorf("%s of %q: %q", kind, body, got)
			}
		}
	}
}

func TestFewerMatchesForgetTheEarlierOnes(t *testing.T) {
	for _, spec := range []Spec{
		{Kind: "regexp", Expression: "<b>(.)"}, {Kind: "css", Expression: "b"}, {Kind: "xpath", Expression: "//b", Tolerant: true},
	} {
		names := &text.Names{}
		spec.Name, spec.Match = "v", -1
		made, s := extractor(t, spec, names), scope(names)
		made.Run(&Response{Body: []byte("<p><b>1</b><b>2</b><b>3</b></p>")}, s)
		if got, _ := s.Values.Get("v_3"); got != "3" {
			t.Errorf("%s: the third is %q", spec.Kind, got)
		}
		made.Run(&Response{Body: []byte("<b>4</b>")}, s)
		first, _ := s.Values.Get("v_1")
		if _, ok := s.Values.Get("v_2"); ok || first != "4" {
			t.Errorf("%s: an old value is left, or %q is not 4", spec.Kind, first)
		}
	}
}

func TestARandomMatchIsAnyOfThem(t *testing.T) {
	seen := map[string]bool{}
	names := &text.Names{}
	made, s := extractor(t, Spec{Kind: "jsonpath", Name: "v", Expression: "$[*]"}, names), scope(names)
	for range 100 {
		made.Run(&Response{Body: []byte("[1, 2, 3]")}, s)
		got, _ := s.Values.Get("v")
		seen[got] = true
	}
	if len(seen) != 3 {
		t.Errorf("only %v are chosen", seen)
	}
}

func TestAValueOutlivesItsResponse(t *testing.T) {
	for _, spec := range []Spec{
		{Kind: "regexp", Expression: "t=(...)"}, {Kind: "css", Expression: "i", Attribute: "t"}, {Kind: "css", Expression: "i"},
		{Kind: "jsonpath", Expression: "$.t"}, {Kind: "xpath", Expression: "//i", Tolerant: true},
	} {
		body := []byte("<i t=abc>abc</i>")
		if spec.Kind == "jsonpath" {
			body = []byte(`{"t":"abc"}`)
		}
		names := &text.Names{}
		spec.Name = "v"
		made, s := extractor(t, spec, names), scope(names)
		made.Run(&Response{Body: body}, s)
		clear(body)
		if got, _ := s.Values.Get("v"); got != "abc" {
			t.Errorf("%s: %q", spec.Kind, got)
		}
	}
}

func TestExpressionsThatAreWrongAreRefused(t *testing.T) {
	for _, spec := range []Spec{
		{Kind: "regexp", Expression: "("}, {Kind: "regexp", Expression: "a", Subject: "cookies"}, {Kind: "jsonpath", Expression: "$.a[?(@.b ==)]"},
		{Kind: "jsonpath", Expression: "$.a.length()"}, {Kind: "jsonpath", Expression: ""}, {Kind: "css", Expression: "a["},
		{Kind: "xpath", Expression: "//["}, {Kind: "boundary", Expression: "a"}, {Kind: "jsonpath", Expression: "$.${__nosuch(1)}"},
	} {
		spec.Name = "v"
		if _, err := NewExtractor(spec, &text.Names{}); err == nil || !strings.HasPrefix(err.Error(), "extract-"+spec.Kind+" of v: ") {
			t.Errorf("%v: %v", spec, err)
		}
	}
}

func TestNodesComeInTheDocumentsOrder(t *testing.T) {
	body := []byte("<div><b>1</b><p><i><b>2</b></i></p><b>3</b></div><b>4</b><p><b>5</b></p>")
	for _, spec := range []Spec{
		{Kind: "xpath", Expression: "//b", Tolerant: true}, {Kind: "xpath", Expression: "//b[text()]", Tolerant: true}, {Kind: "css", Expression: "b"},
	} {
		names := &text.Names{}
		spec.Name, spec.Match = "v", -1
		made, s := extractor(t, spec, names), scope(names)
		made.Run(&Response{Body: body}, s)
		got := ""
		for _, name := range []string{"v_1", "v_2", "v_3", "v_4", "v_5"} {
			value, _ := s.Values.Get(name)
			got += value
		}
		if got != "12345" {
			t.Errorf("%s: %s", spec.Expression, got)
		}
	}
}
