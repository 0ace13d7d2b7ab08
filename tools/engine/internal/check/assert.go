package check

import "toril/tools/engine/internal/text"

// AssertionSpec is one assertion, as load.json has it.
type AssertionSpec struct {
	Kind             string   `json:"kind"`    // contains, jsonpath or xpath
	Subject          string   `json:"subject"` // contains: body (default), headers or http-code
	Contains         []string `json:"contains"`
	Regexp           bool     `json:"regexp"`
	Not              bool     `json:"not"`
	AssumeSuccess    bool     `json:"assume_success"` // read by the session, which owns the status
	Expression       string   `json:"expression"`
	Expected         *string  `json:"expected"`
	Invert           bool     `json:"invert"`
	ExpectNull       bool     `json:"expect_null"`
	Tolerant         bool     `json:"tolerant"`
	Validate         bool     `json:"validate"`
	IgnoreWhitespace bool     `json:"ignore_whitespace"`
}

// Assertion judges a response. It is safe for several goroutines.
type Assertion struct {
	spec AssertionSpec
}

// NewAssertion compiles an assertion. The error, for users, says what is wrong with the expression.
func NewAssertion(spec AssertionSpec, names *text.Names) (*Assertion, error) {
	return &Assertion{spec: spec}, nil
}

// NeedsBody reports whether the assertion reads the response's body.
func (a *Assertion) NeedsBody() bool { return true }

// NeedsHead reports whether the assertion reads the response's headers.
func (a *Assertion) NeedsHead() bool { return true }

// Check returns why the assertion fails, for users; "" if it holds.
func (a *Assertion) Check(r *Response, s *text.Scope) (failure string) { return "" }
