package check

import (
	"sync"

	"toril/tools/engine/internal/text"
)

// compiled is an expression that is compiled once, or, if it has references, once for each of its texts.
type compiled[T any] struct {
	template text.Template
	compile  func(source string) (T, error)
	fixed    T
	isFixed  bool
	lock     sync.Mutex
	of       map[string]T
}

// mostCompiled bounds the texts that are kept of one expression with references.
const mostCompiled = 1000

// newCompiled compiles an expression. The error is about its references, or about the expression if it has none.
func newCompiled[T any](source string, names *text.Names, compile func(string) (T, error)) (*compiled[T], error) {
	template, err := text.Parse(source, names)
	if err != nil {
		return nil, err
	}
	c := &compiled[T]{template: template, compile: compile}
	var fixed string
	if fixed, c.isFixed = template.Fixed(); c.isFixed {
		c.fixed, err = compile(fixed)
	}
	return c, err
}

// in returns the expression with the values of this moment.
func (c *compiled[T]) in(s *text.Scope) (T, error) {
	if c.isFixed {
		return c.fixed, nil
	}
	source := c.template.String(s)
	c.lock.Lock()
	defer c.lock.Unlock()
	if known, ok := c.of[source]; ok {
		return known, nil
	}
	made, err := c.compile(source)
	if err != nil {
		return made, err
	}
	if c.of == nil || len(c.of) >= mostCompiled {
		c.of = map[string]T{}
	}
	c.of[source] = made
	return made, nil
}
