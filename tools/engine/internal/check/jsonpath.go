package check

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// filter judges a value.
type filter func(d *document, at int32) bool

// parseJSONPath compiles a path. $ may be missing.
func parseJSONPath(source string) (jsonPath, error) {
	p := pathParser{text: strings.TrimSpace(source)}
	if !p.take("$") && !p.take("@") {
		if p.text == "" {
			return nil, fmt.Errorf("the JSON path is empty")
		}
		if p.text[0] != '[' {
			p.text = "." + p.text
		}
	}
	path, err := p.steps()
	if err == nil && p.at < len(p.text) {
		err = p.fail()
	}
	if err == nil && len(path) > 0 && path[len(path)-1].descent {
		err = fmt.Errorf("it ends with dots")
	}
	if err != nil {
		return nil, fmt.Errorf("JSON path %s: %w", source, err)
	}
	return path, nil
}

type pathParser struct {
	text  string
	at    int
	depth int
}

func (p *pathParser) fail() error {
	rest := p.text[p.at:]
	if rest == "" {
		rest = "its end"
	}
	return fmt.Errorf("%.40s is not understood", rest)
}

func (p *pathParser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *pathParser) blanks() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n') {
		p.at++
	}
}

func (p *pathParser) steps() (jsonPath, error) {
	var path jsonPath
	for p.at < len(p.text) {
		switch {
		case p.take(".."):
			path = append(path, jsonStep{descent: true})
			if !strings.HasPrefix(p.text[p.at:], "[") {
				if err := p.name(&path); err != nil {
					return nil, err
				}
			}
		case p.take("."):
			if strings.HasPrefix(p.text[p.at:], "[") {
				continue
			}
			if err := p.name(&path); err != nil {
				return nil, err
			}
		case p.take("["):
			step, err := p.brackets()
			if err != nil {
				return nil, err
			}
			path = append(path, step)
		default:
			return path, nil
		}
	}
	return path, nil
}

// name reads a name behind a dot, or a star.
func (p *pathParser) name(path *jsonPath) error {
	if p.take("*") {
		*path = append(*path, jsonStep{wildcard: true})
		return nil
	}
	end := p.at
	for end < len(p.text) && strings.IndexByte(".[]()=!<>&|,'\" \t\n", p.text[end]) < 0 {
		end++
	}
	if end == p.at {
		return p.fail()
	}
	if end < len(p.text) && p.text[end] == '(' {
		return fmt.Errorf("%s() is a function, and functions are not supported", p.text[p.at:end])
	}
	*path = append(*path, jsonStep{names: []string{p.text[p.at:end]}})
	p.at = end
	return nil
}

func (p *pathParser) brackets() (step jsonStep, err error) {
	p.blanks()
	switch rest := p.text[p.at:]; {
	case p.take("*"):
		step.wildcard = true
	case p.take("?"):
		p.blanks()
		if !p.take("(") {
			return step, p.fail()
		}
		if step.filter, err = p.either(); err != nil {
			return step, err
		}
		if p.blanks(); !p.take(")") {
			return step, p.fail()
		}
	case strings.HasPrefix(rest, "'") || strings.HasPrefix(rest, `"`):
		for {
			name, err := p.quoted()
			if err != nil {
				return step, err
			}
			step.names = append(step.names, name)
			if p.blanks(); !p.take(",") {
				break
			}
			p.blanks()
		}
	default:
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return step, p.fail()
		}
		if err := step.numbers(rest[:end]); err != nil {
			return step, err
		}
		p.at += end
	}
	if p.blanks(); !p.take("]") {
		return step, p.fail()
	}
	return step, nil
}

// numbers reads 0, or 0,2, or from:to.
func (step *jsonStep) numbers(text string) error {
	if parts := strings.Split(text, ":"); len(parts) > 1 {
		step.slice = &[2]int{math.MaxInt, math.MaxInt}
		for i, part := range parts[:2] { // as Jayway, without a step's width
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			number, err := strconv.Atoi(part)
			if err != nil {
				return fmt.Errorf("[%s] is not understood", text)
			}
			step.slice[i] = number
		}
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		number, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("[%s] is not understood", text)
		}
		step.indexes = append(step.indexes, number)
	}
	return nil
}

// quoted reads a text in quotes.
func (p *pathParser) quoted() (string, error) {
	if p.at >= len(p.text) {
		return "", p.fail()
	}
	quote, content := p.text[p.at], []byte(nil)
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text):
			i++
			content = append(content, p.text[i])
		case c == quote:
			p.at = i + 1
			return string(content), nil
		default:
			content = append(content, c)
		}
	}
	return "", p.fail()
}

// either reads comparisons that are joined by ||.
func (p *pathParser) either() (filter, error) {
	left, err := p.both()
	for err == nil {
		if p.blanks(); !p.take("||") {
			return left, nil
		}
		var right filter
		before := left
		if right, err = p.both(); err == nil {
			left = func(d *document, at int32) bool { return before(d, at) || right(d, at) }
		}
	}
	return nil, err
}

