package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// answered serves each path's answer: an optional status and headers in front of the body.
func answeringBy(t *testing.T, answers map[string]func(http.ResponseWriter, *http.Request)) *witness {
	return witnessing(t, "Cookie", func(out http.ResponseWriter, in *http.Request) {
		if answer := answers[in.URL.Path]; answer != nil {
			answer(out, in)
		}
	})
}

func saying(status int, body string, headers ...string) func(http.ResponseWriter, *http.Request) {
	return func(out http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			out.Header().Add(headers[i], headers[i+1])
		}
		out.WriteHeader(status)
		_, _ = io.WriteString(out, body)
	}
}

func TestAValueIsCarried(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){
		"/": saying(200, `{"id": "47", "tokens": ["a b"]}`), "/wrong": saying(500, `{"id": "48"}`),
	})
	extract := func(name, path, fallback string) string {
		return fmt.Sprintf(`{"kind": "jsonpath", "name": %q, "expression": %q, "default": %s, "match": 1}`, name, path, fallback)
	}
	got := walkBy(t, w.URL, `[`+get("/", `, "extract": [`+extract("id", "$.id", `"NOT_FOUND"`)+`, `+
		extract("token", "$.tokens[0]", `"NOT_FOUND"`)+`, `+extract("none", "$.none", `"NOT_FOUND"`)+`], "needed": ["none"]`)+`,
		`+get("/${id}/${token}/${none}/${never}")+`, `+get("/wrong", `, "extract": [`+extract("id", "$.id", "null")+`]`)+`,
		`+get("/last/${id}")+`]`, once1)
	w.expect(t, "GET / ", "GET /47/a%20b/NOT_FOUND/$%7Bnever%7D ", "GET /wrong ", "GET /last/48 ")
	if missing := fmt.Sprint(got.facts["missing_values"]); missing != "[[/ none 1]]" {
		t.Error(missing)
	}
	if !got.samples[0].ok || got.samples[2].ok || got.samples[2].message != "500 Internal Server Error" {
		t.Errorf("%+v", got.samples)
	}
}

func TestAResponseWithoutANeededValueMayFail(t *testing.T) {
	w := witnessing(t, "", nil)
	got := walkBy(t, w.URL, `[`+get("/", `, "needed": ["id"], "extract": [{"kind": "regexp", "name": "id", "expression": "a(b)",
		"default": "NOT_FOUND", "match": 1}]`)+`]`,
		`{"model": "users", "require_values": true, "users": {"count": 1, "iterations": 1}}`)
	if one := got.samples[0]; one.ok || one.rc != "200" || one.message != "extractor id found nothing" || got.facts["missing_values"] != nil {
		t.Errorf("%+v %v", one, got.facts)
	}
}

func TestAssertionsJudgeResponses(t *testing.T) {
	contains := func(subject, text string, not bool) string {
		return fmt.Sprintf(`{"kind": "contains", "subject": %q, "contains": [%q], "regexp": true, "not": %v}`, subject, text, not)
	}
	for _, one := range []struct {
		path, more string
		ok         bool
	}{
		{"/", `"assert": [` + contains("body", "w[elc]+ome", false) + `]`, true},
		{"/", `"assert": [` + contains("body", "w[elc]+ome", true) + `]`, false},
		{"/", `"assert": [` + contains("headers", "X-Own: a", false) + `]`, true},
		{"/", `"assert": [` + contains("body", "bye", false) + `, ` + contains("body", "welcome", false) + `]`, false},
		{"/missing", ``, false},
		{"/missing", `"judges_status": true, "assert": [` + contains("http-code", "404", false) + `]`, true},
		{"/missing", `"judges_status": true, "assert": [` + contains("http-code", "2..", false) + `]`, false},
		{"/missing", `"assert": [` + contains("body", "gone", false) + `]`, false},
	} {
		w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){
			"/": saying(200, "welcome", "X-Own", "a"), "/missing": saying(404, "gone"),
		})
		more := one.more
		if more != "" {
			more = ", " + more
		}
		got := walkBy(t, w.URL, `[`+get(one.path, more)+`]`, once1)
		if sample := got.samples[0]; sample.ok != one.ok || sample.ok != (sample.message == "") {
			t.Errorf("%s %s: %+v", one.path, one.more, sample)
		}
	}
}

