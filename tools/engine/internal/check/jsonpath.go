package check

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// jsonPath is a compiled path with the meaning of Jayway's library, which JMeter uses. Its functions, such as
// length(), are missing: JMeter refuses them, too.
type jsonPath []jsonStep

// jsonStep selects children. One of the fields is set.
type jsonStep struct {
	names    []string // more than one: an object of these members
	indexes  []int
	slice    *[2]int // from, to; math.MaxInt: open
	wildcard bool
	descent  bool // the next step applies to the value and to everything inside it
	filter   filter
}

// filter judges a value of a document.
type filter func(root, at gjson.Result) bool

// operand is one side of a comparison: a value that does not exist if its path leads nowhere.
type operand func(root, at gjson.Result) gjson.Result

// parseJSONPath compiles a path. $ may be missing.
func parseJSONPath(source string) (jsonPath, error) {
	p := pathParser{text: strings.TrimSpace(source)}
	if !p.take("$") && !p.take("@") {
		if p.text == "" {
			return nil, errors.New("the JSON path is empty")
		}
		if p.text[0] != '[' {
			p.text = "." + p.text
		}
	}
	path := p.steps()
	switch {
	case p.err == nil && p.at < len(p.text):
		p.fail()
	case p.err == nil && len(path) > 0 && path[len(path)-1].descent:
		p.err = errors.New("it ends with dots")
	}
	if p.err != nil {
		return nil, fmt.Errorf("JSON path %s: %w", source, p.err)
	}
	return path, nil
}

// pathParser reads a path. Behind an error, which is the first one, it reads nothing.
type pathParser struct {
	text  string
	at    int
	depth int
	err   error
}

func (p *pathParser) fail() {
	if p.err == nil {
		p.err = fmt.Errorf("%.40s is not understood", cmp.Or(p.text[p.at:], "its end"))
	}
	p.at = len(p.text)
}

// rest returns the text behind the blanks.
func (p *pathParser) rest() string {
	rest := strings.TrimLeft(p.text[p.at:], " \t\n")
	p.at = len(p.text) - len(rest)
	return rest
}

func (p *pathParser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

// expect takes a text behind blanks.
func (p *pathParser) expect(text string) {
	if p.rest(); !p.take(text) {
		p.fail()
	}
}

func (p *pathParser) steps() jsonPath {
	var path jsonPath
	for p.at < len(p.text) {
		switch {
		case p.take(".."):
			path = append(path, jsonStep{descent: true})
			if !strings.HasPrefix(p.text[p.at:], "[") {
				path = append(path, p.name())
			}
		case p.take(".["), p.take("["):
			path = append(path, p.brackets())
			p.expect("]")
		case p.take("."):
			path = append(path, p.name())
		default:
			return path
		}
	}
	return path
}

// name reads a name behind a dot, or a star.
func (p *pathParser) name() jsonStep {
	if p.take("*") {
		return jsonStep{wildcard: true}
	}
	rest := p.text[p.at:]
	end := strings.IndexAny(rest, ".[]()=!<>&|,'\" \t\n")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		p.fail()
	} else if strings.HasPrefix(rest[end:], "(") {
		p.err = fmt.Errorf("%s() is a function, and functions are not supported", rest[:end])
	}
	p.at = min(p.at+end, len(p.text))
	return jsonStep{names: []string{rest[:end]}}
}

// brackets reads what is between brackets.
func (p *pathParser) brackets() (step jsonStep) {
	switch rest := p.rest(); {
	case p.take("*"):
		step.wildcard = true
	case p.take("?"):
		p.expect("(")
		step.filter = p.either()
		p.expect(")")
	case strings.HasPrefix(rest, "'") || strings.HasPrefix(rest, `"`):
		step.names = append(step.names, p.quoted())
		for p.rest(); p.take(","); p.rest() {
			p.rest()
			step.names = append(step.names, p.quoted())
		}
	default:
		inside, _, _ := strings.Cut(rest, "]")
		if step.numbers(inside) != nil {
			p.fail()
		}
		p.at = min(p.at+len(inside), len(p.text))
	}
	return step
}

// numbers reads 0, or 0,2, or from:to. As Jayway, it ignores a width behind from:to.
func (step *jsonStep) numbers(text string) (err error) {
	if parts := strings.Split(text, ":"); len(parts) > 1 {
		step.slice = &[2]int{math.MaxInt, math.MaxInt}
		for i, part := range parts[:2] {
			if part = strings.TrimSpace(part); part != "" && err == nil {
				step.slice[i], err = strconv.Atoi(part)
			}
		}
		return err
	}
	for part := range strings.SplitSeq(text, ",") {
		number, wrong := strconv.Atoi(strings.TrimSpace(part))
		step.indexes, err = append(step.indexes, number), errors.Join(err, wrong)
	}
	return err
}

