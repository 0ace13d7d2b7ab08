package text

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Condition is the condition of an if or a while. It is safe for several goroutines.
type Condition struct {
	source string
	root   node
}

// ParseCondition compiles a condition. The error, for users, quotes what it does not understand.
//
// A condition may have texts in single or double quotes, numbers, true, false and null, all with references; == != < >
// <= >= && || ! + - * / % and parentheses; the methods equals, equalsIgnoreCase, contains, startsWith, endsWith,
// matches, isEmpty, trim, toLowerCase, toUpperCase, toInteger, size and length of texts, and vars.get. Around all of it
// may be ${__jexl3(…)}, ${__groovy(…)} or ${__javaScript(…)}. A text is compared as a number only with a number.
func ParseCondition(source string, names *Names) (Condition, error) {
	c := Condition{source: source}
	p := conditionParser{text: source, names: names}
	root, err := p.whole()
	if err != nil {
		return c, fmt.Errorf("condition %s: %w", strings.TrimSpace(source), err)
	}
	c.root = root
	return c, nil
}

// Source returns the condition as the suite has it.
func (c *Condition) Source() string { return c.source }

// True evaluates the condition. The error, for users, says which values cannot be compared: such a condition is
// not true.
func (c *Condition) True(s *Scope) (bool, error) {
	found, err := c.root(s)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", strings.TrimSpace(c.source), err)
	}
	return found.truth(), nil
}

type kind uint8

const (
	isString kind = iota
	isNumber
	isBool
	isNull
)

// value is what a part of a condition gives: a text, a number or a truth, which has the number 1 or 0.
type value struct {
	kind   kind
	text   string
	number float64
}

type node func(s *Scope) (value, error)

func truth(of bool) value {
	if of {
		return value{kind: isBool, number: 1}
	}
	return value{kind: isBool}
}

func (v value) truth() bool {
	if v.kind == isString {
		return strings.EqualFold(v.text, "true")
	}
	return v.number != 0
}

func (v value) string() string {
	switch v.kind {
	case isNumber:
		return strconv.FormatFloat(v.number, 'f', -1, 64)
	case isBool:
		return strconv.FormatBool(v.number != 0)
	case isNull:
		return "null"
	}
	return v.text
}

func (v value) float() (float64, bool) {
	if v.kind != isString {
		return v.number, v.kind != isNull
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(v.text), 64)
	return number, err == nil && !math.IsNaN(number)
}

func equal(a, b value) bool {
	if a.kind == isNull || b.kind == isNull {
		return a.kind == b.kind
	}
	if a.kind == isNumber || b.kind == isNumber {
		x, ok := a.float()
		y, fine := b.float()
		return ok && fine && x == y
	}
	return a.string() == b.string()
}

// compare orders two texts, or two values of which one is a number.
func compare(a, b value) (int, error) {
	if a.kind == isString && b.kind == isString {
		return strings.Compare(a.text, b.text), nil
	}
	x, ok := a.float()
	y, fine := b.float()
	switch {
	case !ok || !fine:
		return 0, fmt.Errorf("%q and %q cannot be compared", a.string(), b.string())
	case x < y:
		return -1, nil
	case x > y:
		return 1, nil
	}
	return 0, nil
}

// conditionParser is a recursive-descent parser: or, and, equality, order, sums, products, negation, methods.
type conditionParser struct {
	text  string
	at    int
	depth int
	names *Names
}

// deepest bounds parentheses and scripts inside each other.
const deepest = 100

func (p *conditionParser) whole() (node, error) {
	root, err := p.operators(0)
	if err == nil && p.rest() != "" {
		err = p.surprise()
	}
	return root, err
}

// rest returns the text behind the blanks.
func (p *conditionParser) rest() string {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	return p.text[p.at:]
}

func (p *conditionParser) surprise() error {
	rest := p.rest()
	if rest == "" {
		return fmt.Errorf("a value is missing at the end")
	}
	if len(rest) > 40 {
		rest = rest[:40] + "…"
	}
	return fmt.Errorf("%q is not understood. Compare texts in quotes and numbers with == != < > <= >= && || !, "+
		"or use an engine that runs scripts", rest)
}

// levels are the operators, the weakest first. A longer one precedes its prefix.
var levels = [][]string{
	{"||", "or "}, {"&&", "and "}, {"===", "==", "!==", "!=", "eq ", "ne "},
	{"<=", "<", ">=", ">", "le ", "lt ", "ge ", "gt "}, {"+", "-"}, {"*", "/", "%"},
}

func (p *conditionParser) operators(level int) (node, error) {
	if level == len(levels) {
		return p.negation()
	}
	left, err := p.operators(level + 1)
	for err == nil {
		rest := p.rest()
		at := slices.IndexFunc(levels[level], func(operator string) bool { return strings.HasPrefix(rest, operator) })
		if at < 0 {
			return left, nil
		}
		operator := levels[level][at]
		p.at += len(operator)
		var right node
		if right, err = p.operators(level + 1); err == nil {
			left = join(operator, left, right)
		}
	}
	return nil, err
}

