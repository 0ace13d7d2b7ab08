// Package check reads values from responses and asserts on them, as the options of Taurus' requests say.
package check

// Response is what extractors and assertions look at. Documents are parsed when the first of them needs one, and once.
// Nothing that they give away refers to its memory.
type Response struct {
	Status  int
	Message string // the reason phrase
	Head    []byte // raw: status line and headers, with or without the empty line
	Body    []byte // decoded: chunks, compression, and the charset, to UTF-8
	URL     string // of the last request, after redirects
}

// Reset makes the response ready for another one. It forgets the documents.
func (r *Response) Reset() { *r = Response{} }
