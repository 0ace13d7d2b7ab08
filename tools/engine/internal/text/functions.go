package text

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// function is one of JMeter's functions, or of its usual plugins.
type function struct {
	usage       string // its arguments, for users
	least, most int
	store       int                 // index of the argument that names a variable for the result; 0: none
	check       func(c *call) error // of arguments without references
	run         func(c *call, dst []byte, s *Scope) []byte
}

// call is a function with its arguments.
type call struct {
	function  *function
	name      string
	arguments []Template
	numbers   []int64 // of arguments that are whole numbers without references
	isNumber  []bool
	own       Variable // what the function remembers of each user
	layout    layout
	names     *Names
}

func newCall(name string, f *function, arguments []Template, names *Names) (*call, error) {
	c := &call{function: f, name: name, arguments: arguments, names: names}
	if len(arguments) < f.least {
		return nil, fmt.Errorf("${%s} needs arguments; write ${%s(%s)}", name, name, f.usage)
	}
	c.numbers, c.isNumber = make([]int64, len(arguments)), make([]bool, len(arguments))
	for i := range arguments {
		if text, fixed := arguments[i].Fixed(); fixed {
			number, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			c.numbers[i], c.isNumber[i] = number, err == nil
		}
	}
	if f.store > 0 && f.store < len(arguments) {
		if name, fixed := arguments[f.store].Fixed(); fixed && name != "" {
			names.slot(strings.TrimSpace(name))
		}
	}
	if f.check != nil {
		if err := f.check(c); err != nil {
			return nil, fmt.Errorf("${%s(%s)}: %w", name, f.usage, err)
		}
	}
	return c, nil
}

func (c *call) append(dst []byte, s *Scope) []byte {
	begin := len(dst)
	dst = c.function.run(c, dst, s)
	if at := c.function.store; at > 0 {
		if name := c.word(at, s); name != "" {
			s.Values.Set(name, string(dst[begin:]))
		}
	}
	return dst
}

// text returns an argument, "" if there is none.
func (c *call) text(i int, s *Scope) string {
	if i < 0 || i >= len(c.arguments) {
		return ""
	}
	return c.arguments[i].String(s)
}

// word returns an argument that is a name: without the blanks around it.
func (c *call) word(i int, s *Scope) string { return strings.TrimSpace(c.text(i, s)) }

// number returns an argument that is a whole number.
func (c *call) number(i int, s *Scope) (int64, bool) {
	if i >= len(c.arguments) {
		return 0, false
	}
	if c.isNumber[i] {
		return c.numbers[i], true
	}
	number, err := strconv.ParseInt(c.word(i, s), 10, 64)
	return number, err == nil
}

// wholeNumbers returns a check that these arguments are whole numbers, unless they have references.
func wholeNumbers(positions ...int) func(c *call) error {
	return func(c *call) error {
		for _, i := range positions {
			if i >= len(c.arguments) || c.isNumber[i] {
				continue
			}
			if text, fixed := c.arguments[i].Fixed(); fixed && text != "" {
				return fmt.Errorf("%q is not a whole number", text)
			}
		}
		return nil
	}
}

// scripts are functions that run code.
var scripts = map[string]bool{
	"__groovy": true, "__javaScript": true, "__jexl2": true, "__jexl3": true, "__BeanShell": true, "__jexl": true,
}

var functions map[string]*function

// The table is filled here because __eval parses texts, which look functions up.
func init() {
	functions = map[string]*function{
		"__time": {usage: "format,variable", most: 2, store: 1, check: readLayout, run: now},
		"__timeShift": {usage: "format,date,duration such as P1DT2H,locale,variable", most: 5, store: 4,
			check: readLayout, run: timeShift},
		"__Random":       {usage: "least,most,variable", least: 2, most: 3, store: 2, check: wholeNumbers(0, 1), run: random},
		"__RandomString": {usage: "length,letters,variable", least: 1, most: 3, store: 2, check: wholeNumbers(0), run: randomString},
		"__chooseRandom": {usage: "value,value,variable", least: 2, most: 1000, run: chooseRandom},
		"__UUID":         {usage: "", most: 0, run: uuid},
		"__urlencode":    {usage: "text", least: 1, most: 1, run: urlEncode},
		"__urldecode":    {usage: "text", least: 1, most: 1, run: urlDecode},
		"__base64Encode": {usage: "text,variable", least: 1, most: 2, store: 1, run: base64Encode},
		"__base64Decode": {usage: "text,variable", least: 1, most: 2, store: 1, run: base64Decode},
		"__threadNum":    {usage: "", most: 0, run: func(_ *call, dst []byte, s *Scope) []byte { return strconv.AppendInt(dst, int64(s.Thread), 10) }},
		"__iterationNum": {usage: "", most: 0, run: func(_ *call, dst []byte, s *Scope) []byte { return strconv.AppendInt(dst, s.Iteration, 10) }},
		"__counter":      {usage: "TRUE or FALSE,variable", least: 1, most: 2, store: 1, check: remembers, run: counter},
		"__P":            {usage: "name,default", least: 1, most: 2, run: property},
		"__property":     {usage: "name,variable,default", least: 1, most: 3, store: 1, run: otherwise},
		"__env":          {usage: "name,variable,default", least: 1, most: 3, store: 1, run: environment},
		"__V":            {usage: "name,default", least: 1, most: 2, check: computesNames, run: variableNamed},
		"__intSum":       {usage: "number,number,variable", least: 2, most: 1000, check: sumsNumbers, run: sum},
		"__longSum":      {usage: "number,number,variable", least: 2, most: 1000, check: sumsNumbers, run: sum},
		"__toLowerCase":  {usage: "text,variable", least: 1, most: 2, store: 1, run: lower},
		"__toUpperCase":  {usage: "text,variable", least: 1, most: 2, store: 1, run: upper},
		"__changeCase":   {usage: "text,UPPER or LOWER or CAPITALIZE,variable", least: 1, most: 3, store: 2, check: knownCase, run: changeCase},
		"__escapeHtml":   {usage: "text", least: 1, most: 1, run: escapeHTML},
		"__escapeXml":    {usage: "text", least: 1, most: 1, run: escapeXML},
		"__char":         {usage: "number,number", least: 1, most: 1000, run: characters},
		"__digest":       {usage: "algorithm,text,salt,upper case,variable", least: 2, most: 5, store: 4, check: knownDigest, run: digest},
	}
}