var quotedText = regexp.MustCompile(`^(?s:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')`)

// quoted reads a text in quotes.
func (p *pathParser) quoted() string {
	found := quotedText.FindStringSubmatch(p.text[p.at:])
	if found == nil {
		p.fail()
		return ""
	}
	p.at += len(found[0])
	return escapedCharacter.ReplaceAllString(found[1]+found[2], "$1")
}

var escapedCharacter = regexp.MustCompile(`(?s)\\(.)`)

// either reads comparisons that are joined by ||.
func (p *pathParser) either() filter { return p.join("||", p.both, true) }

func (p *pathParser) both() filter { return p.join("&&", p.one, false) }

// join reads filters with an operator between them. A filter that gives `decides` decides.
func (p *pathParser) join(operator string, next func() filter, decides bool) filter {
	parts := []filter{next()}
	for p.rest(); p.take(operator); p.rest() {
		parts = append(parts, next())
	}
	return func(root, at gjson.Result) bool {
		return slices.ContainsFunc(parts, func(part filter) bool { return part(root, at) == decides }) == decides
	}
}

// deepestFilter bounds parentheses and negations inside each other.
const deepestFilter = 50

// one reads a comparison, a path that has to exist, or either in parentheses.
func (p *pathParser) one() filter {
	if p.depth++; p.depth > deepestFilter {
		p.fail()
	}
	defer func() { p.depth-- }()
	p.rest()
	if p.take("!") {
		inner := p.one()
		return func(root, at gjson.Result) bool { return !inner(root, at) }
	}
	if p.take("(") {
		inner := p.either()
		p.expect(")")
		return inner
	}
	left := p.operand()
	p.rest()
	if p.take("=~") {
		return p.pattern(left)
	}
	for _, operator := range comparisons {
		if p.take(operator.name) {
			right := p.operand()
			return func(root, at gjson.Result) bool { return operator.holds(left(root, at), right(root, at)) }
		}
	}
	return func(root, at gjson.Result) bool { return left(root, at).Exists() }
}

var regularExpression = regexp.MustCompile(`^(?s:/((?:[^/\\]|\\.)*)/(i?))`)

// pattern reads /regular expression/i. It has to match the whole text.
func (p *pathParser) pattern(left operand) filter {
	found := regularExpression.FindStringSubmatch(p.rest())
	if found == nil {
		p.fail()
		return nil
	}
	p.at += len(found[0])
	flags := ""
	if found[2] != "" {
		flags = "(?i)"
	}
	pattern, err := regexp.Compile(flags + "^(?:" + strings.ReplaceAll(found[1], `\/`, "/") + ")$")
	if err != nil {
		p.fail()
		p.err = err
	}
	return func(root, at gjson.Result) bool {
		value := left(root, at)
		return value.Type == gjson.String && pattern.MatchString(value.Str)
	}
}

var literal = regexp.MustCompile(`^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)`)

// operand reads a path or a literal.
func (p *pathParser) operand() operand {
	rest := p.rest()
	if p.take("@") {
		path := p.steps()
		return func(root, at gjson.Result) gjson.Result { return path.first(root, at) }
	}
	if p.take("$") {
		path := p.steps()
		return func(root, _ gjson.Result) gjson.Result { return path.first(root, root) }
	}
	value := gjson.Parse(p.literal(rest))
	return func(_, _ gjson.Result) gjson.Result { return value }
}

