package cookie

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"
)

var now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// after returns what is sent to an address after another one has set cookies.
func after(setBy, askedBy string, cookies ...string) string {
	var j Jar
	from, _ := url.Parse(setBy)
	for _, set := range cookies {
		j.Store(from.Hostname(), from.Path, from.Scheme == "https", []byte(set), now)
	}
	to, _ := url.Parse(askedBy)
	return string(j.AppendHeader(nil, to.Hostname(), to.Path, to.Scheme == "https", now))
}

func TestCookiesGoWhereTheyMay(t *testing.T) {
	for _, c := range [][]string{ // set by, asked by, sent, set
		{"http://a.shop.example/x/y", "http://a.shop.example/x/z", "a=1; b=2", "a=1", "b=2"},
		{"http://a.shop.example/x/y", "http://a.shop.example/", "", "a=1"},
		{"http://a.shop.example/x/y", "http://a.shop.example/xy", "", "a=1"},
		{"http://a.shop.example/x/y", "http://a.shop.example/x", "a=1", "a=1"},
		{"http://a.shop.example/x/y", "http://b.shop.example/", "a=1", "a=1; Domain=shop.example; Path=/"},
		{"http://a.shop.example/", "http://b.shop.example/", "", "a=1", "b=1; domain=a.shop.example"},
		{"http://a.shop.example/", "http://x.a.shop.example/", "b=1", "a=1", "b=1; domain=.A.shop.example"},
		{"http://a.shop.example/", "http://a.shop.example/", "", "a=1; Domain=b.shop.example", "b=1; domain=example", "c=2; domain=hop.example"},
		{"http://shop.github.io/", "http://other.github.io/", "", "a=1; Domain=github.io"},
		{"http://localhost/", "http://localhost/", "a=1", "a=1; Domain=localhost"},
		{"http://127.0.0.1:80/", "http://127.0.0.1/", "a=1", "a=1; Domain=127.0.0.1", "b=1; Domain=0.0.1"},
		{"http://s.example/", "http://s.example/", "", "a=1; Secure"},
		{"https://s.example/", "https://s.example/", "a=1", "a=1; secure"},
		{"http://s.example/a/b", "http://s.example/a/b/c", "c=3; b=2; a=1", "a=1; Path=/", "b=2; Path=/a", "c=3; Path=/a/b"},
		{"http://s.example/", "http://s.example/", "a=2", "a=1", "a=2"},
		{"http://s.example/", "http://s.example/", "b=2", "a=1", "b=2", "a=; Max-Age=0"},
		{"http://s.example/", "http://s.example/", "", "a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"},
		{"http://s.example/", "http://s.example/", "", "a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00"},
		{"http://s.example/", "http://s.example/", "", "a=1", "a=; Expires=Thursday, 01-Jan-1970 00:00:00 GMT"},
		{"http://s.example/", "http://s.example/", "a=1", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9"},
		{"http://s.example/", "http://s.example/", "a=1; b=2", "a=1; Max-Age=99999999999999999999", "b=2; Max-Age=x"},
		{"http://s.example/", "http://s.example/", `a="x y"; b=1=2; c=`, `a="x y"`, " b = 1=2 ", "c="},
		{"http://s.example/", "http://s.example/", "", "", "=1", "a", "a\x01=1", strings.Repeat("a", 5000) + "=1"},
		{"http://s.example", "http://s.example", "a=1", "a=1; Path=x; SameSite=Lax; HttpOnly"},
	} {
		if got := after(c[0], c[1], c[3:]...); got != c[2] {
			t.Errorf("%v: %q", c, got)
		}
	}
}

func TestACookieExpires(t *testing.T) {
	var j Jar
	j.Store("s.example", "/", false, []byte("a=1; Max-Age=10"), now)
	j.Store("s.example", "/", false, []byte("b=2"), now)
	if got := string(j.AppendHeader(nil, "s.example", "/", false, now.Add(9*time.Second))); got != "a=1; b=2" {
		t.Error(got)
	}
	if got := string(j.AppendHeader(nil, "s.example", "/", false, now.Add(10*time.Second))); got != "b=2" {
		t.Error(got)
	}
	j.Clear()
	if got := j.AppendHeader(nil, "s.example", "/", false, now); len(got) > 0 {
		t.Error(got)
	}
}

func TestAServiceCannotFillTheMemory(t *testing.T) {
	var j Jar
	for i := range 1000 {
		j.Store("s.example", "/", false, fmt.Appendf(nil, "a%d=1", i), now)
	}
	if len(j.cookies) != mostOfADomain {
		t.Errorf("%d cookies are kept of one domain", len(j.cookies))
	}
	for i := range 2 * mostCookies {
		j.Store(fmt.Sprintf("s%d.example", i), "/", false, []byte("a=1"), now)
	}
	if newest := j.AppendHeader(nil, fmt.Sprintf("s%d.example", 2*mostCookies-1), "/", false, now); len(j.cookies) != mostCookies || string(newest) != "a=1" {
		t.Errorf("%d cookies are kept, of the newest domain %q", len(j.cookies), newest)
	}
}

func TestDates(t *testing.T) {
	want := time.Date(2027, 11, 9, 8, 49, 37, 0, time.UTC)
	for _, text := range []string{
		"Tue, 09 Nov 2027 08:49:37 GMT", "Tue, 09-Nov-2027 08:49:37 GMT", "Tuesday, 09-Nov-27 08:49:37 GMT",
		"Tue Nov  9 08:49:37 2027", "Tue, 9-nov-27 08:49:37 GMT",
	} {
		if got, ok := parseDate([]byte(text)); !ok || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "tomorrow", "Tue, 31 Feb 2027 08:49:37 GMT", "Tue, 09 Nov 2027 24:00:00 GMT", "09 Nov 2027"} {
		if got, ok := parseDate([]byte(text)); ok {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestItDoesWhatGosJarDoes compares with net/http/cookiejar, for cookies that it reads alike.
func TestItDoesWhatGosJarDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	hosts := []string{"shop.example", "a.shop.example", "b.a.shop.example", "other.example", "10.0.0.1", "intranet", "x.co.uk", "y.x.co.uk"}
	paths := []string{"", "/", "/a", "/a/", "/a/b", "/ab", "/a/b/c"}
	for range 3000 {
		var own Jar
		theirs, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
		var history []string
		for range 12 {
			address := &url.URL{Scheme: one("http", "https"), Host: one(hosts...), Path: one(paths...)}
			if random.IntN(3) > 0 {
				set := one("a", "b", "c") + "=" + one("1", "2", "", `"q"`, "x=y")
				set += one("", "", "; Domain="+one(hosts...), "; domain=."+one(hosts...), "; Domain=co.uk")
				set = strings.Replace(set, "=.10.0.0.1", "=10.0.0.1", 1) // RFC 6265 takes the dot away, Go does not
				set += one("", "", "; Path="+one(paths...), "; path=x")
				set += one("", "", "; Secure", "; HttpOnly")
				set += one("", "", "", "; Max-Age=0", "; Max-Age=100", "; Max-Age=-1", "; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
					"; expires=Tue, 09 Nov 2077 08:49:37 GMT")
				history = append(history, address.String()+" sets "+set)
				own.Store(address.Host, address.Path, address.Scheme == "https", []byte(set), time.Now())
				answer := &http.Response{Header: http.Header{"Set-Cookie": {set}}}
				theirs.SetCookies(address, answer.Cookies())
				continue
			}
			request := &http.Request{Header: http.Header{}}
			for _, cookie := range theirs.Cookies(address) {
				request.AddCookie(cookie)
			}
			got := string(own.AppendHeader(nil, address.Host, address.Path, address.Scheme == "https", time.Now()))
			if want := request.Header.Get("Cookie"); got != want {
				t.Fatalf("%s\n%s gets %q, by net/http %q", strings.Join(history, "\n"), address, got, want)
			}
		}
	}
}

func FuzzStore(f *testing.F) {
	for _, seed := range []string{"a=1; Domain=shop.example; Path=/a; Max-Age=5; Secure", "a=b=c;;;=;expires=Tue, 09 Nov 2027 08:49:37 GMT",
		"\xff=\xfe; domain=\xff", "a=1; path=" + strings.Repeat("/", 3000)} {
		f.Add("a.shop.example", "/a/b", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, host, path string, set []byte) {
		var j Jar
		j.Store(host, path, true, set, now)
		j.Store(host, path, true, []byte("z=1"), now)
		sent := j.AppendHeader(nil, host, path, true, now)
		if strings.ContainsAny(string(sent), "\r\n\x00") {
			t.Errorf("%q is sent", sent)
		}
	})
}

func BenchmarkJar(b *testing.B) {
	var j Jar
	for i := range 5 {
		j.Store("www.shop.example", "/", true, fmt.Appendf(nil, "cookie%d=value%d; Path=/; HttpOnly", i, i), now)
	}
	dst := make([]byte, 0, 500)
	session := []byte("session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax")
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = j.AppendHeader(dst[:0], "www.shop.example", "/cart", true, now)
		}
	})
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Store("www.shop.example", "/cart", true, session, now)
		}
	})
}
