package text

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// layout is a format of times as Java has it, such as yyyy-MM-dd'T'HH:mm:ss.SSSXXX.
type layout []field

// field is a part of a format. One of the fields is set.
type field struct {
	layout  string // of package time
	literal string
	digits  int   // of the fraction of the second
	divisor int64 // /1000: milliseconds since the epoch, divided by it
}

// named are formats that JMeter's properties define.
var named = map[string]string{"YMD": "yyyyMMdd", "HMS": "HHmmss", "YMDHMS": "yyyyMMdd-HHmmss"}

// layouts are Java's letters in package time.
var layouts = map[string]string{
	"y": "2006", "yy": "06", "yyyy": "2006", "u": "2006", "uuuu": "2006", "M": "1", "MM": "01", "MMM": "Jan",
	"MMMM": "January", "d": "2", "dd": "02", "DDD": "002", "HH": "15", "h": "3", "hh": "03", "m": "4", "mm": "04",
	"s": "5", "ss": "05", "a": "PM", "aa": "PM", "E": "Mon", "EE": "Mon", "EEE": "Mon", "EEEE": "Monday", "z": "MST",
	"zz": "MST", "zzz": "MST", "Z": "-0700", "ZZ": "-0700", "ZZZ": "-0700", "X": "Z07", "XX": "Z0700", "XXX": "Z07:00",
}

var (
	errLayout   = errors.New("a format of times has letters such as yyyy-MM-dd HH:mm:ss, and other texts in quotes")
	layoutParts = regexp.MustCompile(`'[^']*'|y+|u+|M+|d+|D+|H+|h+|m+|s+|S+|a+|E+|z+|Z+|X+|[^A-Za-z']+|(?s:.)`)
)

func parseLayout(format string) (layout, error) {
	if divisor, ok := strings.CutPrefix(format, "/"); ok {
		n, err := strconv.ParseInt(divisor, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q: %w", format, errLayout)
		}
		return layout{{divisor: n}}, nil
	}
	if known := named[format]; known != "" {
		format = known
	}
	var found layout
	for _, part := range layoutParts.FindAllString(format, -1) {
		switch c := part[0]; {
		case part == "''":
			found = append(found, field{literal: "'"})
		case c == '\'' && len(part) > 1:
			found = append(found, field{literal: part[1 : len(part)-1]})
		case c == '\'':
			return nil, fmt.Errorf("%q: a quote has no end", format)
		case c == 'S':
			found = append(found, field{digits: len(part)})
		case layouts[part] != "":
			found = append(found, field{layout: layouts[part]})
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
			return nil, fmt.Errorf("%q: %w. %s is not supported", format, errLayout, part)
		default:
			found = append(found, field{literal: part})
		}
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
	if c.layout, err = parseLayout(format); err == nil && c.name == "__timeShift" && len(c.arguments) > 1 { // it reads a date, too
		err = c.layout.readable()
	}
	return err
}

// readable reports what parse could not read.
func (l layout) readable() error {
	for i, f := range l {
		if f.digits > 0 && (i == 0 || !strings.HasSuffix(l[i-1].literal, ".") && !strings.HasSuffix(l[i-1].literal, ",")) {
			return errors.New("a date is read only with a dot before the fraction of its second, as in ss.SSS")
		}
		if ambiguous.MatchString(f.literal) {
			return fmt.Errorf("%q: %w", f.literal, errLayout)
		}
	}
	return nil
}

// append appends a moment in its time zone.
func (l layout) append(dst []byte, at time.Time) []byte {
	for _, f := range l {
		switch {
		case f.divisor > 0:
			dst = strconv.AppendInt(dst, at.UnixMilli()/f.divisor, 10)
		case f.digits > 0:
			dst = append(dst, fmt.Sprintf("%09d", at.Nanosecond())[:min(f.digits, 9)]...)
		case f.layout != "":
			dst = at.AppendFormat(dst, f.layout)
		default:
			dst = append(dst, f.literal...)
		}
	}
	return dst
}

// ambiguous are texts that package time takes for a part of a moment.
var ambiguous = regexp.MustCompile(`\d|Jan|Mon|MST|PM|pm`)

// parse reads a moment that the layout describes. Fields that it lacks have those of 1 January 1970, midnight.
func (l layout) parse(text string, zone *time.Location) (time.Time, error) {
	form := ""
	for _, f := range l {
		switch {
		case f.divisor > 0:
			n, err := strconv.ParseInt(text, 10, 64)
			return time.UnixMilli(n * f.divisor).In(zone), err
		case f.digits > 0: // package time reads it behind the seconds, and a dot
			form = strings.TrimRight(form, ".,")
		case ambiguous.MatchString(f.literal):
			return time.Time{}, errLayout
		default:
			form += f.layout + f.literal
		}
	}
	found, err := time.ParseInLocation(form, text, zone)
	if err == nil && found.Year() == 0 && !strings.Contains(form, "06") {
		found = found.AddDate(1970, 0, 0)
	}
	return found, err
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
		l := c.layoutIn(s)
		if l == nil {
			l = layout{{divisor: 1}}
		}
		moment, err := l.parse(date, at.Location())
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

// now is __time. Without a format it returns milliseconds since the epoch.
func now(c *call, dst []byte, s *Scope) []byte { return appendTime(dst, c, s.Now(), s) }

func appendTime(dst []byte, c *call, at time.Time, s *Scope) []byte {
	if l := c.layoutIn(s); l != nil {
		return l.append(dst, at)
	}
	return strconv.AppendInt(dst, at.UnixMilli(), 10)
}

// layoutIn returns the format in the first argument; nil: there is none, or a wrong one.
func (c *call) layoutIn(s *Scope) layout {
	if c.layout != nil || len(c.arguments) == 0 {
		return c.layout
	}
	format := c.text(0, s)
	if format == "" {
		return nil
	}
	l, _ := parseLayout(format)
	return l
}
