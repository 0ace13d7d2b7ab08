package text

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Values are the variables of one user. Make them by NewValues. They hold copies, never a part of a response.
type Values struct {
	names *Names
	base  *Values  // read where a variable is not set here; shared by all users
	slots []string // by the slot of names; allocated by the first Set
	set   []uint64 // a bit for each slot that has a value
	more  map[string]string
}

// NewValues returns the variables of a user. It reads what it does not have from base, which may be nil and which
// must not change while users read it.
func NewValues(names *Names, base *Values) *Values { return &Values{names: names, base: base} }

// Get returns a variable's value. ok is false if it has none.
func (v *Values) Get(name string) (value string, ok bool) {
	slot := -1
	if v.names != nil {
		if at, known := v.names.slots[name]; known {
			slot = at
		}
	}
	return v.Value(Variable{name, slot})
}

// Value is Get by an interned name.
func (v *Values) Value(of Variable) (value string, ok bool) {
	for ; v != nil; v = v.base {
		if of.slot < 0 {
			if value, ok = v.more[of.Name]; ok {
				return value, true
			}
		} else if of.slot < len(v.slots) && v.set[of.slot/64]&(1<<(of.slot%64)) != 0 {
			return v.slots[of.slot], true
		}
	}
	return "", false
}

// Set gives a variable a value. The caller has copied the value if it is a part of something larger.
func (v *Values) Set(name, value string) {
	slot := -1
	if v.names != nil {
		if at, known := v.names.slots[name]; known {
			slot = at
		}
	}
	v.SetValue(Variable{name, slot}, value)
}

// SetValue is Set by an interned name.
func (v *Values) SetValue(of Variable, value string) {
	if of.slot < 0 {
		if v.more == nil {
			v.more = map[string]string{}
		}
		v.more[of.Name] = value
		return
	}
	if of.slot >= len(v.slots) {
		size := len(v.names.slots)
		slots, set := make([]string, size), make([]uint64, (size+63)/64)
		copy(slots, v.slots)
		copy(set, v.set)
		v.slots, v.set = slots, set
	}
	v.slots[of.slot] = value
	v.set[of.slot/64] |= 1 << (of.slot % 64)
}

// SetBytes is SetValue with a copy of bytes. It allocates nothing if the variable has this value already.
func (v *Values) SetBytes(of Variable, value []byte) {
	if of.slot >= 0 && of.slot < len(v.slots) && v.set[of.slot/64]&(1<<(of.slot%64)) != 0 &&
		v.slots[of.slot] == string(value) {
		return
	}
	v.SetValue(of, string(value))
}

// Remove forgets what Set gave. The value of base, if there is one, counts again.
func (v *Values) Remove(name string) {
	if v.names != nil {
		if at, known := v.names.slots[name]; known {
			if at < len(v.slots) {
				v.slots[at] = ""
				v.set[at/64] &^= 1 << (at % 64)
			}
			return
		}
	}
	delete(v.more, name)
}

// Reset forgets everything that Set gave and keeps the memory for the next user.
func (v *Values) Reset() {
	clear(v.slots)
	clear(v.set)
	v.more = nil
}

// Scope is what a text is evaluated in: one user at one moment. A loop can share one Scope and set what differs.
type Scope struct {
	Values    *Values
	Thread    int        // of the user, from 1: ${__threadNum}
	Iteration int64      // of the user, from 0
	Shared    *Shared    // never nil
	Rand      *rand.Rand // never nil
	Now       func() time.Time
	LastOK    bool // the user's last request: ${JMeterThread.last_sample_ok}
}

// Shared is what all users have in common: the counters. It may be used by several goroutines. The zero
// value is ready.
type Shared struct {
	lock     sync.Mutex
	counters map[any]int64
}

// count returns how often it was called with this key, from 1.
func (s *Shared) count(key any) int64 {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.counters == nil {
		s.counters = map[any]int64{}
	}
	s.counters[key]++
	return s.counters[key]
}
