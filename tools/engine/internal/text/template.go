package text

import (
	"fmt"
	"strings"
)

// Template is a text with references: ${name}, ${__function(arguments)}. It is safe for several goroutines.
type Template struct {
	source string
	parts  []part // none: the text has no references
}

// part is a literal text, a variable or a call. A variable without a value stays as its literal.
type part struct {
	literal  string
	variable *Variable
	call     *call
}

// Parse compiles a text. The error, for users, names a function that is unknown, or whose arguments are wrong.
// A text that only looks like a reference stays as it is, and so does a backslash, unless it escapes one: \${name}.
func Parse(source string, names *Names) (Template, error) {
	t := Template{source: source}
	if !strings.Contains(source, "${") {
		return t, nil
	}
	p := parser{text: source, names: names}
	parts, err := p.parts(false)
	if err != nil {
		return t, err
	}
	t.parts = parts
	return t, nil
}

// Fixed returns the text and true if it has no references.
func (t *Template) Fixed() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return t.source, true
	case len(t.parts) == 1 && t.parts[0].isText():
		return t.parts[0].literal, true
	}
	return "", false
}

func (p *part) isText() bool { return p.variable == nil && p.call == nil }

// Source returns the text as the suite has it.
func (t *Template) Source() string { return t.source }

// Append appends the text with the values of this moment. A variable that has none stays as it is written: ${name}.
func (t *Template) Append(dst []byte, s *Scope) []byte {
	if len(t.parts) == 0 {
		return append(dst, t.source...)
	}
	for i := range t.parts {
		part := &t.parts[i]
		if part.call != nil {
			dst = part.call.append(dst, s)
		} else if part.variable == nil {
			dst = append(dst, part.literal...)
		} else if value, ok := s.Values.Value(*part.variable); ok {
			dst = append(dst, value...)
		} else {
			dst = append(dst, part.literal...)
		}
	}
	return dst
}

// String returns what Append appends.
func (t *Template) String(s *Scope) string {
	if text, ok := t.Fixed(); ok {
		return text
	}
	if len(t.parts) == 1 && t.parts[0].variable != nil {
		if value, ok := s.Values.Value(*t.parts[0].variable); ok {
			return value
		}
	}
	return string(t.Append(nil, s))
}

// parser reads a text once, from left to right, as JMeter's function parser does.
type parser struct {
	text  string
	at    int
	names *Names
}

// parts reads up to the end. In an argument a backslash escapes a dollar, a comma and itself.
func (p *parser) parts(argument bool) ([]part, error) {
	var parts []part
	var literal []byte
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '\\' && argument && p.at+1 < len(p.text) && strings.IndexByte(`$,\`, p.text[p.at+1]) >= 0:
			literal = append(literal, p.text[p.at+1])
			p.at += 2
		case c == '\\' && !argument:
			end := p.at
			for end < len(p.text) && p.text[end] == '\\' {
				end++
			}
			count := end - p.at
			if count%2 == 1 && strings.HasPrefix(p.text[end:], "${") {
				literal = append(append(literal, p.text[p.at:end-1]...), "${"...)
				end += 2
			} else {
				literal = append(literal, p.text[p.at:end]...)
			}
			p.at = end
		case c == '$' && strings.HasPrefix(p.text[p.at:], "${"):
			reference, ok, err := p.reference()
			if err != nil {
				return nil, err
			}
			if !ok { // no end: no reference
				literal = append(literal, p.text[p.at:]...)
				p.at = len(p.text)
				break
			}
			if len(literal) > 0 {
				parts = append(parts, part{literal: string(literal)})
				literal = nil
			}
			parts = append(parts, reference)
		default:
			literal = append(literal, c)
			p.at++
		}
	}
	if len(literal) > 0 || len(parts) == 0 {
		parts = append(parts, part{literal: string(literal)})
	}
	return parts, nil
}

// reference reads ${name} or ${__function(arguments)}. ok is false if it does not end.
func (p *parser) reference() (found part, ok bool, err error) {
	begin := p.at + 2
	end := strings.IndexByte(p.text[begin:], '}')
	open := strings.IndexByte(p.text[begin:], '(')
	if open > 2 && (end < 0 || open < end) && strings.HasPrefix(p.text[begin:], "__") && isWord(p.text[begin:begin+open]) {
		return p.call(p.text[begin : begin+open])
	}
	if end < 0 {
		return found, false, nil
	}
	name := p.text[begin : begin+end]
	p.at = begin + end + 1
	if f, known := functions[name]; known {
		found.call, err = newCall(name, f, nil, p.names)
		return found, true, err
	}
	if name == "JMeterThread.last_sample_ok" {
		found.call, err = newCall(name, lastOK, nil, p.names)
		return found, true, err
	}
	variable := p.names.Variable(name)
	return part{literal: "${" + name + "}", variable: &variable}, true, nil
}

func isWord(text string) bool {
	for _, c := range []byte(text) {
		if c != '_' && (c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z') {
			return false
		}
	}
	return text != ""
}

// call reads a function's arguments and the brace that ends the reference.
func (p *parser) call(name string) (found part, ok bool, err error) {
	f, known := functions[name]
	if !known {
		if scripts[name] {
			return found, false, fmt.Errorf("${%s(…)} is a script. The engine toril runs none; compute the value "+
				"with other functions, or use an engine that runs scripts", name)
		}
		return found, false, fmt.Errorf("unknown function ${%s(…)}%s", name, nearest(name))
	}
	from := p.at
	p.at += len("${") + len(name) + len("(")
	arguments, ok := p.arguments()
	if !ok || p.at >= len(p.text) || p.text[p.at] != '}' {
		shown := p.text[from:]
		if len(shown) > 60 {
			shown = shown[:60] + "…"
		}
		return found, false, fmt.Errorf("%s has no end: write ${%s(…)}", shown, name)
	}
	p.at++
	if len(arguments) < f.least || len(arguments) > f.most {
		return found, false, fmt.Errorf("${%s(…)} has %d arguments; write ${%s(%s)}", name, len(arguments), name, f.usage)
	}
	compiled := make([]Template, len(arguments))
	for i, argument := range arguments {
		inner := parser{text: argument, names: p.names}
		compiled[i] = Template{source: argument}
		if compiled[i].parts, err = inner.parts(true); err != nil {
			return found, false, err
		}
	}
	found.call, err = newCall(name, f, compiled, p.names)
	return found, true, err
}

// arguments splits the text behind a parenthesis at its commas, up to the parenthesis that closes it.
func (p *parser) arguments() ([]string, bool) {
	var arguments []string
	begin, braces, parentheses := p.at, 0, 0
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '\\':
			p.at++
		case c == '{' && p.text[p.at-1] == '$':
			braces++
		case c == '}' && braces > 0:
			braces--
		case braces > 0:
		case c == '(':
			parentheses++
		case c == ')' && parentheses > 0:
			parentheses--
		case c == ',': // JMeter splits inside parentheses, too
			arguments = append(arguments, p.text[begin:p.at])
			begin = p.at + 1
		case c == ')':
			if begin < p.at || len(arguments) > 0 {
				arguments = append(arguments, p.text[begin:p.at])
			}
			p.at++
			return arguments, true
		}
	}
	return nil, false
}