// literal reads a constant, and returns it as JSON.
func (p *pathParser) literal(rest string) string {
	if p.take("[") {
		var list []string
		for p.rest(); p.err == nil && !p.take("]"); p.take(",") {
			list = append(list, p.literal(p.rest()))
			p.rest()
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	if strings.HasPrefix(rest, "'") || strings.HasPrefix(rest, `"`) {
		return string(gjson.AppendJSONString(nil, p.quoted()))
	}
	found := literal.FindString(rest)
	if found == "" {
		p.fail()
	}
	p.at += len(found)
	return found
}

// comparisons are the operators. A longer one precedes its prefix.
var comparisons = []struct {
	name  string
	holds func(a, b gjson.Result) bool
}{
	{"==", sameJSON},
	{"!=", func(a, b gjson.Result) bool { return !sameJSON(a, b) }},
	{"<=", ordered(func(order int) bool { return order <= 0 })},
	{"<", ordered(func(order int) bool { return order < 0 })},
	{">=", ordered(func(order int) bool { return order >= 0 })},
	{">", ordered(func(order int) bool { return order > 0 })},
	{"in ", func(a, b gjson.Result) bool { return isElement(a, b) }},
	{"nin ", func(a, b gjson.Result) bool { return !isElement(a, b) }},
	{"contains ", func(a, b gjson.Result) bool {
		return a.Type == gjson.String && strings.Contains(a.Str, string(textOf(b))) || isElement(b, a)
	}},
	{"size ", func(a, b gjson.Result) bool {
		return (a.IsArray() || a.Type == gjson.String) && strconv.Itoa(size(a)) == b.Raw
	}},
	{"empty ", func(a, b gjson.Result) bool {
		return (a.Type == gjson.JSON || a.Type == gjson.String) && strconv.FormatBool(size(a) == 0) == b.Raw
	}},
}

func isElement(value, list gjson.Result) bool {
	return list.IsArray() && slices.ContainsFunc(list.Array(), func(element gjson.Result) bool { return sameJSON(value, element) })
}

// size returns the number of children, or of a string's characters.
func size(of gjson.Result) (n int) {
	if of.Type == gjson.String {
		return utf8.RuneCountInString(of.Str)
	}
	for range children(of) {
		n++
	}
	return n
}

func ordered(fits func(order int) bool) func(a, b gjson.Result) bool {
	return func(a, b gjson.Result) bool {
		order, ok := orderJSON(a, b)
		return ok && fits(order)
	}
}

// orderJSON compares two texts, or two numbers of which one may be a text.
func orderJSON(a, b gjson.Result) (order int, ok bool) {
	isText := func(value gjson.Result) bool { return value.Type == gjson.String }
	if isText(a) && isText(b) {
		return strings.Compare(a.Str, b.Str), true
	}
	if !isText(a) && a.Type != gjson.Number || !isText(b) && b.Type != gjson.Number {
		return 0, false
	}
	x, err := strconv.ParseFloat(cmp.Or(a.Str, a.Raw), 64)
	y, wrong := strconv.ParseFloat(cmp.Or(b.Str, b.Raw), 64)
	return cmp.Compare(x, y), err == nil && wrong == nil
}

func sameJSON(a, b gjson.Result) bool {
	if order, ok := orderJSON(a, b); ok {
		return order == 0
	}
	return a.Exists() && a.Type == b.Type && string(textOf(a)) == string(textOf(b))
}

// isDefinite reports whether the path selects one value at most.
func (path jsonPath) isDefinite() bool {
	return !slices.ContainsFunc(path, func(step jsonStep) bool {
		return step.wildcard || step.descent || step.filter != nil || step.slice != nil || len(step.indexes) > 1 || len(step.names) > 1
	})
}

func (path jsonPath) first(root, at gjson.Result) gjson.Result {
	for _, found := range path.find(root, at, nil) {
		return found
	}
	return gjson.Result{}
}

// find appends the values that the path selects from one value, in the order of the document.
func (path jsonPath) find(root, at gjson.Result, found []gjson.Result) []gjson.Result {
	if len(path) == 0 {
		return append(found, at)
	}
	step, rest := &path[0], path[1:]
	switch {
	case step.descent:
		found = rest.find(root, at, found)
		for _, child := range children(at) {
			if child.Type == gjson.JSON {
				found = path.find(root, child, found)
			}
		}
	case step.wildcard:
		for _, child := range children(at) {
			found = rest.find(root, child, found)
		}
	case step.filter != nil && at.IsObject():
		if step.filter(root, at) {
			found = rest.find(root, at, found)
		}
	case step.filter != nil:
		for _, child := range children(at) {
			if step.filter(root, child) {
				found = rest.find(root, child, found)
			}
		}
	case len(step.names) > 1 && len(rest) == 0:
		if at.IsObject() {
			found = append(found, project(at, step.names))
		}
	case len(step.names) > 0:
		for _, name := range step.names {
			if child := member(at, name); child.Exists() {
				found = rest.find(root, child, found)
			}
		}
	case at.IsArray():
		elements := at.Array()
		for _, index := range step.positions(len(elements)) {
			found = rest.find(root, elements[index], found)
		}
	}
	return found
}

// positions returns the numbers that the step selects of an array's elements. A negative one counts from the end.
func (step *jsonStep) positions(size int) (all []int) {
	if step.slice == nil {
		for _, index := range step.indexes {
			if index < 0 {
				index += size
			}
			if index >= 0 && index < size {
				all = append(all, index)
			}
		}
		return all
	}
	from, to := step.slice[0], step.slice[1]
	if from == math.MaxInt {
		from = 0
	} else if from < 0 {
		from = max(0, from+size)
	}
	if to < 0 {
		to += size
	}
	for index := from; index < min(to, size); index++ {
		all = append(all, index)
	}
	return all
}

// project returns an object with some members of another one.
func project(of gjson.Result, names []string) gjson.Result {
	var members []string
	for _, name := range names {
		if child := member(of, name); child.Exists() {
			members = append(members, string(gjson.AppendJSONString(nil, name))+":"+child.Raw)
		}
	}
	return gjson.Parse("{" + strings.Join(members, ",") + "}")
}
