package check

import (
	"fmt"
	"strconv"
	"strings"

	"toril/tools/engine/internal/text"
)

// Spec is one extractor, as load.json has it.
type Spec struct {
	Kind         string  `json:"kind"` // regexp, jsonpath, css or xpath
	Name         string  `json:"name"` // of the variable
	Expression   string  `json:"expression"`
	Default      *string `json:"default"`  // null: a variable without a match keeps its value
	Match        int     `json:"match"`    // 0: any, -1: all, as name_1, name_2, … and name_matchNr
	Template     string  `json:"template"` // regexp: $1$ if empty
	Subject      string  `json:"subject"`  // regexp: body (default), headers, http-code, url or message
	Attribute    string  `json:"attribute"`
	Concat       bool    `json:"concat"`        // jsonpath: with all matches, name_ALL
	FromVariable string  `json:"from_variable"` // read this variable instead of the response
	Tolerant     bool    `json:"tolerant"`      // xpath: read HTML
	Namespaces   bool    `json:"namespaces"`
}

// Extractor sets a variable from a response. It is safe for several goroutines.
type Extractor struct {
	spec     Spec
	names    *text.Names
	variable text.Variable
	count    text.Variable // name_matchNr
	from     text.Variable
	fallback *text.Template
	find     finder
}

// finder appends the values of up to most matches, all if most < 0.
type finder func(r *Response, s *text.Scope, most int, found []match) []match

// match is one value, and the groups of a regular expression, as positions in of.
type match struct {
	value  []byte // the response's memory, or fresh
	null   bool   // JSON's null: there is a match without a value
	groups []int
	of     []byte
}

// NewExtractor compiles an extractor. The error, for users, says what is wrong with the expression.
func NewExtractor(spec Spec, names *text.Names) (*Extractor, error) {
	e := &Extractor{spec: spec, names: names}
	e.variable, e.count = names.Variable(spec.Name), names.Variable(spec.Name+"_matchNr")
	if spec.FromVariable != "" {
		e.from = names.Variable(spec.FromVariable)
	}
	if spec.Default != nil {
		template, err := text.Parse(*spec.Default, names)
		if err != nil {
			return nil, e.explain(err)
		}
		e.fallback = &template
	}
	var err error
	switch spec.Kind {
	case "regexp":
		e.find, err = e.regexp()
	case "jsonpath":
		e.find, err = e.jsonPath()
	case "css":
		e.find, err = e.css()
	case "xpath":
		e.find, err = e.xPath()
	default:
		err = fmt.Errorf("unknown kind %q", spec.Kind)
	}
	if err != nil {
		return nil, e.explain(err)
	}
	return e, nil
}

func (e *Extractor) explain(err error) error {
	return fmt.Errorf("extract-%s of %s: %w", e.spec.Kind, e.spec.Name, err)
}

// NeedsBody reports whether the extractor reads the response's body.
func (e *Extractor) NeedsBody() bool {
	return e.spec.FromVariable == "" && (e.spec.Subject == "" || e.spec.Subject == "body")
}

// Name returns the variable's name.
func (e *Extractor) Name() string { return e.spec.Name }

// Run sets the variable in s.Values and reports whether the response had a match. Without one the variable gets the
// default, if there is one.
func (e *Extractor) Run(r *Response, s *text.Scope) (found bool) {
	if e.spec.FromVariable != "" {
		value, _ := s.Values.Value(e.from)
		r = &Response{Body: []byte(value)}
	}
	most := e.spec.Match
	if most == 0 || e.spec.Kind == "jsonpath" && most > 0 {
		most = -1 // JMeter: name_matchNr counts all
	}
	var room [4]match
	matches := e.find(r, s, most, room[:0])
	e.forget(s, len(matches))
	chosen := -1
	switch {
	case e.spec.Match < 0:
		e.setAll(s, matches)
		if e.spec.Kind == "xpath" {
			chosen = 0
		}
	case e.spec.Match == 0 && len(matches) > 0:
		chosen = 0
		if len(matches) > 1 {
			chosen = s.Rand.IntN(len(matches))
		}
	case e.spec.Kind == "jsonpath" && len(matches) == 1:
		chosen = 0 // JMeter: whatever the number
	default:
		chosen = e.spec.Match - 1
	}
	if e.spec.Match >= 0 && e.spec.Kind == "jsonpath" && (e.spec.Match > 0 || len(matches) != 1) {
		s.Values.SetValue(e.count, strconv.Itoa(len(matches)))
	}
	if chosen < 0 || chosen >= len(matches) || matches[chosen].null {
		if e.fallback != nil && (e.spec.Match >= 0 || len(matches) == 0 || e.spec.Kind != "jsonpath") {
			s.Values.SetValue(e.variable, e.fallback.String(s))
		}
		if e.spec.Kind == "regexp" && e.spec.Match >= 0 {
			e.removeGroups(s, e.spec.Name)
		}
		return e.spec.Match < 0 && len(matches) > 0
	}
	s.Values.SetBytes(e.variable, matches[chosen].value)
	if e.spec.Kind == "regexp" && e.spec.Match >= 0 {
		e.setGroups(s, e.spec.Name, &matches[chosen])
	}
	return true
}

// mostMatches bounds the variables that a response can set for each user.
const mostMatches = 10_000