// lastOK is the variable that says whether the user's last request was all right.
var lastOK = &function{run: func(_ *call, dst []byte, s *Scope) []byte { return strconv.AppendBool(dst, s.LastOK) }}

// nearest suggests a function for a name that is none.
func nearest(name string) string {
	for known := range functions {
		if strings.EqualFold(known, name) {
			return ". Did you mean " + known + "?"
		}
	}
	known := make([]string, 0, len(functions))
	for name := range functions {
		known = append(known, name)
	}
	slices.Sort(known)
	return ". Known are " + strings.Join(known, ", ")
}

func computesNames(c *call) error {
	if c.names != nil {
		if text, fixed := c.arguments[0].Fixed(); fixed {
			c.names.slot(strings.TrimSpace(text))
		} else {
			c.names.dynamic = true
		}
	}
	return nil
}

func random(c *call, dst []byte, s *Scope) []byte {
	least, _ := c.number(0, s)
	most, _ := c.number(1, s)
	if most < least {
		least, most = most, least
	}
	if span := uint64(most-least) + 1; span != 0 {
		return strconv.AppendInt(dst, least+int64(s.Rand.Uint64N(span)), 10)
	}
	return strconv.AppendInt(dst, int64(s.Rand.Uint64()), 10)
}

const lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// mostRandomLetters bounds what one reference may add to a request.
const mostRandomLetters = 16 << 20

func randomString(c *call, dst []byte, s *Scope) []byte {
	count, _ := c.number(0, s)
	count = min(count, mostRandomLetters)
	letters := c.text(1, s)
	if letters == "" {
		letters = lettersAndDigits
	}
	if isASCII(letters) {
		for ; count > 0; count-- {
			dst = append(dst, letters[s.Rand.IntN(len(letters))])
		}
		return dst
	}
	runes := []rune(letters)
	for ; count > 0; count-- {
		dst = utf8.AppendRune(dst, runes[s.Rand.IntN(len(runes))])
	}
	return dst
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// chooseRandom's last argument names a variable.
func chooseRandom(c *call, dst []byte, s *Scope) []byte {
	values := len(c.arguments) - 1
	begin := len(dst)
	dst = c.arguments[s.Rand.IntN(values)].Append(dst, s)
	if name := c.word(values, s); name != "" {
		s.Values.Set(name, string(dst[begin:]))
	}
	return dst
}

func uuid(_ *call, dst []byte, s *Scope) []byte {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], s.Rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], s.Rand.Uint64())
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	const digits = "0123456789abcdef"
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// urlEncode encodes as an HTML form, as Java's URLEncoder does.
func urlEncode(c *call, dst []byte, s *Scope) []byte {
	return append(dst, asForms.Replace(url.QueryEscape(c.text(0, s)))...)
}

// asForms changes what package url encodes otherwise than forms and Java do.
var asForms = strings.NewReplacer("%2A", "*", "~", "%7E")

func urlDecode(c *call, dst []byte, s *Scope) []byte {
	text := c.text(0, s)
	if decoded, err := url.QueryUnescape(text); err == nil {
		text = decoded
	}
	return append(dst, text...)
}

func base64Encode(c *call, dst []byte, s *Scope) []byte {
	return base64.StdEncoding.AppendEncode(dst, []byte(c.text(0, s)))
}

