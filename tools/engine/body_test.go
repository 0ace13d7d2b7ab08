package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// coded returns a text in a content coding.
func coded(t *testing.T, coding, text string) string {
	t.Helper()
	var found bytes.Buffer
	writer := map[string]func() io.WriteCloser{
		"gzip": func() io.WriteCloser { return gzip.NewWriter(&found) },
		"br":   func() io.WriteCloser { return brotli.NewWriter(&found) },
		"zlib": func() io.WriteCloser { return zlib.NewWriter(&found) },
		"raw": func() io.WriteCloser {
			writer, _ := flate.NewWriter(&found, 1)
			return writer
		},
	}[coding]()
	if _, err := io.WriteString(writer, text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return found.String()
}

func TestBodiesBecomeText(t *testing.T) {
	d, text := &decoder{}, strings.Repeat("grüße, ", 1000)
	zipped, page := coded(t, "gzip", text), "<html><meta charset='iso-8859-1'>caf\xe9"
	for _, one := range []struct{ head, raw, want string }{
		{"", "plain", "plain"},
		{"", "caf\xe9", "caf\xe9"},
		{"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde"},
		{"transfer-encoding: Chunked\r\n", "3\r\nabc\r\n5\r\nde", "abcde"},
		{"Content-Encoding: gzip\r\n", zipped, text},
		{"Content-Encoding: x-gzip\r\n", zipped, text},
		{"Content-Encoding: identity\r\n", text, text},
		{"Content-Encoding: br\r\n", coded(t, "br", text), text},
		{"Content-Encoding: deflate\r\n", coded(t, "zlib", text), text},
		{"Content-Encoding: Deflate\r\n", coded(t, "raw", text), text},
		{"Content-Encoding: gzip, br\r\n", coded(t, "br", zipped), text},
		{"Content-Encoding: gzip\r\n", "", ""},
		{
			"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n",
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(zipped), zipped), text,
		},
		{"Content-Type: text/plain;charset=iso-8859-1\r\n", "caf\xe9 \x80", "café \u0080"},
		{"Content-Type: text/plain; Charset=\"windows-1252\"\r\n", "\x80", "€"},
		{"Content-Type: text/plain; charset=Shift_JIS\r\n", "\x83\x65", "テ"},
		{"Content-Type: text/plain; charset=utf-16le\r\n", "a\x00\xe9\x00", "aé"},
		{"Content-Type: text/plain; charset=unknown\r\n", "caf\xe9", "caf\xe9"},
		{"Content-Type: text/html\r\n", page, "<html><meta charset='iso-8859-1'>café"},
		{"Content-Type: text/html; charset=utf-8\r\n", page, page},
		{"Content-Type: text/html\r\n", "<p>charset=iso-8859-1 caf\xe9", "<p>charset=iso-8859-1 caf\xe9"},
	} {
		head := "HTTP/1.1 200 OK\r\n" + one.head + "\r\n"
		for range 2 { // the memory of the first time is used again
			if got, err := d.decode([]byte(head), []byte(one.raw)); err != nil || string(got) != one.want {
				t.Errorf("%s%.40q became %.40q, not %.40q: %v", one.head, one.raw, got, one.want, err)
			}
		}
	}
	for _, coding := range []string{"gzip", "br", "deflate", "zstd"} {
		if _, err := d.decode([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: "+coding+"\r\n\r\n"), []byte("\xff\xffno such text")); err == nil {
			t.Errorf("%s: no error", coding)
		}
	}
}

func TestABodyWithoutCodingIsNotCopied(t *testing.T) {
	d, raw := &decoder{}, []byte("{}")
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n")
	got, _ := d.decode(head, raw)
	if &got[0] != &raw[0] {
		t.Error("copied")
	}
}

func TestManyCodingsAreRefused(t *testing.T) {
	head := []byte("HTTP/1.1 200 OK\r\nContent-Encoding: " + strings.Repeat("gzip,", 6) + "\r\n\r\n")
	if _, err := new(decoder).decode(head, []byte("x")); err == nil || !strings.Contains(err.Error(), "codings") {
		t.Errorf("%v", err)
	}
}

func TestACodedBodyThatTheServiceCutsOffIsAnError(t *testing.T) {
	for name, coding := range map[string]string{"gzip": "gzip", "br": "br", "deflate": "zlib"} {
		head := []byte("HTTP/1.1 200 OK\r\nContent-Encoding: " + name + "\r\n\r\n")
		whole := coded(t, coding, strings.Repeat("lorem ipsum ", 50))
		if _, err := new(decoder).decode(head, []byte(whole[:len(whole)-12])); err == nil {
			t.Errorf("%s: no error", coding)
		}
	}
}

func TestADecompressedBodyIsBounded(t *testing.T) {
	zipped := coded(t, "gzip", strings.Repeat("\x00", bodyLimit+1))
	got, err := (&decoder{}).decode([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"), []byte(zipped))
	if err != nil || len(got) != bodyLimit {
		t.Error(len(got), err)
	}
}

// FuzzChunks compares with net/http what valid chunks contain, and that nothing else panics.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0010;x=y\r\n0123456789abcdef\r\n0\r\n\r\n"))
	f.Add([]byte("3\r\nab"))
	f.Add([]byte("ffffffffffffffff\r\nab"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := appendChunks(nil, raw)
		if want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw))); err == nil && !bytes.Equal(got, want) {
			t.Errorf("%q became %q, not %q", raw, got, want)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	d, text := &decoder{}, strings.Repeat(`{"id": 17, "name": "lamp"}, `, 200)
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(writer, text)
	_ = writer.Close()
	head := "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/json\r\nDate: today\r\n"
	for name, one := range map[string][2]string{"plain": {"", text}, "gzip": {"Content-Encoding: gzip\r\n", zipped.String()}} {
		b.Run(name, func(b *testing.B) {
			head, raw := []byte(head+one[0]+"\r\n"), []byte(one[1])
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.decode(head, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
