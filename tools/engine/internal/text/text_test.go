package text

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

func scope(names *Names, variables ...string) *Scope {
	s := &Scope{
		Values: NewValues(names, nil), Thread: 3, Shared: &Shared{}, Rand: rand.New(rand.NewPCG(1, 2)), LastOK: true,
		Now: func() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 78_900_000, time.UTC) },
	}
	for i := 0; i < len(variables); i += 2 {
		s.Values.Set(variables[i], variables[i+1])
	}
	return s
}

func evaluated(t *testing.T, source string, variables ...string) string {
	t.Helper()
	names := &Names{}
	compiled, err := Parse(source, names)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return compiled.String(scope(names, variables...))
}

// The values are those of JMeter 5.6.3, except where a comment says otherwise.
func TestTextsMeanWhatTheyMeanToJMeter(t *testing.T) {
	for source, want := range map[string]string{
		`a${name}b`:                        `aa b&cb`,
		`${unknown}`:                       `${unknown}`,
		`${a.b}`:                           `${a.b}`,
		`\${x}`:                            `${x}`,
		`x\y${x}\\z\,w`:                    `x\y5\\z\,w`, // JMeter: x\y5\z,w
		`\\${x}`:                           `\\5`,        // JMeter: \5
		`\\\${x}`:                          `\\${x}`,
		`${x`:                              `${x`, // JMeter: x
		`${}$${x}$`:                        `${}$5$`,
		`{"a":"${x}","b":{"c":"${name}"}}`: `{"a":"5","b":{"c":"a b&c"}}`,
		`${__urlencode(${name})}`:          `a+b%26c`,
		`${__urlencode(a\,b c*~é)}`:        `a%2Cb+c*%7E%C3%A9`,
		`${__urlencode( a b )}`:            `+a+b+`,
		`${__urlencode(f(a)(b))}`:          `f%28a%29%28b%29`,
		`${__urldecode(%C3%A9+x)}`:         `é x`,
		`${__urldecode(a%zz%)}`:            `a%zz%`, // JMeter: an error
		`${__escapeHtml(<a href="x"> & 'q'</a>)}`:                              `&lt;a href=&quot;x&quot;&gt; &amp; 'q'&lt;/a&gt;`,
		`${__escapeXml(<a b="c" d='e'>)}`:                                      `&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;`,
		`${__char(65,0x42,67)}`:                                                `ABC`,
		`${__intSum(1,2,${x})}`:                                                `8`,
		`${__intSum(1,2,v)}${v}`:                                               `33`,
		`${__intSum(2147483647,1)}`:                                            `-2147483648`,
		`${__longSum(2147483647,1)}`:                                           `2147483648`,
		`${__changeCase(abC dEf,UPPER)}`:                                       `ABC DEF`,
		`${__changeCase(abC dEf,CAPITALIZE)}`:                                  `AbC dEf`,
		`${__changeCase(abC dEf)}`:                                             `ABC DEF`,
		`${__digest(SHA-1,abc,salt,,)}`:                                        `99198dfc48e034c66356183f854eb322f607c1dd`,
		`${__digest(MD5,abc)}`:                                                 `900150983cd24fb0d6963f7d28e17f72`,
		`${__digest(SHA-256,abc,,true)}`:                                       `BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD`,
		`${__P(nope)}${__P(nope,d)}`:                                           `1d`,
		`${__property(nope)}`:                                                  `nope`,
		`${__property(nope,v2,d)}${v2}`:                                        `dd`,
		`${__V(name)}`:                                                         `a b&c`,
		`${__V(na${empty}me)}`:                                                 `a b&c`,
		`${__V(nope)}${__V(nope,d)}`:                                           `noped`,
		`${__timeShift(,1700000000123,P1D,,)}`:                                 `1700086400123`,
		`${__timeShift(MMM d yyyy,Feb 3 2026,P30D,en_US,)}`:                    `Mar 5 2026`,
		`${__timeShift(yyyyMMdd,20260131,P1D)}`:                                `20260201`, // JMeter needs a locale
		`${__timeShift(yyyy-MM-dd HH:mm,2026-01-31 00:30,-PT1H)}`:              `2026-01-30 23:30`,
		`${__timeShift(yyyyMMddHHmmssSSS)}`:                                    `20260203040506078`,
		`${__timeShift(yyyy-MM-dd HH:mm:ss.SSS,2026-02-03 04:05:06.5,PT1.5S)}`: `2026-02-03 04:05:08.000`,
		`${__time(EEE\, dd MMM yyyy HH:mm:ss zzz)}`:                            `Tue, 03 Feb 2026 04:05:06 UTC`,
		`${__timeShift(EEEE yyyy)}`:                                            `Tuesday 2026`,
		`${__time()}${__time}`:                                                 `17700915060781770091506078`,
		`${__time(/1000)}`:                                                     `1770091506`,
		`${__time(yyyy-MM-dd'T'HH:mm:ss.SSSZ,at)} ${at}`:                       `2026-02-03T04:05:06.078+0000 2026-02-03T04:05:06.078+0000`,
		`${__time(YMDHMS)}`:                                                    `20260203-040506`,
		`${__time('x'yy'' DDD hh h)}`:                                          `x26' 034 04 4`,
		`${__Random(5,5,r)}${r}`:                                               `55`,
		`${__RandomString(3,a,r)}-${r}`:                                        `aaa-aaa`,
		`${__RandomString(2,ü)}`:                                               `üü`,
		`${__threadNum}${__iterationNum}`:                                      `30`,
		`${__counter(TRUE)}${__counter(FALSE,c)}${c}`:                          `111`,
		`${__base64Encode(${name})}${__base64Decode(YSBi)}`:                    `YSBiJmM=a b`,
		`${__toUpperCase(${name})}${__toLowerCase(A)}`:                         `A B&Ca`,
		`${__VIEWSTATE}`:                                                       `a form's`,
		`${JMeterThread.last_sample_ok}`:                                       `true`,
		`${__chooseRandom(a,a,var)}${var}`:                                     `aa`,
	} {
		got := evaluated(t, source, "name", "a b&c", "x", "5", "empty", "", "indirect", "<${x}>", "__VIEWSTATE", "a form's",
			"list_matchNr", "1", "list_1", "5")
		if got != want {
			t.Errorf("%s is %q, want %q", source, got, want)
		}
	}
}