// setAll sets name_1, name_2, … and name_matchNr, and name_ALL if asked for.
func (e *Extractor) setAll(s *text.Scope, matches []match) {
	matches = matches[:min(len(matches), mostMatches)]
	s.Values.SetValue(e.count, strconv.Itoa(len(matches)))
	var all []byte
	for i := range matches {
		name := e.spec.Name + "_" + strconv.Itoa(i+1)
		value := string(matches[i].value)
		if matches[i].null && e.fallback != nil {
			value = e.fallback.String(s)
		}
		s.Values.Set(name, value)
		if e.spec.Kind == "regexp" {
			e.setGroups(s, name, &matches[i])
		}
		if e.spec.Concat {
			if i > 0 {
				all = append(all, ',')
			}
			all = append(all, value...)
		}
	}
	if e.spec.Concat {
		s.Values.Set(e.spec.Name+"_ALL", string(all))
	}
}

// forget removes what an earlier response had more of.
func (e *Extractor) forget(s *text.Scope, now int) {
	value, ok := s.Values.Value(e.count)
	if !ok {
		return
	}
	before, _ := strconv.Atoi(value)
	if e.spec.Match >= 0 {
		now = 0
		s.Values.Remove(e.count.Name)
	}
	for i := now + 1; i <= before; i++ {
		name := e.spec.Name + "_" + strconv.Itoa(i)
		s.Values.Remove(name)
		if e.spec.Kind == "regexp" {
			e.removeGroups(s, name)
		}
	}
}

// setGroups sets name_g, the number of groups, and name_g0, name_g1, …, if the suite refers to any.
func (e *Extractor) setGroups(s *text.Scope, name string, m *match) {
	if !e.names.Grouped(e.variable) {
		return
	}
	e.removeGroups(s, name)
	s.Values.Set(name+"_g", strconv.Itoa(len(m.groups)/2-1))
	for i := 0; i < len(m.groups); i += 2 {
		value := ""
		if m.groups[i] >= 0 {
			value = string(m.of[m.groups[i]:m.groups[i+1]])
		}
		s.Values.Set(name+"_g"+strconv.Itoa(i/2), value)
	}
}

func (e *Extractor) removeGroups(s *text.Scope, name string) {
	if !e.names.Grouped(e.variable) {
		return
	}
	value, ok := s.Values.Get(name + "_g")
	if !ok {
		return
	}
	count, _ := strconv.Atoi(value)
	s.Values.Remove(name + "_g")
	for i := 0; i <= count; i++ {
		s.Values.Remove(name + "_g" + strconv.Itoa(i))
	}
}

func (e *Extractor) regexp() (finder, error) {
	if !subjects[e.spec.Subject] {
		return nil, fmt.Errorf("unknown subject %q", e.spec.Subject)
	}
	expression, err := newCompiled(e.spec.Expression, e.names, compile)
	if err != nil {
		return nil, err
	}
	template := parseTemplate(e.spec.Template)
	return func(r *Response, s *text.Scope, most int, found []match) []match {
		pattern, err := expression.in(s)
		if err != nil {
			return found
		}
		subject := r.part(e.spec.Subject)
		var room [1][]int
		for _, groups := range pattern.find(subject, most, room[:0]) {
			found = append(found, match{value: template.expand(subject, groups), groups: groups, of: subject})
		}
		return found
	}, nil
}

// groupTemplate is the template of a match: texts between groups.
type groupTemplate struct {
	texts  []string // one more than groups
	groups []int
}

// parseTemplate reads $1$-$2$; a number alone means a group, too.
func parseTemplate(source string) groupTemplate {
	if source == "" {
		source = "$1$"
	}
	if _, err := strconv.Atoi(source); err == nil {
		source = "$" + source + "$"
	}
	t := groupTemplate{texts: []string{""}}
	for {
		begin := strings.IndexByte(source, '$')
		length := -1
		if begin >= 0 {
			length = strings.IndexByte(source[begin+1:], '$')
		}
		if length < 0 {
			t.texts[len(t.texts)-1] += source
			return t
		}
		group, err := strconv.Atoi(source[begin+1 : begin+1+length])
		if err != nil || group < 0 || group > 1000 {
			t.texts[len(t.texts)-1] += source[:begin+1]
			source = source[begin+1:]
			continue
		}
		t.texts[len(t.texts)-1] += source[:begin]
		t.texts, t.groups = append(t.texts, ""), append(t.groups, group)
		source = source[begin+length+2:]
	}
}

// expand returns the text of a match. An expression without groups has the whole match as its first one.
func (t *groupTemplate) expand(of []byte, groups []int) []byte {
	if len(t.groups) == 1 && t.texts[0] == "" && t.texts[1] == "" {
		return group(of, groups, t.groups[0])
	}
	var value []byte
	for i, number := range t.groups {
		value = append(append(value, t.texts[i]...), group(of, groups, number)...)
	}
	return append(value, t.texts[len(t.groups)]...)
}

func group(of []byte, groups []int, number int) []byte {
	if number == 1 && len(groups) == 2 {
		number = 0
	}
	if 2*number >= len(groups) || groups[2*number] < 0 {
		return nil
	}
	return of[groups[2*number]:groups[2*number+1]]
}

func (e *Extractor) jsonPath() (finder, error) {
	expression, err := newCompiled(e.spec.Expression, e.names, parseJSONPath)
	if err != nil {
		return nil, err
	}
	return func(r *Response, s *text.Scope, most int, found []match) []match {
		path, err := expression.in(s)
		document := r.document()
		if err != nil || !document.Exists() {
			return found
		}
		for _, value := range path.find(document, document, nil) {
			if isNull(value) {
				found = append(found, match{null: true})
			} else {
				found = append(found, match{value: textOf(value)})
			}
		}
		return found
	}, nil
}
