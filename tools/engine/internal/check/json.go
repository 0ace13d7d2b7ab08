package check

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/pretty"
)

// parseJSON returns a text's value; one that does not exist if the text is no JSON. As Jayway's parser, which JMeter
// uses, it accepts control characters in strings.
func parseJSON(text []byte) gjson.Result {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !json.Valid(text) && !json.Valid(bytes.Map(controlToBlank, text)) {
		return gjson.Result{}
	}
	return gjson.ParseBytes(text)
}

func controlToBlank(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// children returns the names and values of an object, or the values of an array.
func children(of gjson.Result) iter.Seq2[gjson.Result, gjson.Result] {
	if of.Type != gjson.JSON {
		return func(func(name, value gjson.Result) bool) {}
	}
	return of.ForEach
}

// member returns an object's member. The last one of a name counts.
func member(of gjson.Result, name string) (found gjson.Result) {
	if of.IsObject() {
		for key, child := range children(of) {
			if key.Str == name {
				found = child
			}
		}
	}
	return found
}

func isNull(value gjson.Result) bool { return value.Type == gjson.Null && value.Exists() }

// textOf returns a value as JMeter's variables have it: a string's content, a number as Java writes it, and other
// values as JSON without blanks.
func textOf(value gjson.Result) []byte {
	switch value.Type {
	case gjson.String:
		return []byte(value.Str)
	case gjson.Number:
		return []byte(numberText(value.Raw))
	case gjson.JSON:
		return pretty.Ugly([]byte(value.Raw))
	}
	return []byte(value.Raw)
}

// numberText returns a number as Java's Double has it, if a Double can: 12.50 is 12.5, 1e3 is 1000.0.
func numberText(raw string) string {
	number, err := strconv.ParseFloat(raw, 64)
	if !strings.ContainsAny(raw, ".eE") || len(raw) > 17 || err != nil {
		return raw
	}
	text, power := strconv.FormatFloat(number, 'f', -1, 64), ""
	if size := math.Abs(number); number != 0 && (size < 1e-3 || size >= 1e7) {
		text, power, _ = strings.Cut(strconv.FormatFloat(number, 'E', -1, 64), "E")
		exponent, _ := strconv.Atoi(power)
		power = "E" + strconv.Itoa(exponent)
	}
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text + power
}