func TestFunctionsThatAreUnknownOrMisusedAreNamed(t *testing.T) {
	for source, want := range map[string]string{
		"${__nosuch(1)}":            "unknown function ${__nosuch(…)}",
		"${__uuid()}":               "Did you mean __UUID?",
		"${__groovy(1+1)}":          "is a script",
		"${__Random(a,2)}":          `"a" is not a whole number`,
		"${__Random(1)}":            "write ${__Random(least,most,variable)}",
		"${__time(":                 "has no end",
		"${__P(a)x}":                "has no end",
		"${__time(Q)}":              "Q is not supported",
		"${__digest(MD9,a)}":        `"MD9" is none of`,
		"${__V}":                    "${__V} needs arguments",
		"${__urlencode(${__x(1)})}": "unknown function ${__x(…)}",
		"${__counter(maybe)}":       "neither TRUE",
	} {
		if _, err := Parse(source, &Names{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestRandomValuesHaveTheirForms(t *testing.T) {
	for source, form := range map[string]string{
		"${__UUID()}":                    `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`,
		"${__RandomString(12)}":          `[A-Za-z0-9]{12}`,
		"${__RandomString(4,123456789)}": `[1-9]{4}`,
		"${__Random(-2,2)}":              `-[12]|[012]`,
	} {
		seen := map[string]bool{}
		compiled, err := Parse(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := scope(nil)
		for range 300 {
			value := compiled.String(s)
			if !regexp.MustCompile(`^(?:` + form + `)$`).MatchString(value) {
				t.Fatalf("%s is %q", source, value)
			}
			seen[value] = true
		}
		if len(seen) < 3 {
			t.Errorf("%s has only the values %v", source, seen)
		}
	}
}

func TestEachUserCountsAlone(t *testing.T) {
	names := &Names{}
	own, _ := Parse("${__counter(TRUE,)}", names)
	all, _ := Parse("${__counter(FALSE,)}", names)
	one, other := scope(names), scope(names)
	other.Shared = one.Shared
	got := own.String(one) + own.String(one) + own.String(other) + all.String(one) + all.String(other)
	if got != "12112" {
		t.Errorf("the counters are %s, want 12112", got)
	}
}

func TestAUserReadsWhatAllShareUntilItSetsItsOwn(t *testing.T) {
	names := &Names{}
	reference, _ := Parse("${a}${b}", names)
	base := NewValues(names, nil)
	base.Set("a", "1")
	base.Set("b", "2")
	s := scope(names)
	s.Values = NewValues(names, base)
	s.Values.Set("b", "")
	if got := reference.String(s); got != "1" {
		t.Errorf("got %q, want 1: an empty value is one", got)
	}
	s.Values.Remove("b")
	if got := reference.String(s); got != "12" {
		t.Errorf("got %q, want 12", got)
	}
	s.Values.Set("later_7", "x")
	if value, ok := s.Values.Get("later_7"); !ok || value != "x" {
		t.Error("a name that no text has is lost")
	}
	s.Values.Reset()
	if _, ok := s.Values.Get("later_7"); ok {
		t.Error("Reset keeps values")
	}
}

func TestGroupsAreKeptOnlyIfTheSuiteRefersToThem(t *testing.T) {
	names := &Names{}
	a, b := names.Variable("a"), names.Variable("b")
	Parse("${a_g1}${c_2_g0}", names)
	if !names.Grouped(a) || names.Grouped(b) || !names.Grouped(names.Variable("c")) {
		t.Error("groups of a and c are read, those of b are not")
	}
	Parse("${__V(b_g${i})}", names)
	if !names.Grouped(b) {
		t.Error("a computed name may be a group's")
	}
}

func TestConditions(t *testing.T) {
	for source, want := range map[string]bool{
		`"${a}" == "b"`:         true,
		`'${a}' != "b"`:         false,
		`"${q}" == 'it\'s "q"'`: true,
		`${a} == "b"`:           true,
		`${x} < 10`:             true,
		`"10" < "9"`:            true,
		`"${x}" == 5 && ${x} >= 5.0 && !(${x} > 5)`: true,
		`"${x}" == "5.0"`:                                                      false,
		`"05" == 5`:                                                            true,
		`${x} % 2 == 1 and ${x} + 1 == 6`:                                      true,
		`-1 < 0 && ${x} - 5 == 0 && 2 * 3 / 6 <= 1`:                            true,
		`false || true && false`:                                               false,
		`"${unknown}" == "NOT_FOUND" || "${unknown}" != ""`:                    true,
		`${unknown} == "x"`:                                                    false,
		`${JMeterThread.last_sample_ok}`:                                       true,
		`!${JMeterThread.last_sample_ok}`:                                      false,
		`"${JMeterThread.last_sample_ok}" == "true"`:                           true,
		`${__jexl3("${x}" == "5" && !false)}`:                                  true,
		`${__jexl3(${x} lt 6,)}`:                                               true,
		`${__groovy("${q}".contains('"q"'))}`:                                  true,
		`${__groovy(vars.get("a") == "b" && vars.get('nope') == null)}`:        true,
		`${__groovy(vars.get("x").toInteger() > 4)}`:                           true,
		`${__javaScript("${a}".length == 1)}`:                                  true,
		`${__javaScript("${a}" === "b")} && ${__jexl3(1 ne 2)}`:                true,
		`"${a}".equals("b") && "${a}x".startsWith("b") && "abc".endsWith("c")`: true,
		`"${empty}".isEmpty() || "${empty}".length() > 0`:                      true,
		`" A ".trim().toLowerCase() == "a"`:                                    true,
		`"a1".matches("[a-z]\\d") && !"a1x".matches("[a-z]\\d")`:               true,
		`"${__urlencode(${q})}".contains("%22q%22")`:                           true,
		`"ja"`:   false,
		`"true"`: true,
		`0`:      false,
	} {
		names := &Names{}
		condition, err := ParseCondition(source, names)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		got, err := condition.True(scope(names, "a", "b", "x", "5", "q", `it's "q"`, "empty", ""))
		if err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", source, got, err, want)
		}
	}
}

func TestConditionsThatNeedAScriptAreRefused(t *testing.T) {
	for source, want := range map[string]string{
		``:                            "a value is missing",
		`"${a}" == `:                  "a value is missing at the end",
		`a == b`:                      `"a == b" is not understood`,
		`"a".foo()`:                   `".foo()" is not understood`,
		`"a" == "b" ? 1 : 2`:          `"? 1 : 2" is not understood`,
		`${__groovy(new Date() > 1)}`: `"new Date() > 1" is not understood`,
		`"a`:                          "a quote has no end",
		`(1 == 1`:                     "a value is missing at the end",
		`${__nosuch(1)} == 1`:         "unknown function",
		strings.Repeat("(", 1000):     "is not understood",
		strings.Repeat("!", 1000):     "is not understood",
	} {
		if _, err := ParseCondition(source, &Names{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", source, err, want)
		}
	}
}

func TestValuesThatCannotBeComparedAreNoCondition(t *testing.T) {
	names := &Names{}
	condition, err := ParseCondition(`"${a}" < 5`, names)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := condition.True(scope(names, "a", "b")); ok || err == nil || !strings.Contains(err.Error(), `"b" and "5"`) {
		t.Errorf("got %v, %v", ok, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"${a", "${__time(yyyy", `\${a}\\${__V(${a}\,)}`, "${__timeShift(HH:mm:ss.S,1:2:3.4,-P1DT2H3M4.5S)}",
		"${__Random(9223372036854775807,-9223372036854775808)}", "${__char(-1,0x)}"} {
		f.Add(seed, "${a}")
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		names := &Names{}
		compiled, err := Parse(source, names)
		if err != nil {
			return
		}
		if len(source) > 200 || regexp.MustCompile(`RandomString|time`).MatchString(source) {
			return
		}
		s := scope(names, "a", value, "b", "${b}${b}")
		if fixed, ok := compiled.Fixed(); ok && fixed != compiled.String(s) {
			t.Errorf("%q is fixed as %q and gives %q", source, fixed, compiled.String(s))
		}
		compiled.String(s)
	})
}

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{`"${a}" == 'b' && !(1 < 2)`, `${__jexl3(${a} > 1,)}`, `"a".equals("b").length()`,
		`${a}${`, `- - -1 % 0`, `"\"`, `vars.get("a")`} {
		f.Add(seed, "1")
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		names := &Names{}
		if condition, err := ParseCondition(source, names); err == nil && len(source) < 300 {
			condition.True(scope(names, "a", value))
		}
	})
}

func BenchmarkTemplate(b *testing.B) {
	names := &Names{}
	compiled, _ := Parse("/cart/${id}/items?q=${__urlencode(${name})}&t=${__time()}", names)
	s := scope(names, "id", "1234", "name", "two words")
	dst := make([]byte, 0, 200)
	b.ReportAllocs()
	for b.Loop() {
		dst = compiled.Append(dst[:0], s)
	}
}

func BenchmarkCondition(b *testing.B) {
	names := &Names{}
	condition, _ := ParseCondition(`"${id}" != "" && ${n} < 10`, names)
	s := scope(names, "id", "1234", "n", "7")
	b.ReportAllocs()
	for b.Loop() {
		condition.True(s)
	}
}
