package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBodiesAreWhatTheSuiteDescribes(t *testing.T) {
	photo := filepath.Join(t.TempDir(), "photo.png")
	if err := os.WriteFile(photo, []byte("PNG"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct{ request, wanted string }{
		{`"method": "POST", "body": "a ${x}"`, "POST /  a b&c"},
		{`"method": "POST", "body_bytes": "JHt4fQ=="`, "POST /  ${x}"},
		{`"method": "POST", "form": [["a", "${x}"], ["${x}", "ü "]]`, "POST / " + formType + " a=b%26c&b%26c=%C3%BC+"},
		{`"method": "GET", "form": [["a", "${x}"]]`, "GET /?a=b%26c "},
		{`"method": "PUT", "files": [{"param": "", "path": "PHOTO", "mime": "image/png"}]`, "PUT / image/png PNG"},
		{`"method": "POST", "headers": [["content-type", "application/json"]], "form": [["a", "b"]]`,
			"POST / application/json a=b"},
	} {
		w := witnessing(t, "Content-Type", nil)
		walkBy(t, w.URL, `[{"do": "set", "variables": [["x", "b&c"]]}, {"do": "request", "label": "r", "url": "/", `+
			strings.ReplaceAll(one.request, "PHOTO", photo)+`}]`, once1)
		w.expect(t, one.wanted)
	}
}

func TestFilesAndFieldsAreMultipart(t *testing.T) {
	photo := filepath.Join(t.TempDir(), `a"b.png`)
	if err := os.WriteFile(photo, []byte("PNG\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 9)
	server := witnessingForms(t, got)
	for _, files := range []string{fmt.Sprintf(`, "files": [{"param": "photo", "path": %q, "mime": "image/png"}]`, photo), `, "multipart": true`} {
		walkBy(t, server, `[{"do": "request", "label": "r", "method": "POST", "url": "/", "form": [["a", "${__time()}"], ["b", "c"]],
			"headers": [["Content-Type", "multipart/form-data"]]`+files+`}]`, once1)
		text := <-got
		if !strings.Contains(text, "b=c ") || strings.Contains(text, "${") {
			t.Error(text)
		}
		if strings.Contains(files, "photo") && !strings.Contains(text, `photo=a"b.png image/png 5`) {
			t.Error(text)
		}
	}
}

func witnessingForms(t *testing.T, got chan<- string) string {
	w := witnessing(t, "", nil)
	w.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, in *http.Request) {
		text := ""
		if err := in.ParseMultipartForm(1 << 20); err != nil {
			text = err.Error()
		} else {
			for name, values := range in.MultipartForm.Value {
				text += name + "=" + values[0] + " "
			}
			for name, files := range in.MultipartForm.File {
				text += fmt.Sprintf("%s=%s %s %d", name, files[0].Filename, files[0].Header.Get("Content-Type"), files[0].Size)
			}
		}
		got <- text
	})
	return w.URL
}

func TestAddressesAreJoined(t *testing.T) {
	w := witnessing(t, "", nil)
	other := witnessing(t, "Authorization", nil)
	host := strings.TrimPrefix(other.URL, "http://")
	for _, one := range []struct {
		url, wanted string
		on          *witness
	}{
		{"", "GET /base/", w}, {"a", "GET /base/a", w}, {"/a?b#c", "GET /base/a?b", w}, {"?b", "GET /base?b", w},
		{"${path}", "GET /base/p%20q?r=%22", w}, {"${word}", "GET /base/w", w}, {"${other}/x", "GET /x ", other},
		{other.URL + "/${word}", "GET /w ", other}, {"http://u:p%20@" + host, "GET / Basic dTpwIA==", other},
		{"/é${word}|%41%", "GET /base/%C3%A9w%7C%41%25", w},
	} {
		w.seen, other.seen = nil, nil
		walkBy(t, w.URL+"/base/", fmt.Sprintf(`[{"do": "set", "variables": [["path", "/p q?r=\""], ["word", "w"],
			["other", %q]]}, {"do": "request", "label": "r", "method": "GET", "url": %q}]`, other.URL, one.url), once1)
		if one.on.expect(t, one.wanted); t.Failed() {
			t.Fatal(one.url)
		}
	}
}

func TestAJourneysHeadersAreDefaults(t *testing.T) {
	var got http.Header
	w := witnessing(t, "", func(_ http.ResponseWriter, in *http.Request) {
		got = in.Header.Clone()
		got.Set("Host", in.Host)
	})
	walkBy(t, w.URL, "", `{"model": "users", "traceparent": true, "users": {"count": 1, "iterations": 1}, "journeys": [{
		"address": "`+w.URL+`", "timeout_s": 5, "keepalive": true, "headers": [["accept", "a"], ["X-Own", "b"]], "steps":
		[{"do": "request", "label": "r", "method": "GET", "url": "/", "keepalive": false, "headers": [["Accept", "c"],
		["x-dynamic", " ${__time()}\n"], ["Host", "elsewhere"], ["Cookie", "k=${__threadNum}"], ["Content-Length", "9"]]}]}]}`)
	if got.Get("Accept") != "c" || got.Get("X-Own") != "b" || got.Get("Host") != "elsewhere" || got.Get("Cookie") != "k=1" ||
		len(got.Get("X-Dynamic")) != 13 || got.Get("User-Agent") != userAgent || len(got["Accept"]) != 1 {
		t.Errorf("%v", got)
	}
	traced := got.Get("Traceparent")
	walkBy(t, strings.Replace(w.URL, "//", "//u:p@", 1), `[{"do": "request", "label": "r", "method": "GET", "url": "/",
		"headers": [["Authorization", "Bearer ${__threadNum}"]]}]`, once1)
	if all := got["Authorization"]; len(all) != 1 || all[0] != "Bearer 1" {
		t.Error("the suite's own header is the only one", all)
	}
	if trace := traced; len(trace) != len(noTrace) || trace == noTrace {
		t.Error(trace)
	}
}

func TestValuesCannotChangeTheRequestAroundThem(t *testing.T) {
	w := witnessing(t, "X-Own", nil)
	got := walkBy(t, w.URL, fmt.Sprintf(`[{"do": "set", "variables": [["x", "a\r\nX-Own: evil\r\n\r\nGET /evil HTTP/1.1\r\n"]]},
		{"do": "request", "label": "path", "method": "GET", "url": "/${x}"},
		{"do": "request", "label": "header", "method": "GET", "url": "/h", "headers": [["X-Own", "${x}"]]},
		{"do": "request", "label": "method", "method": "${x}", "url": "/m"},
		{"do": "request", "label": "host", "method": "GET", "url": "http://${x}/"},
		{"do": "request", "label": "host", "method": "GET", "url": "%s/", "headers": [["Host", "${x}"]]}]`, w.URL), once1)
	seen := w.requests()
	if len(seen) != 2 || strings.Contains(seen[0], " evil") || seen[1] != "GET /h a  X-Own: evil    GET /evil HTTP/1.1" {
		t.Errorf("%q", seen)
	}
	if method, host := got.of("method")[0], got.of("host")[0]; method.ok || host.ok {
		t.Errorf("%+v %+v", method, host)
	}
}
