package text

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// layout is a format of times as Java has it, such as yyyy-MM-dd'T'HH:mm:ss.SSSXXX. nil: milliseconds since the epoch.
type layout []field

// field is a letter of the format with its count, a literal text, or /n: milliseconds divided by n.
type field struct {
	letter  byte // 0: a literal
	count   int
	literal string
}

// named are formats that JMeter's properties define.
var named = map[string]string{"YMD": "yyyyMMdd", "HMS": "HHmmss", "YMDHMS": "yyyyMMdd-HHmmss"}

var errLayout = errors.New("a format of times has letters such as yyyy-MM-dd HH:mm:ss, and other texts in quotes")

func parseLayout(format string) (layout, error) {
	if divisor, ok := strings.CutPrefix(format, "/"); ok {
		n, err := strconv.ParseInt(divisor, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q: %w", format, errLayout)
		}
		return layout{{letter: '/', count: int(n)}}, nil
	}
	if known := named[format]; known != "" {
		format = known
	}
	var found layout
	for i := 0; i < len(format); {
		c := format[i]
		end := i + 1
		switch {
		case c == '\'':
			close := strings.IndexByte(format[end:], '\'')
			if close < 0 {
				return nil, fmt.Errorf("%q: a quote has no end", format)
			}
			literal := format[end : end+close]
			if close == 0 {
				literal = "'"
			}
			found = append(found, field{literal: literal})
			end += close + 1
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
			for end < len(format) && format[end] == c {
				end++
			}
			if strings.IndexByte("yuYMLdHhkKmsSaEDzZXwn", c) < 0 {
				return nil, fmt.Errorf("%q: %w. The letter %c is unknown", format, errLayout, c)
			}
			found = append(found, field{letter: c, count: end - i})
		default:
			found = append(found, field{literal: format[i:end]})
		}
		i = end
	}
	return found, nil
}

// readLayout compiles the format in the first argument, if it has no references.
func readLayout(c *call) (err error) {
	if len(c.arguments) == 0 {
		return nil
	}
	format, fixed := c.arguments[0].Fixed()
	if !fixed || format == "" {
		return nil
	}
	c.layout, err = parseLayout(format)
	return err
}

// append appends a moment in its time zone.
func (l layout) append(dst []byte, at time.Time) []byte {
	for _, f := range l {
		dst = f.append(dst, at)
	}
	return dst
}

func (f field) append(dst []byte, at time.Time) []byte {
	switch f.letter {
	case 0:
		return append(dst, f.literal...)
	case '/':
		return strconv.AppendInt(dst, at.UnixMilli()/int64(f.count), 10)
	case 'y', 'u', 'Y':
		year := at.Year()
		if f.letter == 'Y' {
			year, _ = at.ISOWeek()
		}
		if f.count == 2 {
			return appendPadded(dst, year%100, 2)
		}
		return appendPadded(dst, year, f.count)
	case 'M', 'L':
		switch {
		case f.count > 3:
			return append(dst, at.Month().String()...)
		case f.count == 3:
			return append(dst, at.Month().String()[:3]...)
		}
		return appendPadded(dst, int(at.Month()), f.count)
	case 'd':
		return appendPadded(dst, at.Day(), f.count)
	case 'D':
		return appendPadded(dst, at.YearDay(), f.count)
	case 'w':
		_, week := at.ISOWeek()
		return appendPadded(dst, week, f.count)
	case 'H':
		return appendPadded(dst, at.Hour(), f.count)
	case 'k':
		return appendPadded(dst, (at.Hour()+23)%24+1, f.count)
	case 'K':
		return appendPadded(dst, at.Hour()%12, f.count)
	case 'h':
		return appendPadded(dst, (at.Hour()+11)%12+1, f.count)
	case 'm':
		return appendPadded(dst, at.Minute(), f.count)
	case 's':
		return appendPadded(dst, at.Second(), f.count)
	case 'S': // a fraction of the second
		digits := appendPadded(nil, at.Nanosecond(), 9)
		return append(dst, digits[:min(f.count, 9)]...)
	case 'n':
		return appendPadded(dst, at.Nanosecond(), f.count)
	case 'a':
		return at.AppendFormat(dst, "PM")
	case 'E':
		if f.count > 3 {
			return at.AppendFormat(dst, "Monday")
		}
		return at.AppendFormat(dst, "Mon")
	case 'z':
		return at.AppendFormat(dst, "MST")
	case 'Z':
		return at.AppendFormat(dst, "-0700")
	}
	return at.AppendFormat(dst, []string{"", "Z07", "Z0700", "Z07:00"}[min(f.count, 3)]) // X
}

func appendPadded(dst []byte, value, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(value), 10)
	for i := len(text); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// parse reads a moment that the layout describes. What it does not say is the least: 1 January 1970, midnight.
