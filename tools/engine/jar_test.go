package main

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAUserKeepsItsCookies(t *testing.T) {
	answers := map[string]func(http.ResponseWriter, *http.Request){
		"/in":       saying(303, "", "Location", "/home", "Set-Cookie", "id=1; Path=/", "Set-Cookie", "old=2; Path=/"),
		"/home":     saying(200, "", "Set-Cookie", "old=; Max-Age=0; Path=/", "Set-Cookie", "deep=3; Path=/deep"),
		"/deep/one": saying(200, ""),
	}
	for _, one := range []struct {
		journey string
		wanted  []string
	}{
		{`"cookies": true`, []string{"GET /in ", "GET /home id=1; old=2", "GET /deep/one deep=3; id=1",
			"GET /in id=1", "GET /home id=1; old=2", "GET /deep/one deep=3; id=1"}},
		{`"cookies": true, "fresh_cookies": true`, []string{"GET /in ", "GET /home id=1; old=2", "GET /deep/one deep=3; id=1",
			"GET /in ", "GET /home id=1; old=2", "GET /deep/one deep=3; id=1"}},
		{`"cookies": false`, []string{"GET /in ", "GET /home ", "GET /deep/one ", "GET /in ", "GET /home ", "GET /deep/one "}},
	} {
		w := answeringBy(t, answers)
		walkBy(t, w.URL, `[`+get("/in")+`, `+get("/deep/one")+`]`,
			`{"model": "users", "users": {"count": 1, "iterations": 2}, "journeys": [{"address": "`+w.URL+`", `+one.journey+`,
			"timeout_s": 5, "keepalive": true, "follow_redirects": true}]}`)
		w.expect(t, one.wanted...)
	}
}

func TestACookieOfTheSuiteComesFirst(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){"/": saying(200, "", "Set-Cookie", "id=1")})
	walkBy(t, w.URL, `[`+get("/")+`, `+get("/a", `, "headers": [["cookie", "own=2"]]`)+`]`, once1)
	w.expect(t, "GET / ", "GET /a own=2; id=1")
}

func TestACookieOfTheSuiteFollowsARedirectOfItsHost(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){
		"/": saying(302, "", "Set-Cookie", "id=1; Path=/", "Location", "/there"),
	})
	walkBy(t, w.URL, `[`+get("/", `, "headers": [["cookie", "own=2"]]`)+`]`, once1)
	w.expect(t, "GET / own=2", "GET /there own=2; id=1")
}

func TestACookieOfTheSuiteIsSentOnceWithoutAJar(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){"/": saying(302, "", "Location", "/there")})
	walkBy(t, w.URL, `[`+get("/", `, "headers": [["cookie", "own=2"]]`)+`]`,
		`{"model": "users", "users": {"count": 1, "iterations": 1}, "journeys": [{"address": "`+w.URL+`", "cookies": false,
		"cache": true, "timeout_s": 5, "keepalive": true, "follow_redirects": true}]}`)
	w.expect(t, "GET / own=2", "GET /there own=2")
}

func TestCookiesDoNotDependOnTheCaseOfHosts(t *testing.T) {
	w := answeringBy(t, map[string]func(http.ResponseWriter, *http.Request){
		"/": saying(200, "", "Set-Cookie", "id=1; Domain=shop.example; Path=/"),
	})
	address := strings.TrimPrefix(w.URL, "http://")
	walkBy(t, "http://Shop.Example", `[`+get("/")+`, `+get("/a")+`]`,
		`{"model": "users", "users": {"count": 1, "iterations": 1}, "hosts": {"Shop.Example": "`+address+`"}}`)
	w.expect(t, "GET / ", "GET /a id=1")
}

func TestACachedResponseIsNotAskedForAgain(t *testing.T) {
	w := witnessing(t, "If-None-Match", func(out http.ResponseWriter, in *http.Request) {
		switch {
		case in.URL.Path == "/fresh":
			out.Header().Set("Cache-Control", "max-age=60")
		case in.Header.Get("If-None-Match") != "":
			out.WriteHeader(http.StatusNotModified)
		default:
			out.Header().Set("Etag", `"1"`)
		}
	})
	got := walkBy(t, w.URL, `[{"do": "loop", "times": 3, "steps": [`+get("/fresh")+`, `+get("/tagged")+`]}]`,
		`{"model": "users", "users": {"count": 1, "iterations": 2}, "journeys": [{"address": "`+w.URL+`", "cache": true,
		"timeout_s": 5, "keepalive": true}]}`)
	pass := []string{"GET /fresh ", "GET /tagged ", `GET /tagged "1"`, `GET /tagged "1"`}
	w.expect(t, append(slices.Clone(pass), pass...)...)
	if got.count("/fresh") != 2 || got.count("/tagged") != 6 || !got.samples[2].ok {
		t.Errorf("%+v", got.samples)
	}
}

func TestABodyThatIsReadIsAskedForInFull(t *testing.T) {
	w := witnessing(t, "If-None-Match", func(out http.ResponseWriter, in *http.Request) {
		out.Header().Set("Etag", `"1"`)
		if in.Header.Get("If-None-Match") != "" {
			out.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(out, "found")
	})
	checked := get("/", `, "assert": [{"kind": "contains", "subject": "body", "contains": ["found"]}]`)
	got := walkBy(t, w.URL, `[`+get("/")+`, `+checked+`, `+get("/")+`]`,
		`{"model": "users", "users": {"count": 1, "iterations": 1}, "journeys": [{"address": "`+w.URL+`", "cache": true,
		"timeout_s": 5, "keepalive": true}]}`)
	w.expect(t, "GET / ", "GET / ", `GET / "1"`)
	for _, sample := range got.samples {
		if !sample.ok {
			t.Errorf("%+v", sample)
		}
	}
}
