package main

import "errors"

const mostOfALine = 4096 // bytes of a chunk's line or a trailer, as of Go's own reader

var (
	errChunks = errors.New("malformed chunked encoding")
	errDigit  = errors.New("invalid byte in chunk length")
	errLength = errors.New("http chunk length too large")
	errLine   = errors.New("header line too long")
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
	digits int
	line   int // bytes of the line so far, without its end
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
		return errLine
	}
	switch c.part {
	case size, extension:
		return c.sized(one)
	case contentEnd:
		switch {
		case one == '\n':
			*c = chunks{}
		case one != '\r' || c.line > 1:
			return errChunks
		}
	case trailer:
		switch one {
		case '\r':
			c.line--
		case '\n':
			if c.line == 1 {
				c.part = chunksEnd
			}
			c.line = 0
		}
	}
	return nil
}

func (c *chunks) sized(one byte) error {
	switch {
	case one == '\n' && c.digits == 0:
		return errors.New("empty hex number for chunk length")
	case one == '\n' && c.left == 0:
		c.part, c.line = trailer, 0
	case one == '\n':
		c.part = content
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