func (l layout) parse(text string, zone *time.Location) (time.Time, error) {
	year, month, day, hour, minute, second, nanosecond := 1970, 1, 1, 0, 0, 0, 0
	afternoon := false
	fail := fmt.Errorf("%q is not of this format", text)
	for at, f := range l {
		switch f.letter {
		case 0:
			rest, ok := strings.CutPrefix(text, f.literal)
			if !ok {
				return time.Time{}, fail
			}
			text = rest
			continue
		case 'X', 'Z', 'z', 'a', 'E':
			size := strings.IndexAny(text+" ", " ,)")
			word := text[:size]
			text = text[size:]
			switch {
			case f.letter == 'a':
				afternoon = strings.EqualFold(word, "PM")
			case f.letter == 'E':
			case word == "Z" || word == "UTC" || word == "GMT":
				zone = time.UTC
			default:
				moment, err := time.Parse("-0700", strings.ReplaceAll(word, ":", ""))
				if err != nil {
					return time.Time{}, fail
				}
				_, offset := moment.Zone()
				zone = time.FixedZone("", offset)
			}
			continue
		case 'M', 'L':
			if f.count < 3 {
				break
			}
			found := false
			for m := time.January; m <= time.December && !found; m++ {
				name := m.String()
				if f.count == 3 {
					name = name[:3]
				}
				if found = len(text) >= len(name) && strings.EqualFold(text[:len(name)], name); found {
					month, text = int(m), text[len(name):]
				}
			}
			if !found {
				return time.Time{}, fail
			}
			continue
		}
		width := 0
		adjacent := at+1 < len(l) && l[at+1].letter != 0 // yyyyMMdd: only the count separates numbers
		for width < len(text) && text[width] >= '0' && text[width] <= '9' && width < 18 && (!adjacent || width < f.count) {
			width++
		}
		value, err := strconv.Atoi(text[:width])
		if err != nil {
			return time.Time{}, fail
		}
		text = text[width:]
		switch f.letter {
		case 'y', 'u', 'Y':
			if year = value; f.count == 2 {
				year += 2000
			}
		case 'M', 'L':
			month = value
		case 'd':
			day = value
		case 'H', 'h', 'k', 'K':
			if hour = value; f.letter == 'h' || f.letter == 'k' && hour == 24 {
				hour %= 12
			}
		case 'm':
			minute = value
		case 's':
			second = value
		case 'S':
			for ; width < 9; width++ {
				value *= 10
			}
			nanosecond = value
		case '/':
			return time.UnixMilli(int64(value) * int64(f.count)).In(zone), nil
		}
	}
	if text != "" {
		return time.Time{}, fail
	}
	if afternoon && hour < 12 {
		hour += 12
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, zone), nil
}

// period is a duration of ISO 8601: P1DT2H, -P1D, PT30S.
var period = regexp.MustCompile(`^([+-]?)P(?:([+-]?\d+)D)?(?:T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?\d+)(?:[.,](\d{1,9}))?S)?)?$`)

func parsePeriod(text string) (time.Duration, bool) {
	found := period.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(text)))
	if found == nil {
		return 0, false
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		value, _ := strconv.ParseInt(found[i+2], 10, 64)
		total += time.Duration(value) * unit
	}
	if found[6] != "" {
		nanoseconds, _ := strconv.ParseInt((found[6] + "00000000")[:9], 10, 64)
		total += time.Duration(nanoseconds)
	}
	if found[1] == "-" {
		total = -total
	}
	return total, true
}

// timeShift moves a date, or now, by a duration. Without a format, times are milliseconds since the epoch.
func timeShift(c *call, dst []byte, s *Scope) []byte {
	at := s.Now()
	if date := c.word(1, s); date != "" {
		moment, err := readTime(date, c.layout, c.text(0, s), at.Location())
		if err != nil {
			return dst
		}
		at = moment
	}
	if shift := c.word(2, s); shift != "" {
		if by, ok := parsePeriod(shift); ok {
			at = at.Add(by)
		}
	}
	return appendTime(dst, c, at, s)
}

// readTime reads a date by a compiled layout, by a format, or, without both, as milliseconds since the epoch.
func readTime(date string, l layout, format string, zone *time.Location) (time.Time, error) {
	if l == nil && format != "" {
		found, err := parseLayout(format)
		if err != nil {
			return time.Time{}, err
		}
		l = found
	}
	if l == nil {
		ms, err := strconv.ParseInt(date, 10, 64)
		return time.UnixMilli(ms).In(zone), err
	}
	return l.parse(date, zone)
}

func convertTime(c *call, dst []byte, s *Scope) []byte {
	at, err := readTime(c.word(0, s), nil, c.text(1, s), s.Now().Location())
	if err != nil {
		return dst
	}
	l, err := parseLayout(c.text(2, s))
	if err != nil {
		return dst
	}
	return l.append(dst, at)
}

// randomDate returns a day from the first, which is today if empty, up to the day before the last.
func randomDate(c *call, dst []byte, s *Scope) []byte {
	l := c.layout
	if l == nil {
		l, _ = parseLayout("yyyy-MM-dd")
		if format := c.text(0, s); format != "" {
			if found, err := parseLayout(format); err == nil {
				l = found
			}
		}
	}
	first := s.Now()
	if text := c.word(1, s); text != "" {
		moment, err := l.parse(text, time.UTC)
		if err != nil {
			return dst
		}
		first = moment
	}
	last, err := l.parse(c.word(2, s), time.UTC)
	if err != nil {
		return dst
	}
	first = time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, time.UTC)
	days := int64(last.Sub(first) / (24 * time.Hour))
	if days < 1 {
		return l.append(dst, first)
	}
	return l.append(dst, first.AddDate(0, 0, int(s.Rand.Int64N(days))))
}
