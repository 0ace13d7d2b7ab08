package cookie

import (
	"bytes"
	"strings"
	"time"
)

// parseDate reads the date of an expires attribute by the rules of RFC 6265, section 5.1.1, which accept many forms.
func parseDate(text []byte) (time.Time, bool) {
	hour, minute, second, day, month, year := -1, 0, 0, 0, 0, -1
	for len(text) > 0 {
		end := bytes.IndexFunc(text, isDelimiter)
		if end < 0 {
			end = len(text)
		}
		token := text[:end]
		text = text[min(end+1, len(text)):]
		if len(token) == 0 {
			continue
		}
		if hour < 0 {
			if h, m, s, ok := parseTime(token); ok {
				hour, minute, second = h, m, s
				continue
			}
		}
		if day == 0 {
			if value, digits, rest := number(token, 2); digits > 0 && !rest && value > 0 {
				day = value
				continue
			}
		}
		if month == 0 && len(token) >= 3 {
			at := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(string(token[:3])))
			if at >= 0 && at%3 == 0 {
				month = at/3 + 1
				continue
			}
		}
		if value, digits, rest := number(token, 4); year < 0 && digits >= 2 && !rest {
			year = value
			switch {
			case digits > 2:
			case year >= 70:
				year += 1900
			default:
				year += 2000
			}
		}
	}
	if hour < 0 || hour > 23 || minute > 59 || second > 59 || day < 1 || day > 31 || month == 0 || year < 1601 {
		return time.Time{}, false
	}
	found := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return found, found.Day() == day
}

func isDelimiter(r rune) bool {
	return r == '\t' || r >= 0x20 && r <= 0x2f || r >= 0x3b && r <= 0x40 || r >= 0x5b && r <= 0x60 || r >= 0x7b && r <= 0x7e
}

// number reads up to most digits. more: another digit follows.
func number(token []byte, most int) (value, digits int, more bool) {
	for digits < len(token) && token[digits] >= '0' && token[digits] <= '9' {
		if digits == most {
			return value, digits, true
		}
		value = 10*value + int(token[digits]-'0')
		digits++
	}
	return value, digits, false
}

// parseTime reads h:m:s.
func parseTime(token []byte) (hour, minute, second int, ok bool) {
	var values [3]int
	for i := range values {
		value, digits, more := number(token, 2)
		if digits == 0 || more {
			return 0, 0, 0, false
		}
		values[i] = value
		token = token[digits:]
		if i < 2 {
			if len(token) == 0 || token[0] != ':' {
				return 0, 0, 0, false
			}
			token = token[1:]
		}
	}
	return values[0], values[1], values[2], true
}
