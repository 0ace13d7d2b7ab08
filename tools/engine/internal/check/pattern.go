package check

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// pattern is a regular expression with Perl's meaning. RE2 runs those that it can; a backtracking engine runs those
// with look-around, references and possessive quantifiers.
type pattern struct {
	fast   *regexp.Regexp
	inner  []byte          // a text in each match; nil: none is known
	before int             // bytes that a match may have in front of it
	slow   *regexp2.Regexp // if fast is nil, and for a text whose last line feed a $ may precede
	dollar bool
}

// longestMatch bounds one match by the backtracking engine: it holds up all users of the loop.
const longestMatch = time.Second

func compile(source string) (*pattern, error) {
	p := &pattern{}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err == nil {
		p.dollar = hasDollar(tree)
		p.fast, err = regexp.Compile(source)
	}
	if err == nil && !p.dollar {
		p.inner, p.before = innerText(tree)
		return p, nil
	}
	slow, wrong := regexp2.Compile(source, regexp2.None)
	if wrong != nil {
		if err == nil {
			return p, nil
		}
		return nil, fmt.Errorf("regular expression %s: %w", source, wrong)
	}
	slow.MatchTimeout = longestMatch
	p.slow = slow
	return p, nil
}

// innerText returns a text that each match has, and how many bytes may precede it; nil if there is none, or no limit.
func innerText(tree *syntax.Regexp) (inner []byte, before int) {
	if tree.Op != syntax.OpConcat {
		return nil, 0
	}
	for _, sub := range tree.Sub {
		if sub.Op == syntax.OpLiteral && sub.Flags&syntax.FoldCase == 0 && len(sub.Rune) > 2 {
			if text := []byte(string(sub.Rune)); bytes.IndexRune(text, utf8.RuneError) < 0 {
				return text, before
			}
		}
		width := longest(sub)
		if width < 0 {
			return nil, 0
		}
		before += width
	}
	return nil, 0
}

// longestInFront bounds the bytes in front of an inner text.
const longestInFront = 1000

// longest returns how many bytes a part of an expression may match; -1: more than it pays, or it looks around.
func longest(tree *syntax.Regexp) int {
	width, each := 0, 1
	switch tree.Op {
	case syntax.OpEmptyMatch, syntax.OpCapture, syntax.OpConcat, syntax.OpQuest, syntax.OpAlternate:
	case syntax.OpLiteral:
		width = utf8.UTFMax * len(tree.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		width = utf8.UTFMax
	case syntax.OpRepeat:
		if each = tree.Max; each < 0 {
			return -1
		}
	default:
		return -1
	}
	for _, sub := range tree.Sub {
		inner := longest(sub)
		if inner < 0 {
			return -1
		}
		width += each * inner
	}
	if width > longestInFront {
		return -1
	}
	return width
}

// begin returns where the first match may begin; -1: there is none.
func (p *pattern) begin(text []byte) int {
	if p.inner == nil {
		return 0
	}
	at := bytes.Index(text, p.inner)
	if at < 0 {
		return -1
	}
	for at = max(0, at-p.before); at > 0 && !utf8.RuneStart(text[at]); at-- {
	}
	return at
}

// hasDollar reports whether a $ also precedes the last line feed: it does in Perl, and not in RE2.
func hasDollar(tree *syntax.Regexp) bool {
	if tree.Op == syntax.OpEndText && tree.Flags&syntax.WasDollar != 0 {
		return true
	}
	return slices.ContainsFunc(tree.Sub, hasDollar)
}

// backtracks reports whether a text needs the slow engine.
func (p *pattern) backtracks(text []byte) bool {
	return p.fast == nil || p.dollar && p.slow != nil && bytes.HasSuffix(text, []byte("\n"))
}

// matches reports whether the expression occurs in the text.
func (p *pattern) matches(text []byte) (bool, error) {
	if p.backtracks(text) {
		return p.slow.MatchString(string(text))
	}
	begin := p.begin(text)
	return begin >= 0 && p.fast.Match(text[begin:]), nil
}

// find appends the positions of up to most matches and of their groups, as package regexp does: two numbers for each
// group, -1 for one without a match. most < 0: all.
func (p *pattern) find(text []byte, most int, found [][]int) [][]int {
	if p.backtracks(text) {
		return p.findSlowly(text, most, found)
	}
	begin, from := p.begin(text), len(found)
	if begin < 0 {
		return found
	}
	if most == 1 {
		if groups := p.fast.FindSubmatchIndex(text[begin:]); groups != nil {
			found = append(found, groups)
		}
	} else {
		found = append(found, p.fast.FindAllSubmatchIndex(text[begin:], most)...)
	}
	for _, groups := range found[from:] {
		for i := range groups {
			if groups[i] >= 0 {
				groups[i] += begin
			}
		}
	}
	return found
}

// findSlowly translates the slow engine's positions, which count characters.
func (p *pattern) findSlowly(text []byte, most int, found [][]int) [][]int {
	runes := []rune(nil)
	offsets := []int(nil)
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		runes, offsets = append(runes, r), append(offsets, at)
		at += size
	}
	offsets = append(offsets, len(text))
	match, err := p.slow.FindRunesMatch(runes)
	for err == nil && match != nil && most != 0 {
		var groups []int
		for _, group := range match.Groups() {
			if len(group.Captures) == 0 {
				groups = append(groups, -1, -1)
			} else {
				groups = append(groups, offsets[group.Index], offsets[group.Index+group.Length])
			}
		}
		found = append(found, groups)
		most--
		match, err = p.slow.FindNextMatch(match)
	}
	return found
}
