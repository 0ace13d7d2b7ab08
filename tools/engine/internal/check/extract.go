package check

import "toril/tools/engine/internal/text"

// Spec is one extractor, as load.json has it.
type Spec struct {
	Kind             string  `json:"kind"` // regexp, jsonpath, css or xpath
	Name             string  `json:"name"` // of the variable
	Expression       string  `json:"expression"`
	Default          *string `json:"default"`  // null: a variable without a match keeps its value
	Match            int     `json:"match"`    // 0: any, -1: all, as name_1, name_2, … and name_matchNr
	Template         string  `json:"template"` // regexp: $1$ if empty
	Subject          string  `json:"subject"`  // regexp: body (default), headers, http-code, url or message
	Attribute        string  `json:"attribute"`
	Concat           bool    `json:"concat"`        // jsonpath: with all matches, name_ALL
	FromVariable     string  `json:"from_variable"` // read this variable instead of the response
	Tolerant         bool    `json:"tolerant"`      // xpath: read HTML, or XML with errors
	Validate         bool    `json:"validate"`
	IgnoreWhitespace bool    `json:"ignore_whitespace"`
	Namespaces       bool    `json:"namespaces"`
}

// Extractor sets a variable from a response. It is safe for several goroutines.
type Extractor struct {
	spec Spec
}

// NewExtractor compiles an extractor. The error, for users, says what is wrong with the expression.
func NewExtractor(spec Spec, names *text.Names) (*Extractor, error) {
	return &Extractor{spec: spec}, nil
}

// NeedsBody reports whether the extractor reads the response's body.
func (e *Extractor) NeedsBody() bool { return true }

// NeedsHead reports whether the extractor reads the response's headers.
func (e *Extractor) NeedsHead() bool { return true }

// Name returns the variable's name.
func (e *Extractor) Name() string { return e.spec.Name }

// Run sets the variable in s.Values and reports whether the response had a match. Without one the variable gets the
// default, if there is one.
func (e *Extractor) Run(r *Response, s *text.Scope) (found bool) { return false }
