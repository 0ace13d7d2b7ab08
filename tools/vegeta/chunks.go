package main

import "errors"

// As of Go's own reader, in bytes.
const (
	mostOfALine  = 4096     // of a chunk's line, or of all trailers
	mostOverhead = 16 << 10 // of chunks' lines, beyond what is fair
	fairOverhead = 16       // of a chunk's line, and twice as much as is in the chunk
)

var (
	errChunks   = errors.New("malformed chunked encoding")
	errDigit    = errors.New("invalid byte in chunk length")
	errLength   = errors.New("http chunk length too large")
	errLine     = errors.New("header line too long")
	errTrailer  = errors.New("http: suspiciously long trailer after chunked body")
	errOverhead = errors.New("chunked encoding contains too much non-data")
)

type part int

const (
	size      part = iota // the line that says how long the next chunk is
	extension             // the rest of it, which means nothing to us
	content
	contentEnd // the line's end after a chunk
	trailer    // lines after the last one, up to an empty one
	chunksEnd
)

// chunks decodes a body in chunks, of which only the length is wanted.
type chunks struct {
	part   part
	left   int64
	digits int   // of a chunk's length; in trailers, characters of the line
	line   int   // bytes of the line so far, or of all trailers
	excess int64 // bytes of lines that were not fair
}

func (c *chunks) done() bool { return c.part == chunksEnd }

// feed returns what comes after the body, and how many bytes of the body came.
func (c *chunks) feed(data []byte) (rest []byte, body int64, err error) {
	for len(data) > 0 && c.part != chunksEnd {
		if c.part == content {
			some := min(c.left, int64(len(data)))
			body, c.left, data = body+some, c.left-some, data[some:]
			if c.left == 0 {
				c.part, c.line = contentEnd, 0
			}
			continue
		}
		if err := c.byte(data[0]); err != nil {
			return nil, body, err
		}
		data = data[1:]
	}
	return data, body, nil
}

// byte is one that is not of the body.
func (c *chunks) byte(one byte) error {
	if c.line++; c.line > mostOfALine {
		if c.part == trailer {
			return errTrailer
		}
		return errLine
	}
	switch c.part {
	case size, extension:
		return c.sized(one)
	case contentEnd:
		switch {
		case one == '\n':
			*c = chunks{excess: c.excess}
		case one != '\r' || c.line > 1:
			return errChunks
		}
	case trailer:
		switch one {
		case '\r':
		case '\n':
			if c.digits == 0 {
				c.part = chunksEnd
			}
			c.digits = 0
		default:
			c.digits++
		}
	}
	return nil
}

func (c *chunks) sized(one byte) error {
	switch {
	case one == '\n' && c.digits == 0:
		return errors.New("empty hex number for chunk length")
	case one == '\n':
		c.excess = max(0, c.excess+int64(c.line)+2-fairOverhead-2*c.left)
		if c.excess > mostOverhead {
			return errOverhead
		}
		if c.part = content; c.left == 0 {
			c.part, c.line, c.digits = trailer, 0, 0
		}
	case c.part == extension:
	case one == ';' || one == '\r' || one == ' ' || one == '\t':
		c.part = extension
	case !isHex(one):
		return errDigit
	case c.digits == 15:
		return errLength
	default:
		c.digits++
		c.left = c.left<<4 | int64(value(one))
	}
	return nil
}

func value(digit byte) byte {
	if digit <= '9' {
		return digit - '0'
	}
	return digit&7 + 9
}
