package main

import (
	"bufio"
	"errors"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"testing"
)

// Go's own parser is the oracle: whatever pieces a response comes in, it means what Go says it means.
func TestAResponseInAnyPiecesIsWhatGoTakesItFor(t *testing.T) {
	chance := rand.New(rand.NewSource(1))
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\ncontent-length:5\r\nConnection: Close\r\n\r\nhello",
		"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
		"HTTP/1.1 404 Not Found\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0010;x=y\r\n0123456789abcdef\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n3\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
		"HTTP/1.1 200 OK\r\n\r\nuntil it is closed",
		"HTTP/1.0 200 OK\r\n\r\nuntil it is closed",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nBad Header: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\na\r\n", 9),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 9000) + "0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 1000) + "\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 500) + "\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"<html>",
		"",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			wanted := byGo(text, method)
			for range 50 {
				if got := inPieces(text, method, chance); got != wanted {
					t.Fatalf("%s %q became %+v, and Go says %+v", method, text, got, wanted)
				}
			}
		}
	}
}

type understood struct {
	status  int
	bytes   int64
	failed  string
	another bool // request can be sent over it
}

func byGo(text, method string) understood {
	reader := bufio.NewReader(strings.NewReader(text))
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		return understood{failed: asTold(err)}
	}
	bytes, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return understood{failed: asTold(err), bytes: bytes}
	}
	_, rest := reader.Peek(1)
	return understood{response.StatusCode, bytes, "", !response.Close && rest != nil}
}

func asTold(err error) string {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err.Error()
}

func inPieces(text, method string, chance *rand.Rand) understood {
	r := &response{}
	r.begin(method, chance.Intn(2) == 0, false)
	for data := []byte(text); len(data) > 0; {
		some := 1 + chance.Intn(len(data))
		if chance.Intn(3) == 0 {
			some = 1
		}
		if _, err := r.feed(data[:some]); err != nil {
			return understood{failed: asTold(err), bytes: r.bytes}
		}
		data = data[some:]
	}
	if r.phase != whole {
		if err := r.ended(); err != nil {
			return understood{failed: asTold(err), bytes: r.bytes}
		}
	}
	return understood{r.framing.status, r.bytes, "", r.again()}
}

func TestWhatOnlyAnnouncesTheResponseIsPassedOver(t *testing.T) {
	text := "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	chance := rand.New(rand.NewSource(1))
	for range 200 {
		if got := inPieces(text, "GET", chance); got != (understood{200, 2, "", true}) {
			t.Fatalf("%+v", got)
		}
	}
}

func TestAnEndlessHeadInDropsIsNotReadAgainForEachOfThem(t *testing.T) {
	r := &response{}
	r.begin("GET", false, false)
	var err error
	for _, one := range []byte("HTTP/2.0 200 OK\r\nX: " + strings.Repeat("x", mostHeaders)) {
		if _, err = r.feed([]byte{one}); err != nil {
			break
		}
	}
	if !errors.Is(err, errHeaders) {
		t.Error(err)
	}
}

func TestAnnouncementsWithoutAnEndAreAFailure(t *testing.T) {
	early := "HTTP/1.1 103 Early Hints\r\n\r\n"
	chance := rand.New(rand.NewSource(1))
	for many, want := range map[int]string{mostAnnounced: "", mostAnnounced + 1: errAnnounced.Error()} {
		text := strings.Repeat(early, many) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		if got := inPieces(text, "GET", chance); got.failed != want {
			t.Errorf("%d of them: %+v", many, got)
		}
	}
	if got := outcomeOf(0, errAnnounced, errAnnounced.Error()); got.rc != "BadStatusLine" {
		t.Error(got)
	}
}

func TestMoreThanTheResponseEndsAConnection(t *testing.T) {
	r := &response{}
	r.begin("GET", false, false)
	if _, err := r.feed([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")); err != nil || r.bytes != 2 || r.again() {
		t.Errorf("%v, %d bytes, and it is used again: %v", err, r.bytes, r.again())
	}
}