func base64Decode(c *call, dst []byte, s *Scope) []byte {
	text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "").Replace(c.text(0, s)), "=")
	if decoded, err := base64.RawStdEncoding.DecodeString(text); err == nil {
		return append(dst, decoded...)
	}
	return dst
}

// remembers gives a counter of each user its own hidden variable.
func remembers(c *call) error {
	flag, fixed := c.arguments[0].Fixed()
	flag = strings.TrimSpace(flag)
	if fixed && !strings.EqualFold(flag, "true") && !strings.EqualFold(flag, "false") {
		return fmt.Errorf("%q is neither TRUE (each user counts) nor FALSE (all users count together)", flag)
	}
	if c.names != nil {
		c.own = c.names.Variable("\x00counter" + strconv.Itoa(len(c.names.slots)))
	} else {
		c.own = Variable{"\x00counter", -1}
	}
	return nil
}

func counter(c *call, dst []byte, s *Scope) []byte {
	if !strings.EqualFold(c.word(0, s), "true") {
		return strconv.AppendInt(dst, s.Shared.count(c), 10)
	}
	value, _ := s.Values.Value(c.own)
	count, _ := strconv.ParseInt(value, 10, 64)
	begin := len(dst)
	dst = strconv.AppendInt(dst, count+1, 10)
	s.Values.SetValue(c.own, string(dst[begin:]))
	return dst
}

// property returns the default, and 1 without one, as JMeter does for a property that is not set: none is set here.
func property(c *call, dst []byte, s *Scope) []byte {
	if len(c.arguments) > 1 {
		return c.arguments[1].Append(dst, s)
	}
	return append(dst, '1')
}

// otherwise appends the third argument, the default of what the first one names; without it, the name.
func otherwise(c *call, dst []byte, s *Scope) []byte {
	if len(c.arguments) > 2 {
		return c.arguments[2].Append(dst, s)
	}
	return c.arguments[0].Append(dst, s)
}

func environment(c *call, dst []byte, s *Scope) []byte {
	if value, ok := os.LookupEnv(c.word(0, s)); ok {
		return append(dst, value...)
	}
	return otherwise(c, dst, s)
}

func variableNamed(c *call, dst []byte, s *Scope) []byte {
	name := c.word(0, s)
	if value, ok := s.Values.Get(name); ok {
		return append(dst, value...)
	}
	if len(c.arguments) > 1 {
		return c.arguments[1].Append(dst, s)
	}
	return append(dst, name...)
}

// sumsNumbers checks all arguments but the last, which may name a variable.
func sumsNumbers(c *call) error {
	for i := range c.arguments[:len(c.arguments)-1] {
		if err := wholeNumbers(i)(c); err != nil {
			return err
		}
	}
	return nil
}

func sum(c *call, dst []byte, s *Scope) []byte {
	last := len(c.arguments) - 1
	var total int64
	for i := range last {
		value, _ := c.number(i, s)
		total += value
	}
	name := ""
	if value, ok := c.number(last, s); ok {
		total += value
	} else {
		name = c.word(last, s)
	}
	if c.name == "__intSum" {
		total = int64(int32(total))
	}
	begin := len(dst)
	dst = strconv.AppendInt(dst, total, 10)
	if name != "" {
		s.Values.Set(name, string(dst[begin:]))
	}
	return dst
}

func lower(c *call, dst []byte, s *Scope) []byte {
	return append(dst, strings.ToLower(c.text(0, s))...)
}
func upper(c *call, dst []byte, s *Scope) []byte {
	return append(dst, strings.ToUpper(c.text(0, s))...)
}

func knownCase(c *call) error {
	if len(c.arguments) < 2 {
		return nil
	}
	switch mode, fixed := c.arguments[1].Fixed(); {
	case !fixed, mode == "", mode == "UPPER", mode == "LOWER", mode == "CAPITALIZE":
		return nil
	default:
		return fmt.Errorf("%q is none of UPPER, LOWER and CAPITALIZE", mode)
	}
}

func changeCase(c *call, dst []byte, s *Scope) []byte {
	text := c.text(0, s)
	switch c.word(1, s) {
	case "LOWER":
		return append(dst, strings.ToLower(text)...)
	case "CAPITALIZE":
		_, size := utf8.DecodeRuneInString(text)
		return append(append(dst, strings.ToUpper(text[:size])...), text[size:]...)
	}
	return append(dst, strings.ToUpper(text)...)
}

func escapeHTML(c *call, dst []byte, s *Scope) []byte {
	return append(dst, strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(c.text(0, s))...)
}

func escapeXML(c *call, dst []byte, s *Scope) []byte {
	replacer := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")
	return append(dst, replacer.Replace(c.text(0, s))...)
}

func characters(c *call, dst []byte, s *Scope) []byte {
	for i := range c.arguments {
		if code, err := strconv.ParseInt(c.word(i, s), 0, 32); err == nil {
			dst = utf8.AppendRune(dst, rune(code))
		}
	}
	return dst
}