func TestRedirectsAreFollowedUnlessTheSuiteSaysNo(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){
		"/": saying(302, "", "Location", "/there"), "/round": saying(307, "", "Location", "/round"),
	})
	got := walkBy(t, w.URL, `[`+get("/")+`, `+get("/", `, "follow_redirects": false`)+`, `+get("/round")+`]`, once1)
	seen := w.requests()
	if !slices.Equal(seen[:3], []string{"GET / ", "GET /there ", "GET / "}) || len(seen) != 3+11 {
		t.Errorf("%v", seen)
	}
	if got.samples[0].rc != "200" || got.samples[1].rc != "302" || got.samples[2].rc != "TooManyRedirects" {
		t.Errorf("%+v", got.samples)
	}
}

func TestARequestHasItsOwnTimeout(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){
		"/": func(_ http.ResponseWriter, in *http.Request) { <-in.Context().Done() },
	})
	got := walkBy(t, w.URL, `[`+get("/", `, "timeout_s": 0.1`)+`, `+get("/a")+`]`, once1)
	if one := got.samples[0]; one.rc != "TimeoutError" || one.response < 100_000 || one.response > 2_000_000 || !got.samples[1].ok {
		t.Errorf("%+v", got.samples)
	}
}

func TestWhatASessionDidIsKept(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){"/": saying(200, `{"id": "47"}`)})
	steps := `[` + get("/", `, "extract": [{"kind": "jsonpath", "name": "id", "expression": "$.id", "default": "", "match": 1}],
		"assert": [{"kind": "contains", "subject": "body", "contains": ["47", "more"], "regexp": false}]`) + `, ` + get("/${id}") + `]`
	for _, everything := range []bool{false, true} {
		l := loadOf(t, w.URL, steps, once1)
		l.Keep = &keeping{Failures: 3, Body: 4096, MostBody: 16384, Everything: everything, Path: filepath.Join(t.TempDir(), "exchanges")}
		l.Tried = everything
		go openGate(t.Context(), l.Folder)
		if err := run(l); err != nil {
			t.Fatal(err)
		}
		got := keptLines(t, l.Keep.Path)
		if everything != (len(got) == 2) || len(got) == 0 {
			t.Fatalf("%+v", got)
		}
		one := got[0]
		if one.OK || one.Rc != "200" || string(one.Response) != `{"id": "47"}` || one.URL != w.URL+"/" || len(one.Asserted) != 1 ||
			one.Asserted[0].OK || one.Asserted[0].Name != "body" || !strings.Contains(one.Asserted[0].Expected, "more") || one.Asserted[0].Message != one.Error {
			t.Errorf("%+v", one)
		}
		if everything != slices.Contains(one.Variables, [2]string{"id", "47"}) {
			t.Errorf("%v", one.Variables)
		}
	}
}

func TestUsersGoOverHTTP2AsOverHTTP1(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var protocols []string
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
			protocols = append(protocols, in.Proto)
			if in.URL.Path == "/in" {
				http.SetCookie(out, &http.Cookie{Name: "id", Value: "1"})
				http.Redirect(out, in, "/home", http.StatusSeeOther)
				return
			}
			_, _ = fmt.Fprintf(out, `{"path": %q, "cookie": %q}`, in.URL.Path, in.Header.Get("Cookie"))
		}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		got := walkBy(t, server.URL, `[{"do": "request", "label": "in", "method": "POST", "url": "/in", "form": [["a", "b"]],
			"extract": [{"kind": "jsonpath", "name": "path", "expression": "$.path", "default": "", "match": 1}]},
			`+get("/then${path}", `, "assert": [{"kind": "contains", "subject": "body", "contains": ["then/home", "id=1"],
			"regexp": false}]`)+`]`, fmt.Sprintf(`{"model": "users", "http2": %v, "insecure": true, "users": {"count": 1, "iterations": 2}}`, http2))
		server.Close()
		wanted := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]
		if len(protocols) != 6 || protocols[0] != wanted || len(got.samples) != 4 {
			t.Fatalf("%v %+v", protocols, got.samples)
		}
		for i, one := range got.samples {
			if !one.ok || (one.connect >= 0) != (i == 0) {
				t.Errorf("%s: %+v", wanted, one)
			}
		}
	}
}
