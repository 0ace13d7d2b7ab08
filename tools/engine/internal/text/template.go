package text

// Template is a text with references: ${name}, ${__function(arguments)}. It is safe for several goroutines.
type Template struct {
	source string
	fixed  string // the text, if it has no references
	parts  []part
}

// part is a literal text, a variable or a call.
type part struct {
	literal  string
	variable *Variable
	call     *call
}

type call struct{}

// Parse compiles a text. The error, for users, names a function that is unknown, or whose arguments are wrong.
// A text that only looks like a reference stays as it is.
func Parse(source string, names *Names) (Template, error) {
	return Template{source: source, fixed: source}, nil
}

// Fixed returns the text and true if it has no references.
func (t *Template) Fixed() (string, bool) { return t.fixed, len(t.parts) == 0 }

// Source returns the text as the suite has it.
func (t *Template) Source() string { return t.source }

// Variables returns the names of the variables that the text reads, each once, those of arguments included.
func (t *Template) Variables() []string { return nil }

// Append appends the text with the values of this moment. A variable that has none stays as it is written: ${name}.
func (t *Template) Append(dst []byte, s *Scope) []byte { return append(dst, t.fixed...) }

// String returns what Append appends.
func (t *Template) String(s *Scope) string {
	if len(t.parts) == 0 {
		return t.fixed
	}
	return string(t.Append(nil, s))
}