func (p *pathParser) both() (filter, error) {
	left, err := p.one()
	for err == nil {
		if p.blanks(); !p.take("&&") {
			return left, nil
		}
		var right filter
		before := left
		if right, err = p.one(); err == nil {
			left = func(d *document, at int32) bool { return before(d, at) && right(d, at) }
		}
	}
	return nil, err
}

// one reads a comparison, a path that has to exist, or either in parentheses.
func (p *pathParser) one() (filter, error) {
	p.blanks()
	if p.depth++; p.depth > 50 {
		return nil, p.fail()
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("!"):
		inner, err := p.one()
		return func(d *document, at int32) bool { return !inner(d, at) }, err
	case p.take("("):
		inner, err := p.either()
		if err != nil {
			return nil, err
		}
		if p.blanks(); !p.take(")") {
			return nil, p.fail()
		}
		return inner, nil
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.blanks()
	for _, operator := range []string{"==", "!=", "<=", "<", ">=", ">", "=~", "in ", "nin ", "contains ", "size ", "empty "} {
		if !p.take(operator) {
			continue
		}
		p.blanks()
		if operator == "=~" {
			return p.pattern(left)
		}
		right, err := p.operand()
		if err != nil {
			return nil, err
		}
		operator = strings.TrimSpace(operator)
		return func(d *document, at int32) bool { return compareJSON(operator, left(d, at), right(d, at)) }, nil
	}
	return func(d *document, at int32) bool { return left(d, at).kind != 0 }, nil
}

// pattern reads /regular expression/i. It has to match the whole text.
func (p *pathParser) pattern(left operand) (filter, error) {
	if !p.take("/") {
		return nil, p.fail()
	}
	source := ""
	for {
		end := strings.IndexByte(p.text[p.at:], '/')
		if end < 0 {
			return nil, p.fail()
		}
		source += p.text[p.at : p.at+end]
		p.at += end + 1
		if !strings.HasSuffix(source, `\`) {
			break
		}
		source = source[:len(source)-1] + "/"
	}
	flags := ""
	if p.take("i") {
		flags = "(?i)"
	}
	pattern, err := regexp.Compile(flags + "^(?:" + source + ")$")
	if err != nil {
		return nil, err
	}
	return func(d *document, at int32) bool {
		value := left(d, at)
		return value.kind == '"' && pattern.MatchString(value.text)
	}, nil
}

// jsonValue is one side of a comparison. Its kind is that of a jsonNode, or 0: a path leads nowhere.
type jsonValue struct {
	kind byte
	text string
	list []jsonValue // of [
	size int         // of [ and {
}

type operand func(d *document, at int32) jsonValue

// operand reads a path or a literal.
func (p *pathParser) operand() (operand, error) {
	rest := p.text[p.at:]
	switch {
	case rest == "":
		return nil, p.fail()
	case rest[0] == '@' || rest[0] == '$':
		p.at++
		path, err := p.steps()
		if err != nil {
			return nil, err
		}
		return func(d *document, at int32) jsonValue {
			if rest[0] == '$' {
				at = 0
			}
			found := path.find(d, at, nil)
			if len(found) == 0 {
				return jsonValue{}
			}
			return d.operand(found[0])
		}, nil
	case rest[0] == '\'' || rest[0] == '"':
		text, err := p.quoted()
		return constant(jsonValue{kind: '"', text: text}), err
	case rest[0] == '[':
		p.at++
		list := jsonValue{kind: '['}
		for {
			p.blanks()
			if p.take("]") {
				list.size = len(list.list)
				return constant(list), nil
			}
			if p.at == len(p.text) || strings.IndexByte("[@$", p.text[p.at]) >= 0 {
				return nil, p.fail()
			}
			element, err := p.operand()
			if err != nil {
				return nil, err
			}
			list.list = append(list.list, element(nil, -1))
			p.blanks()
			p.take(",")
		}
	}
	for _, word := range []string{"true", "false", "null"} {
		if p.take(word) {
			return constant(jsonValue{kind: word[0], text: word}), nil
		}
	}
	end, ok := skipNumber([]byte(rest), 0)
	if !ok {
		return nil, p.fail()
	}
	p.at += end
	return constant(jsonValue{kind: '0', text: rest[:end]}), nil
}

func constant(value jsonValue) operand { return func(*document, int32) jsonValue { return value } }

func (d *document) operand(at int32) jsonValue {
	value := jsonValue{kind: d.nodes[at].kind}
	switch value.kind {
	case '[':
		for child := d.first(at); child > 0; child = d.nodes[child].next {
			value.list = append(value.list, d.operand(child))
		}
		value.size = len(value.list)
	case '{':
		value.size = d.count(at)
	}
	value.text = string(d.append(nil, at))
	return value
}

func compareJSON(operator string, a, b jsonValue) bool {
	switch operator {
	case "==":
		return sameJSON(a, b)
	case "!=":
		return !sameJSON(a, b)
	case "in":
		return slices.ContainsFunc(b.list, func(element jsonValue) bool { return sameJSON(a, element) })
	case "nin":
		return !slices.ContainsFunc(b.list, func(element jsonValue) bool { return sameJSON(a, element) })
	case "contains":
		if a.kind == '"' {
			return strings.Contains(a.text, b.text)
		}
		return slices.ContainsFunc(a.list, func(element jsonValue) bool { return sameJSON(b, element) })
	case "size":
		size, err := strconv.Atoi(b.text)
		return err == nil && (a.kind == '[' && a.size == size || a.kind == '"' && len([]rune(a.text)) == size)
	case "empty":
		empty := a.size == 0
		if a.kind == '"' {
			empty = a.text == ""
		}
		return (a.kind == '[' || a.kind == '{' || a.kind == '"') && strconv.FormatBool(empty) == b.text
	}
	order, ok := orderJSON(a, b)
	switch operator {
	case "<":
		return ok && order < 0
	case "<=":
		return ok && order <= 0
	case ">":
		return ok && order > 0
	}
	return ok && order >= 0
}

// orderJSON compares two texts, or two numbers of which one may be a text.
func orderJSON(a, b jsonValue) (order int, ok bool) {
	if a.kind == '"' && b.kind == '"' {
		return strings.Compare(a.text, b.text), true
	}
	if (a.kind != '0' || b.kind != '0' && b.kind != '"') && (b.kind != '0' || a.kind != '"') {
		return 0, false
	}
	x, err := strconv.ParseFloat(a.text, 64)
	y, wrong := strconv.ParseFloat(b.text, 64)
	switch {
	case err != nil || wrong != nil:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

func sameJSON(a, b jsonValue) bool {
	if order, ok := orderJSON(a, b); ok {
		return order == 0
	}
	return a.kind != 0 && a.kind == b.kind && a.text == b.text
}

// isDefinite reports whether the path selects one value at most.
func (path jsonPath) isDefinite() bool {
	return !slices.ContainsFunc(path, func(step jsonStep) bool {
		return step.wildcard || step.descent || step.filter != nil || step.slice != nil || len(step.indexes) > 1 || len(step.names) > 1
	})
}

// find appends the values that the path selects from one value, in the order of the document. An object of members
// that ['a','b'] selects has a node of its own, which the document keeps.
func (path jsonPath) find(d *document, at int32, found []int32) []int32 {
	if len(path) == 0 {
		return append(found, at)
	}
	step, rest := &path[0], path[1:]
	isArray := d.nodes[at].kind == '['
	switch {
	case step.descent:
		found = rest.find(d, at, found)
		for child := d.first(at); child > 0; child = d.nodes[child].next {
			if kind := d.nodes[child].kind; kind == '{' || kind == '[' {
				found = path.find(d, child, found)
			}
		}
	case step.wildcard:
		for child := d.first(at); child > 0; child = d.nodes[child].next {
			found = rest.find(d, child, found)
		}
	case step.filter != nil && !isArray:
		if d.nodes[at].kind == '{' && step.filter(d, at) {
			found = rest.find(d, at, found)
		}
	case step.filter != nil:
		for child := d.first(at); child > 0; child = d.nodes[child].next {
			if step.filter(d, child) {
				found = rest.find(d, child, found)
			}
		}
	case len(step.names) == 1:
		if child := d.member(at, step.names[0]); child > 0 {
			found = rest.find(d, child, found)
		}
	case len(step.names) > 1 && len(rest) == 0:
		if d.nodes[at].kind == '{' {
			found = append(found, d.project(at, step.names))
		}
	case len(step.names) > 1:
		for _, name := range step.names {
			if child := d.member(at, name); child > 0 {
				found = rest.find(d, child, found)
			}
		}
	case isArray && step.slice != nil:
		size := d.count(at)
		from, to := 0, size
		if step.slice[0] != math.MaxInt {
			from = step.slice[0]
		}
		if step.slice[1] != math.MaxInt {
			to = step.slice[1]
		}
		if from < 0 {
			from = max(0, from+size)
		}
		if to < 0 {
			to += size
		}
		i := 0
		for child := d.first(at); child > 0; child = d.nodes[child].next {
			if i >= from && i < to {
				found = rest.find(d, child, found)
			}
			i++
		}
	case isArray:
		for _, index := range step.indexes {
			if index < 0 {
				index += d.count(at)
			}
			child := d.first(at)
			for ; child > 0 && index > 0; index-- {
				child = d.nodes[child].next
			}
			if child > 0 && index == 0 {
				found = rest.find(d, child, found)
			}
		}
	}
	return found
}

// project adds an object with some members of another one, behind the document's text.
func (d *document) project(of int32, names []string) int32 {
	begin := len(d.text)
	text := append(slices.Clip(d.text), '{')
	for _, name := range names {
		if child := d.member(of, name); child > 0 {
			if text[len(text)-1] != '{' {
				text = append(text, ',')
			}
			node := &d.nodes[child]
			text = append(append(append(text, '"'), d.text[node.key:node.key+node.size]...), '"', ':')
			quote := int32(0)
			if node.kind == '"' {
				quote = 1
			}
			text = append(text, d.text[node.begin-quote:node.end+quote]...)
		}
	}
	d.text = append(text, '}')
	d.nodes = append(d.nodes, jsonNode{kind: '{', begin: int32(begin), end: int32(len(d.text)), size: -1})
	return int32(len(d.nodes) - 1)
}
