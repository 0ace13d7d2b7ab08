// Package text holds what the texts of a suite mean: references to variables and functions, the variables of one user,
// and conditions.
package text

import "strings"

// Names gives each variable that a suite names a slot. It grows while a suite is compiled and must not change
// afterwards: the values of all users share it. The zero value is ready. A nil Names interns nothing.
type Names struct {
	slots   map[string]int
	grouped []bool // by slot: the suite refers to a group of the value, such as name_g1
	dynamic bool   // the suite computes names, so it may refer to any
}

// slot returns the slot of a name, which it interns; -1 without Names.
func (n *Names) slot(name string) int {
	if n == nil {
		return -1
	}
	if at, ok := n.slots[name]; ok {
		return at
	}
	if n.slots == nil {
		n.slots = map[string]int{}
	}
	at := len(n.slots)
	n.slots[name] = at
	n.grouped = append(n.grouped, false)
	if of, ok := groupOf(name); ok {
		n.grouped[n.slot(of)] = true
	}
	return at
}

// groupOf returns the variable whose group a name such as token_g1 or token_2_g0 means.
func groupOf(name string) (string, bool) {
	at := strings.LastIndex(name, "_g")
	if at < 1 || strings.Trim(name[at+2:], "0123456789") != "" {
		return "", false
	}
	of := name[:at]
	if cut := strings.LastIndexByte(of, '_'); cut > 0 && strings.Trim(of[cut+1:], "0123456789") == "" {
		return of[:cut], true
	}
	return of, true
}

// Variable is a name with its slot.
type Variable struct {
	Name string
	slot int
}

// Variable interns a name. Access by a Variable is faster than by name.
func (n *Names) Variable(name string) Variable { return Variable{name, n.slot(name)} }

// Grouped reports whether the suite may refer to a group of the variable's match, such as name_g1.
func (n *Names) Grouped(v Variable) bool {
	return n == nil || n.dynamic || v.slot >= 0 && n.grouped[v.slot]
}
