package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/textproto"
)

// The limits of net/http's own reader, in bytes.
const (
	maxChunkLine     = 4096     // the line before a chunk, or all trailers
	maxChunkOverhead = 16 << 10 // chunk lines beyond the fair overhead
	fairOverhead     = 16       // bytes that a chunk line may have, beside twice as many as the chunk
)

var (
	errChunkEnd      = errors.New("malformed chunked encoding")
	errBareLF        = errors.New("chunked line ends with bare LF")
	errInnerCR       = errors.New("invalid CR in chunked line")
	errNoDigits      = errors.New("empty hex number for chunk length")
	errNotHex        = errors.New("invalid byte in chunk length")
	errChunkTooLong  = errors.New("http chunk length too large")
	errLineTooLong   = errors.New("header line too long")
	errTrailerTooBig = errors.New("http: suspiciously long trailer after chunked body")
	errOverhead      = errors.New("chunked encoding contains too much non-data")
)

type chunkPart int

const (
	chunkLine    chunkPart = iota // the length of the next chunk and its extensions
	chunkData                     // the chunk
	chunkDataEnd                  // CR LF after it
	chunkTrailer                  // header lines after the last chunk, up to an empty one
	chunksDone
)

// chunks decodes a body in chunks piece by piece, with the rules of net/http. It counts the bytes and keeps none.
type chunks struct {
	part    chunkPart
	left    uint64 // bytes of the chunk still to come
	pending []byte // an incomplete line
	excess  int64  // bytes of chunk lines beyond the fair overhead
}

func (c *chunks) done() bool { return c.part == chunksDone }

// feed returns the bytes after the body and the number of bytes that belong to the body.
func (c *chunks) feed(data []byte) (rest []byte, body int64, err error) {
	for len(data) > 0 && err == nil && c.part != chunksDone {
		switch c.part {
		case chunkData:
			n := min(c.left, uint64(len(data)))
			body, c.left, data = body+int64(n), c.left-n, data[n:]
			if c.left == 0 {
				c.part = chunkDataEnd
			}
		case chunkLine:
			var line []byte
			if line, data, err = c.line(data); line != nil {
				err = c.startChunk(line)
			}
		case chunkDataEnd:
			c.pending, data = append(c.pending, data[0]), data[1:]
			err = c.endChunk()
		case chunkTrailer:
			c.pending, data = append(c.pending, data[0]), data[1:]
			if unread, failed := c.endTrailer(); failed != nil || len(unread) > 0 {
				return unread, body, failed
			}
		}
	}
	return data, body, err
}

// line returns the line that begins in data or in an earlier piece; nil if it is incomplete.
func (c *chunks) line(data []byte) (line, rest []byte, err error) {
	end := bytes.IndexByte(data[:min(len(data), maxChunkLine)], '\n') + 1
	switch {
	case end == 0 && len(c.pending)+len(data) >= maxChunkLine, len(c.pending)+end > maxChunkLine:
		return nil, nil, errLineTooLong
	case end == 0:
		c.pending = append(c.pending, data...)
		return nil, nil, nil
	case len(c.pending) == 0:
		return data[:end], data[end:], nil
	}
	line = append(c.pending, data[:end]...)
	c.pending = line[:0]
	return line, data[end:], nil
}

func (c *chunks) startChunk(line []byte) error {
	switch at := bytes.IndexByte(line, '\r'); {
	case at < 0:
		return errBareLF
	case at != len(line)-2:
		return errInnerCR
	}
	line = line[:len(line)-2]
	length, err := chunkLength(line)
	if err != nil {
		return err
	}
	if length == 0 {
		c.part = chunkTrailer
		return nil
	}
	c.excess = max(0, c.excess+int64(len(line))+2-fairOverhead-2*int64(length))
	if c.excess > maxChunkOverhead {
		return errOverhead
	}
	c.part, c.left = chunkData, length
	return nil
}

func (c *chunks) endChunk() error {
	switch {
	case len(c.pending) < 2:
		return nil
	case string(c.pending) != "\r\n":
		return errChunkEnd
	}
	c.part, c.pending = chunkLine, c.pending[:0]
	return nil
}

// endTrailer leaves header lines to Go's parser. Usually there are none. It returns bytes that the parser did not use.
func (c *chunks) endTrailer() (unread []byte, err error) {
	switch {
	case string(c.pending) == "\r\n":
		c.part = chunksDone
		return nil, nil
	case !bytes.HasSuffix(c.pending, []byte("\r\n\r\n")):
		if len(c.pending) == maxChunkLine {
			err = errTrailerTooBig
		}
		return nil, err
	}
	c.part = chunksDone
	reader := bufio.NewReaderSize(bytes.NewReader(c.pending), maxChunkLine)
	if _, err := textproto.NewReader(reader).ReadMIMEHeader(); err != nil {
		return nil, err
	}
	unread, _ = reader.Peek(reader.Buffered())
	return unread, nil
}

func chunkLength(line []byte) (length uint64, err error) {
	digits, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte(";"))
	for i, digit := range digits {
		switch {
		case !isHex(digit):
			return 0, errNotHex
		case i == 16:
			return 0, errChunkTooLong
		}
		length = length<<4 | uint64(hexValue(digit))
	}
	if len(digits) == 0 {
		return 0, errNoDigits
	}
	return length, nil
}

func hexValue(digit byte) byte {
	if digit <= '9' {
		return digit - '0'
	}
	return digit&7 + 9
}
