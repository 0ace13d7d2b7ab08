package check

import (
	"bytes"
	"regexp/syntax"
	"unicode/utf8"
)

// sequence is a regular expression of the usual kind: a text, then characters, each some times, without alternatives:
// name="token" value="([^"]+)". It is run without tables, and with the same result as package regexp.
type sequence struct {
	prefix []byte // the text that each match begins with; never empty
	items  []item // behind the prefix
	groups int    // with the whole match
	opens  []int  // groups that begin with the prefix
}

// item is one set of characters and how often it occurs, or the begin or end of a group.
type item struct {
	literal []byte // instead of a set
	ascii   [4]uint32
	ranges  []rune // of the characters that are not ASCII
	least   int
	most    int // -1: no limit
	lazy    bool
	group   int // position in the result; -1: no group's begin or end
}

// mostGroups is how many groups a sequence may have, with the whole match.
const mostGroups = 8

// stepsPerByte bounds the work. Beyond it package regexp, whose own work is bounded, looks again.
const stepsPerByte = 16

// newSequence returns nil for an expression of another kind.
func newSequence(tree *syntax.Regexp) *sequence {
	s := &sequence{groups: tree.MaxCap() + 1}
	if s.groups > mostGroups || !s.add(tree) || len(s.items) == 0 || len(s.items[0].literal) == 0 {
		return nil
	}
	s.prefix, s.items = s.items[0].literal, s.items[1:]
	return s
}

func (s *sequence) add(tree *syntax.Regexp) bool {
	switch tree.Op {
	case syntax.OpConcat:
		for _, sub := range tree.Sub {
			if !s.add(sub) {
				return false
			}
		}
		return true
	case syntax.OpLiteral:
		if tree.Flags&syntax.FoldCase != 0 {
			return false
		}
		text := []byte(string(tree.Rune))
		if last := len(s.items) - 1; last >= 0 && s.items[last].literal != nil {
			s.items[last].literal = append(s.items[last].literal, text...)
		} else {
			s.items = append(s.items, item{literal: text, group: -1})
		}
		return bytes.IndexRune(text, utf8.RuneError) < 0
	case syntax.OpCapture:
		s.items = append(s.items, item{group: 2 * tree.Cap})
		ok := s.add(tree.Sub[0])
		s.items = append(s.items, item{group: 2*tree.Cap + 1})
		return ok
	case syntax.OpEmptyMatch:
		return true
	}
	return s.addSet(tree)
}

// addSet adds a set of characters with its quantifier.
func (s *sequence) addSet(tree *syntax.Regexp) bool {
	added := item{least: 1, most: 1, group: -1, lazy: tree.Flags&syntax.NonGreedy != 0}
	of := tree
	switch tree.Op {
	case syntax.OpStar:
		added.least, added.most = 0, -1
	case syntax.OpPlus:
		added.most = -1
	case syntax.OpQuest:
		added.least = 0
	case syntax.OpRepeat:
		added.least, added.most = tree.Min, tree.Max
	}
	if tree.Op == syntax.OpStar || tree.Op == syntax.OpPlus || tree.Op == syntax.OpQuest || tree.Op == syntax.OpRepeat {
		of = tree.Sub[0]
	}
	ranges := of.Rune
	switch of.Op {
	case syntax.OpCharClass:
	case syntax.OpAnyChar:
		ranges = []rune{0, utf8.MaxRune}
	case syntax.OpAnyCharNotNL:
		ranges = []rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}
	case syntax.OpLiteral:
		if of.Flags&syntax.FoldCase != 0 || len(of.Rune) != 1 || of.Rune[0] == utf8.RuneError {
			return false
		}
		ranges = []rune{of.Rune[0], of.Rune[0]}
	default:
		return false
	}
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= min(ranges[i+1], utf8.RuneSelf-1); r++ {
			added.ascii[r/32] |= 1 << (r % 32)
		}
		if ranges[i+1] >= utf8.RuneSelf {
			added.ranges = append(added.ranges, max(ranges[i], utf8.RuneSelf), ranges[i+1])
		}
	}
	s.items = append(s.items, added)
	return true
}

// matcher is one run of a sequence.
type matcher struct {
	text   []byte
	items  []item
	groups []int
	steps  int  // that are left
	failed bool // too many steps, or bytes that are no UTF-8
}

