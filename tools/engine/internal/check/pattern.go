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
	simple *sequence // nil: not in this form
	fast   *regexp.Regexp
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
		p.simple = newSequence(tree)
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
func (p *pattern) matches(text []byte) bool {
	if p.backtracks(text) {
		found, err := p.slow.MatchString(string(text))
		return found && err == nil
	}
	if p.simple != nil {
		var groups [2 * mostGroups]int
		if found, ok := p.simple.find(text, 0, groups[:]); ok {
			return found
		}
	}
	return p.fast.Match(text)
}

// find appends the positions of up to most matches and of their groups, as package regexp does: two numbers for each
// group, -1 for one without a match. most < 0: all.
func (p *pattern) find(text []byte, most int, found [][]int) [][]int {
	if p.backtracks(text) {
		return p.findSlowly(text, most, found)
	}
	if p.simple != nil {
		if all, ok := p.simple.findAll(text, most, found); ok {
			return all
		}
	}
	if most == 1 {
		if groups := p.fast.FindSubmatchIndex(text); groups != nil {
			found = append(found, groups)
		}
		return found
	}
	return append(found, p.fast.FindAllSubmatchIndex(text, most)...)
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