func join(operator string, left, right node) node {
	short := operator == "||" || operator == "or "
	if short || operator == "&&" || operator == "and " {
		return func(s *Scope) (value, error) {
			a, err := left(s)
			if err != nil || a.truth() == short {
				return truth(a.truth()), err
			}
			b, err := right(s)
			return truth(b.truth()), err
		}
	}
	return func(s *Scope) (value, error) {
		a, err := left(s)
		if err != nil {
			return a, err
		}
		b, err := right(s)
		if err != nil {
			return b, err
		}
		switch operator {
		case "==", "===", "eq ":
			return truth(equal(a, b)), nil
		case "!=", "!==", "ne ":
			return truth(!equal(a, b)), nil
		case "+", "-", "*", "/", "%":
			return calculate(operator, a, b)
		}
		order, err := compare(a, b)
		switch operator {
		case "<", "lt ":
			return truth(order < 0 && err == nil), err
		case "<=", "le ":
			return truth(order <= 0 && err == nil), err
		case ">", "gt ":
			return truth(order > 0 && err == nil), err
		}
		return truth(order >= 0 && err == nil), err
	}
}

func calculate(operator string, a, b value) (value, error) {
	if operator == "+" && (a.kind == isString || b.kind == isString) {
		return value{text: a.string() + b.string()}, nil
	}
	x, ok := a.float()
	y, fine := b.float()
	if !ok || !fine {
		return value{}, fmt.Errorf("%q %s %q is not a number", a.string(), operator, b.string())
	}
	switch operator {
	case "+":
		x += y
	case "-":
		x -= y
	case "*":
		x *= y
	case "/":
		x /= y
	default:
		x = math.Mod(x, y)
	}
	return value{kind: isNumber, number: x}, nil
}

func (p *conditionParser) negation() (node, error) {
	rest := p.rest()
	for _, operator := range []string{"!", "not ", "-"} {
		if !strings.HasPrefix(rest, operator) {
			continue
		}
		if p.depth++; p.depth > deepest {
			return nil, p.surprise()
		}
		p.at += len(operator)
		of, err := p.negation()
		p.depth--
		return func(s *Scope) (value, error) {
			found, err := of(s)
			if err != nil {
				return found, err
			}
			if operator == "-" {
				return calculate("-", value{kind: isNumber}, found)
			}
			return truth(!found.truth()), nil
		}, err
	}
	of, err := p.primary()
	for err == nil && strings.HasPrefix(p.rest(), ".") {
		of, err = p.method(of)
	}
	return of, err
}

func (p *conditionParser) primary() (node, error) {
	rest := p.rest()
	if p.depth++; p.depth > deepest {
		return nil, p.surprise()
	}
	defer func() { p.depth-- }()
	switch {
	case rest == "":
		return nil, p.surprise()
	case rest[0] == '(':
		p.at++
		inner, err := p.operators(0)
		if err == nil && !p.take(")") {
			err = p.surprise()
		}
		return inner, err
	case rest[0] == '"' || rest[0] == '\'':
		return p.quoted()
	case strings.HasPrefix(rest, "vars.get("):
		p.at += len("vars.get(")
		name, err := p.operators(0)
		if err != nil || !p.take(")") {
			return nil, p.surprise()
		}
		if p.names != nil {
			p.names.dynamic = true
		}
		return func(s *Scope) (value, error) {
			of, err := name(s)
			if text, ok := s.Values.Get(of.string()); ok {
				return value{text: text}, err
			}
			return value{kind: isNull}, err
		}, nil
	}
	for _, script := range []string{"jexl3", "jexl2", "jexl", "groovy", "javaScript"} {
		if strings.HasPrefix(rest, "${__"+script+"(") {
			return p.script(len("${__" + script + "("))
		}
	}
	return p.word()
}

// take reads a text, if it is next.
func (p *conditionParser) take(text string) bool {
	if !strings.HasPrefix(p.rest(), text) {
		return false
	}
	p.at += len(text)
	return true
}