// find looks for the first match at or behind from. ok is false if package regexp has to look.
func (s *sequence) find(text []byte, from int, groups []int) (found, ok bool) {
	m := matcher{text: text, items: s.items, groups: groups, steps: stepsPerByte * (len(text) + 100)}
	for from <= len(text)-len(s.prefix) {
		at := bytes.Index(text[from:], s.prefix)
		if at < 0 {
			return false, true
		}
		begin := from + at
		for i := range 2 * s.groups {
			groups[i] = -1
		}
		end := m.run(begin+len(s.prefix), 0)
		if m.failed {
			return false, false
		}
		if end >= 0 {
			groups[0], groups[1] = begin, end
			return true, true
		}
		from = begin + 1
	}
	return false, true
}

func (s *sequence) findAll(text []byte, most int, found [][]int) ([][]int, bool) {
	var groups [2 * mostGroups]int
	before := len(found)
	for from := 0; most != 0; most-- {
		matched, ok := s.find(text, from, groups[:])
		if !ok {
			return found[:before], false
		}
		if !matched {
			break
		}
		found = append(found, append([]int(nil), groups[:2*s.groups]...))
		from = groups[1] // never empty: the prefix is not
	}
	return found, true
}

// run matches the items from the given one on. It returns the end of the match, or -1.
func (m *matcher) run(at, next int) int {
	for ; next < len(m.items); next++ {
		it := &m.items[next]
		switch {
		case it.group >= 0:
			before := m.groups[it.group]
			m.groups[it.group] = at
			end := m.run(at, next+1)
			if end < 0 {
				m.groups[it.group] = before
			}
			return end
		case it.literal != nil:
			if !bytes.HasPrefix(m.text[at:], it.literal) {
				return -1
			}
			at += len(it.literal)
		case it.least == 1 && it.most == 1:
			size := m.step(it, at)
			if size == 0 {
				return -1
			}
			at += size
		default:
			return m.repeat(it, at, next)
		}
	}
	return at
}

// step returns the size of the character at a position, 0 if it is not of the set.
func (m *matcher) step(it *item, at int) int {
	if at >= len(m.text) {
		return 0
	}
	c := m.text[at]
	if c < utf8.RuneSelf {
		if it.ascii[c/32]&(1<<(c%32)) != 0 {
			return 1
		}
		return 0
	}
	r, size := utf8.DecodeRune(m.text[at:])
	if r == utf8.RuneError && size == 1 {
		m.failed = true
		return 0
	}
	for i := 0; i < len(it.ranges); i += 2 {
		if r >= it.ranges[i] && r <= it.ranges[i+1] {
			return size
		}
	}
	return 0
}

// repeat matches a set as often as it may, and the rest behind it.
func (m *matcher) repeat(it *item, at, next int) int {
	begin, count := at, 0
	for it.most < 0 || count < it.most {
		if it.lazy && count >= it.least {
			if end := m.rest(at, next); end >= 0 || m.failed {
				return end
			}
		}
		if m.steps--; m.steps < 0 {
			m.failed = true
		}
		size := m.step(it, at)
		if m.failed {
			return -1
		}
		if size == 0 {
			break
		}
		at += size
		count++
	}
	if count < it.least {
		return -1
	}
	if it.lazy {
		if it.most >= 0 && count == it.most {
			return m.rest(at, next)
		}
		return -1
	}
	for {
		if end := m.rest(at, next); end >= 0 || m.failed || count == it.least || at == begin {
			return end
		}
		if m.steps--; m.steps < 0 {
			m.failed = true
			return -1
		}
		_, size := utf8.DecodeLastRune(m.text[begin:at]) // the steps forth have seen that it is UTF-8
		at -= size
		count--
	}
}

// rest matches the items behind a repeated one. Where a text is due, its first byte decides first.
func (m *matcher) rest(at, next int) int {
	for follow := next + 1; follow < len(m.items); follow++ {
		if text := m.items[follow].literal; text != nil {
			if at >= len(m.text) || m.text[at] != text[0] {
				return -1
			}
			break
		}
		if m.items[follow].group < 0 {
			break
		}
	}
	return m.run(at, next+1)
}
