package text

import (
	"cmp"
	"maps"
	"slices"
)

// All returns the names and values of all variables that have one, by name. A value of the user hides that of base.
func (v *Values) All() [][2]string {
	all := map[string]string{}
	for ; v != nil; v = v.base {
		own := map[string]string{}
		if v.names != nil {
			for name, slot := range v.names.slots {
				if slot < len(v.slots) && v.set[slot/64]&(1<<(slot%64)) != 0 {
					own[name] = v.slots[slot]
				}
			}
		}
		maps.Copy(own, v.more)
		maps.Copy(own, all)
		all = own
	}
	pairs := make([][2]string, 0, len(all))
	for name, value := range all {
		pairs = append(pairs, [2]string{name, value})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return pairs
}