// quoted reads a text in quotes. A backslash escapes quotes and itself.
func (p *conditionParser) quoted() (node, error) {
	quote := p.text[p.at]
	var content []byte
	braces := 0 // a reference may have quotes
	for i := p.at + 1; i < len(p.text); i++ {
		c := p.text[i]
		switch {
		case c == '\\' && i+1 < len(p.text) && strings.IndexByte(`"'\`, p.text[i+1]) >= 0:
			i++
			c = p.text[i]
		case c == '{' && p.text[i-1] == '$':
			braces++
		case c == '}' && braces > 0:
			braces--
		case c == quote && braces == 0:
			p.at = i + 1
			return p.template(string(content), false)
		}
		content = append(content, c)
	}
	return nil, fmt.Errorf("%.40s: a quote has no end", p.text[p.at:])
}

// word reads a number, true, false, null, or references without quotes, whose values count as numbers if they are.
func (p *conditionParser) word() (node, error) {
	end := p.at
	for end < len(p.text) {
		if strings.HasPrefix(p.text[end:], "${") {
			inner := parser{text: p.text, at: end, names: &Names{}}
			_, ok, err := inner.reference()
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, p.surprise()
			}
			end = inner.at
			continue
		}
		c := p.text[end]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c < utf8.RuneSelf {
			if c != '.' || end+1 == len(p.text) || p.text[end+1] < '0' || p.text[end+1] > '9' {
				break
			}
		}
		end++
	}
	word := p.text[p.at:end]
	switch {
	case word == "true", word == "false", word == "null":
		p.at = end
		found := truth(word == "true")
		if word == "null" {
			found = value{kind: isNull}
		}
		return func(*Scope) (value, error) { return found, nil }, nil
	case strings.Contains(word, "${"):
		p.at = end
		return p.template(word, true)
	}
	number, err := strconv.ParseFloat(word, 64)
	if err != nil || word[0] > '9' {
		return nil, p.surprise()
	}
	p.at = end
	return func(*Scope) (value, error) { return value{kind: isNumber, number: number}, nil }, nil
}

// template returns the node of a text with references. A loose one is a number, true or false, if it looks like it.
func (p *conditionParser) template(source string, loose bool) (node, error) {
	t, err := Parse(source, p.names)
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (value, error) {
		found := value{text: t.String(s)}
		if loose {
			if number, ok := found.float(); ok {
				return value{kind: isNumber, number: number}, nil
			}
			if found.text == "true" || found.text == "false" {
				return truth(found.text == "true"), nil
			}
		}
		return found, nil
	}, nil
}

// script reads the condition inside ${__jexl3(…)}: the function's first argument.
func (p *conditionParser) script(open int) (node, error) {
	inner := parser{text: p.text, at: p.at + open}
	arguments, ok := inner.arguments()
	if !ok || len(arguments) == 0 || !strings.HasPrefix(p.text[inner.at:], "}") {
		return nil, p.surprise()
	}
	condition := conditionParser{
		text: strings.ReplaceAll(arguments[0], `\,`, `,`), depth: p.depth, names: p.names,
	}
	root, err := condition.whole()
	p.at = inner.at + 1
	return root, err
}

// method is one of texts. Its argument is none if it has no arguments.
type method struct {
	arguments int
	call      func(text string, argument value) (value, error)
}

// test makes a method of a test with one text.
func test(holds func(text, argument string) bool) method {
	return method{1, func(text string, argument value) (value, error) { return truth(holds(text, argument.string())), nil }}
}

// change makes a method that returns a text.
func change(by func(text string) string) method {
	return method{0, func(text string, _ value) (value, error) { return value{text: by(text)}, nil }}
}

var (
	size = method{0, func(text string, _ value) (value, error) {
		return value{kind: isNumber, number: float64(utf8.RuneCountInString(text))}, nil
	}}
	methods = map[string]method{
		"equals": {1, func(text string, argument value) (value, error) {
			return truth(argument.kind != isNull && text == argument.string()), nil
		}},
		"equalsIgnoreCase": test(strings.EqualFold), "contains": test(strings.Contains), "includes": test(strings.Contains),
		"startsWith": test(strings.HasPrefix), "endsWith": test(strings.HasSuffix), "matches": {1, matches},
		"isEmpty": {0, func(text string, _ value) (value, error) { return truth(text == ""), nil }},
		"trim":    change(strings.TrimSpace), "toLowerCase": change(strings.ToLower), "toUpperCase": change(strings.ToUpper),
		"length": size, "size": size,
		"toInteger": {0, func(text string, _ value) (value, error) {
			number, ok := (value{text: text}).float()
			if !ok {
				return value{}, fmt.Errorf("%q is not a number", text)
			}
			return value{kind: isNumber, number: math.Trunc(number)}, nil
		}},
	}
)

func matches(text string, expression value) (value, error) {
	pattern, err := regexp.Compile("^(?:" + expression.string() + ")$")
	return truth(err == nil && pattern.MatchString(text)), err
}

func (p *conditionParser) method(of node) (node, error) {
	begin := p.at
	p.at++
	end := p.at
	for end < len(p.text) && isWord(p.text[end:end+1]) {
		end++
	}
	name := p.text[p.at:end]
	called, known := methods[name]
	if !known {
		p.at = begin
		return nil, p.surprise()
	}
	p.at = end
	var argument node
	if p.take("(") {
		var err error
		if called.arguments == 1 {
			if argument, err = p.operators(0); err != nil {
				return nil, err
			}
		}
		if !p.take(")") {
			return nil, p.surprise()
		}
	} else if name != "length" { // JavaScript has it without parentheses
		p.at = begin
		return nil, p.surprise()
	}
	return func(s *Scope) (value, error) {
		text, err := of(s)
		if err != nil {
			return text, err
		}
		var other value
		if argument != nil {
			if other, err = argument(s); err != nil {
				return other, err
			}
		}
		if text.kind == isNull {
			return text, fmt.Errorf("null has no %s()", name)
		}
		return called.call(text.string(), other)
	}, nil
}
