package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"testing"
)

const earlyHints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

// Responses in usual, unusual and invalid forms: test cases, and the seeds of the fuzz test.
var responses = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\ncontent-length:5\r\nConnection: Close\r\n\r\nhello",
	"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
	"HTTP/1.1 200\rOK\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 404 Not Found\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0010;x=y\r\n0123456789abcdef\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \t\r\nabc\r\n3 ;x\r\nabc\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r;\r\nabc\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nabc",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno header\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\nZ: z\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0;" + strings.Repeat("x", 4093) + "\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0;" + strings.Repeat("x", 4092) + "\r\n\r\n",
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
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
	"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
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
	earlyHints + "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	strings.Repeat(earlyHints, maxInformational) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	strings.Repeat(earlyHints, maxInformational+1) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
	"SSH-2.0-OpenSSH_9.2\r\n",
	"<html>",
	"",
}

var methods = []string{http.MethodGet, http.MethodHead}

// parsed is the outcome of one response.
type parsed struct {
	status   int
	bytes    int64
	body     string // as captured and decoded
	failure  string // the response code of the sample
	reusable bool   // the connection may carry another request
}

func TestResponsesInAnyPiecesMeanWhatNetHTTPSays(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for _, text := range responses {
		for _, method := range methods {
			want := byNetHTTP([]byte(text), method)
			for range 50 {
				if got := inPieces([]byte(text), method, random); got != want {
					t.Fatalf("%s %q is %+v; net/http says %+v", method, text, got, want)
				}
			}
		}
	}
}

// FuzzResponse searches for a response that this parser and net/http understand differently: `make fuzz`.
func FuzzResponse(f *testing.F) {
	for seed, text := range responses {
		for _, method := range methods {
			f.Add([]byte(text), method == http.MethodHead, int64(seed))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool, seed int64) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		want := byNetHTTP(data, method)
		if got := inPieces(data, method, rand.New(rand.NewSource(seed))); got != want {
			t.Errorf("%s %q is %+v; net/http says %+v", method, data, got, want)
		}
	})
}

// byNetHTTP reads a response as net/http's transport does.
func byNetHTTP(data []byte, method string) parsed {
	reader := bufio.NewReader(bytes.NewReader(data))
	for info := 0; ; info++ {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return failed(err, 0)
		}
		status := response.StatusCode
		if status/100 == 1 && status != http.StatusSwitchingProtocols {
			if info == maxInformational {
				return failed(errManyInformational, 0)
			}
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return failed(err, int64(len(body)))
		}
		_, end := reader.Peek(1)
		return parsed{status, int64(len(body)), string(body), "", !response.Close && end != nil && status != http.StatusSwitchingProtocols}
	}
}

func inPieces(data []byte, method string, random *rand.Rand) parsed {
	r := &response{}
	r.reset(method)
	var head, body []byte
	for len(data) > 0 {
		length := 1 + random.Intn(len(data))
		if random.Intn(3) == 0 {
			length = 1
		}
		piece, ended := bytes.Clone(data[:length]), r.phase == complete
		headDone, err := r.feed(piece)
		if err != nil {
			return failed(err, r.bodyBytes)
		}
		if headDone { // as loop.read does
			if r.room = bodyLimit; r.phase != complete {
				r.copyHead(nil)
			}
		} else if r.room > 0 && !ended {
			r.copyMore(piece)
		}
		if r.phase == complete && !ended {
			head, body = r.parts()
		}
		data = data[length:]
	}
	if r.phase != complete {
		if err := r.closed(); err != nil {
			return failed(err, r.bodyBytes)
		}
		head, body = r.parts()
	}
	if r.framing.chunked {
		body = appendChunks(nil, body)
	}
	if len(head) == 0 || endOfHead(head, 0) != len(head) {
		return parsed{body: "the captured head is incomplete"}
	}
	return parsed{r.framing.status, r.bodyBytes, string(body), "", r.reusable()}
}

func failed(err error, bytes int64) parsed {
	// Where the data ends within trailers, net/http says that the trailers are too long.
	if err.Error() == errTrailerTooBig.Error() {
		err = io.ErrUnexpectedEOF
	}
	return parsed{failure: outcomeOf(0, err).rc, bytes: bytes}
}

func TestMoreThanFiveInformationalResponsesAreAFailure(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for many, want := range map[int]parsed{
		maxInformational:     {status: 200, reusable: true},
		maxInformational + 1: {failure: "BadStatusLine"},
	} {
		text := strings.Repeat(earlyHints, many) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		if got := inPieces([]byte(text), "GET", random); got != want {
			t.Errorf("%d of them: %+v", many, got)
		}
	}
}

func TestInformationalResponsesAreNotCopied(t *testing.T) {
	data := []byte(strings.Repeat(earlyHints, maxInformational) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	r := &response{}
	if allocations := testing.AllocsPerRun(100, func() {
		r.reset("GET")
		if _, err := r.feed(data); err != nil || !r.reusable() {
			t.Error(err, r.phase)
		}
	}); allocations > 0 {
		t.Errorf("%.0f allocations", allocations)
	}
}

func TestAnEndlessHeadInSmallPiecesIsScannedOnce(t *testing.T) {
	r := &response{}
	r.reset("GET")
	var err error
	for _, one := range []byte(earlyHints + "HTTP/2.0 200 OK\r\nX: " + strings.Repeat("x", maxHeadBytes)) {
		if _, err = r.feed([]byte{one}); err != nil {
			break
		}
	}
	if !errors.Is(err, errHeadTooLong) {
		t.Error(err)
	}
}

func TestBytesAfterTheResponseEndTheConnection(t *testing.T) {
	r := &response{}
	r.reset("GET")
	data := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")
	if _, err := r.feed(data); err != nil || r.bodyBytes != 2 || r.reusable() {
		t.Errorf("%v, %d bytes, reusable: %v", err, r.bodyBytes, r.reusable())
	}
}
