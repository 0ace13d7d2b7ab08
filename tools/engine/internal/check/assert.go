package check

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"toril/tools/engine/internal/text"
)

// AssertionSpec is one assertion, as load.json has it.
type AssertionSpec struct {
	Kind       string   `json:"kind"`    // contains, jsonpath or xpath
	Subject    string   `json:"subject"` // contains: body (default), headers or http-code
	Contains   []string `json:"contains"`
	Regexp     bool     `json:"regexp"`
	Not        bool     `json:"not"`
	Expression string   `json:"expression"`
	Expected   *string  `json:"expected"` // jsonpath; null: the path has to exist
	Invert     bool     `json:"invert"`
	ExpectNull bool     `json:"expect_null"`
	Tolerant   bool     `json:"tolerant"` // xpath: read HTML
}

// Assertion judges a response. It is safe for several goroutines.
type Assertion struct {
	spec  AssertionSpec
	check func(r *Response, s *text.Scope) (failure string)
	whole *compiled[*pattern] // what has to be the whole value
}

// NewAssertion compiles an assertion. The error, for users, says what is wrong with the expression.
func NewAssertion(spec AssertionSpec, names *text.Names) (*Assertion, error) {
	a := &Assertion{spec: spec}
	var err error
	switch {
	case spec.Kind == "contains" && !subjects[spec.Subject]:
		err = fmt.Errorf("unknown subject %q", spec.Subject)
	case spec.Kind == "contains" && spec.Regexp:
		err = a.patterns(names)
	case spec.Kind == "contains":
		err = a.texts(names)
	case spec.Kind == "jsonpath":
		err = a.jsonPath(names)
	case spec.Kind == "xpath":
		err = a.xPath(names)
	default:
		err = fmt.Errorf("unknown kind %q", spec.Kind)
	}
	if err != nil {
		name := "assert"
		if spec.Kind != "contains" {
			name += "-" + spec.Kind
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// NeedsBody reports whether the assertion reads the response's body.
func (a *Assertion) NeedsBody() bool { return a.spec.Subject == "" || a.spec.Subject == "body" }

// Check returns why the assertion fails, for users; "" if it holds.
func (a *Assertion) Check(r *Response, s *text.Scope) (failure string) { return a.check(r, s) }

// longestShown bounds what a failure quotes of a response.
const longestShown = 100

func shown(value []byte) string {
	if len(value) <= longestShown {
		return string(value)
	}
	end := longestShown
	for end > 0 && !utf8.RuneStart(value[end]) {
		end--
	}
	return string(value[:end]) + "…"
}

// failed says that a text is missing, or there.
func (a *Assertion) failed(subject []byte, wanted string) string {
	verb := "lacks"
	if a.spec.Not {
		verb = "has"
	}
	switch a.spec.Subject {
	case "headers":
		return fmt.Sprintf("the response %s the header text %q", verb, wanted)
	case "", "body":
		return fmt.Sprintf("the body %s %q", verb, wanted)
	}
	if a.spec.Not {
		return fmt.Sprintf("the %s is %s, which matches %q", a.spec.Subject, shown(subject), wanted)
	}
	return fmt.Sprintf("the %s is %s, not %q", a.spec.Subject, shown(subject), wanted)
}

func (a *Assertion) patterns(names *text.Names) error {
	wanted := make([]*compiled[*pattern], len(a.spec.Contains))
	for i, source := range a.spec.Contains {
		var err error
		if wanted[i], err = newCompiled(source, names, compile); err != nil {
			return err
		}
	}
	a.check = func(r *Response, s *text.Scope) string {
		subject := r.part(a.spec.Subject)
		for _, expression := range wanted {
			pattern, err := expression.in(s)
			if err != nil {
				return err.Error()
			}
			matches, err := pattern.matches(subject)
			if err != nil {
				return err.Error()
			}
			if matches == a.spec.Not {
				return a.failed(subject, expression.template.String(s))
			}
		}
		return ""
	}
	return nil
}

func (a *Assertion) texts(names *text.Names) error {
	wanted := make([]text.Template, len(a.spec.Contains))
	for i, source := range a.spec.Contains {
		var err error
		if wanted[i], err = text.Parse(source, names); err != nil {
			return err
		}
	}
	a.check = func(r *Response, s *text.Scope) string {
		subject := r.part(a.spec.Subject)
		for i := range wanted {
			if part := wanted[i].String(s); bytes.Contains(subject, []byte(part)) == a.spec.Not {
				return a.failed(subject, part)
			}
		}
		return ""
	}
	return nil
}

// jsonPath judges as JMeter does, except that an expected value counts without validate, too.
func (a *Assertion) jsonPath(names *text.Names) error {
	expression, err := newCompiled(a.spec.Expression, names, parseJSONPath)
	if err != nil {
		return err
	}
	var expected text.Template
	if a.spec.Expected != nil {
		if expected, err = text.Parse(*a.spec.Expected, names); err != nil {
			return err
		}
		if a.spec.Regexp {
			if a.whole, err = newCompiled("^(?:"+*a.spec.Expected+")$", names, compile); err != nil {
				return err
			}
		}
	}
	a.check = func(r *Response, s *text.Scope) string {
		path, err := expression.in(s)
		if err != nil {
			return err.Error()
		}
		source := expression.template.String(s)
		document := r.document()
		if !document.Exists() {
			if a.spec.Invert && len(r.Body) > 0 {
				return "" // as JMeter, which fails for an empty body only
			}
			return "the body is no JSON, so " + source + " is missing"
		}
		failure, err := a.judge(path.find(document, document, nil), path.isDefinite(), source, expected.String(s), s)
		switch {
		case err != nil:
			return err.Error()
		case !a.spec.Invert:
			return failure
		case failure == "":
			return source + " is there, or has the value that it must not have"
		}
		return ""
	}
	return nil
}

func (a *Assertion) judge(found []gjson.Result, definite bool, source, expected string, s *text.Scope) (string, error) {
	if len(found) == 0 && (definite || expected != "[]") {
		return source + " is missing", nil
	}
	if a.spec.Expected == nil && !a.spec.ExpectNull {
		return "", nil
	}
	candidates := found
	if definite && found[0].IsArray() {
		if candidates = nil; expected != "[]" || size(found[0]) > 0 {
			candidates = append(found[:1:1], found[0].Array()...)
		}
	}
	if len(candidates) == 0 { // [] is expected
		return "", nil
	}
	for _, value := range candidates {
		if a.spec.ExpectNull && isNull(value) {
			return "", nil
		}
		if a.spec.Expected == nil {
			continue
		}
		same, err := a.equals(value, expected, s)
		if err != nil || same {
			return "", err
		}
	}
	value := shown(textOf(found[0]))
	if a.spec.ExpectNull {
		return fmt.Sprintf("%s is %s, not null", source, value), nil
	}
	return fmt.Sprintf("%s is %s, not %q", source, value, expected), nil
}

func (a *Assertion) equals(value gjson.Result, expected string, s *text.Scope) (bool, error) {
	content := textOf(value)
	if a.whole != nil {
		pattern, err := a.whole.in(s)
		if err != nil {
			return false, err
		}
		return pattern.matches(content)
	}
	// JSON may be written otherwise, such as 1.50 or a text in quotes.
	return string(content) == expected || sameJSON(value, parseJSON([]byte(expected))), nil
}

func (a *Assertion) xPath(names *text.Names) error {
	expression, err := newCompiled(a.spec.Expression, names, parseXPath)
	if err != nil {
		return err
	}
	a.check = func(r *Response, s *text.Scope) string {
		x, err := expression.in(s)
		if err != nil {
			return err.Error()
		}
		source := expression.template.String(s)
		root := r.tree(a.spec.Tolerant)
		if root == nil || len(bytes.TrimSpace(r.Body)) == 0 {
			return "the body is no XML, so " + source + " is missing. For HTML use use-tolerant-parser"
		}
		found, isSet := x.evaluate(root, 1, nil)
		holds := len(found) > 0 && (isSet || strings.TrimSpace(string(found[0].value)) != "false")
		switch {
		case holds && a.spec.Invert:
			return source + " has a match"
		case !holds && !a.spec.Invert:
			return source + " has no match"
		}
		return ""
	}
	return nil
}
