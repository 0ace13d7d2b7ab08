package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"toril/tools/engine/internal/text"
)

// program is a journey, compiled to steps that follow one another. Blocks have become jumps, so that what a session
// knows of its place is one number. All sessions share a program, and nothing changes it.
type program struct {
	journey  *journey
	steps    []step
	requests []*request // of the steps
	teardown int        // the first step of a pass's end
	names    *text.Names
	base     *text.Values      // with which all sessions begin
	columns  [][]text.Variable // of each data source
	counters int               // of loops, and flags of `once`
	depth    int               // of transactions within one another
}

type operation uint8

const (
	doRequest operation = iota // request
	doPause                    // think or duration
	doAssign                   // assignments
	doJump                     // to
	doUnless                   // to, if the condition is false
	doBegin                    // a loop: counter = 0
	doCount                    // one more round: to its end, after the last one
	doEach                     // the next value of a list: to the end, after the last one
	doOnce                     // to, unless it is the first time
	doEnter                    // a transaction
	doLeave                    // it
	doAct                      // an action
	doEnd                      // of a pass
)

type step struct {
	operation operation
	to        int
	index     int // of a counter, or the depth of a transaction
	request   *request
	think     *thinking
	text      text.Template // the duration of a pause, or the rounds of a loop
	rounds    int64         // if they are known; -1: as text says
	condition text.Condition
	assigned  []assignment
	flags     []int // of `once` blocks, which begin again
	input     string
	variable  text.Variable
	label     uint32
	timers    bool // a transaction's time includes think times
	action    action
}

type assignment struct {
	variable text.Variable
	value    text.Template
}

type action uint8

const (
	stopUser action = iota
	stopUserNow
	stopAll
	stopAllNow
	nextPass
)

// compiler turns a journey's blocks into a program.
type compiler struct {
	program  *program
	label    func(text, kind string) uint32
	traced   bool
	defaults *journey // of the scenario of the present block
	inside   []int    // numbers of `once` flags within the present loops
	depth    int
}

// compile returns the program of a journey. Its errors are for users.
func compile(j *journey, l *load, scope *text.Scope, label func(text, kind string) uint32) (*program, error) {
	p := &program{journey: j, names: &text.Names{}}
	for _, source := range l.Sources {
		var columns []text.Variable
		for _, name := range source.Columns {
			columns = append(columns, p.names.Variable(name))
		}
		p.columns = append(p.columns, columns)
	}
	c := &compiler{program: p, label: label, traced: l.Traceparent, defaults: j}
	variables, err := c.assignments(j.Variables)
	if err != nil {
		return nil, fmt.Errorf("variables: %w", err)
	}
	for number, blocks := range [...][]block{j.Setup, j.Steps, j.Teardown} {
		if number == 2 {
			p.teardown = len(p.steps)
		}
		if err := c.blocks(blocks); err != nil {
			return nil, err
		}
	}
	c.add(step{operation: doEnd})
	p.base = text.NewValues(p.names, nil)
	scope.Values = p.base
	for i := range variables {
		p.base.SetValue(variables[i].variable, variables[i].value.String(scope))
	}
	return p, nil
}

// fill gives the columns of data sources the values of a pass; false if a source has no row left.
func (p *program) fill(values *text.Values, f *feeds, local, global int64) bool {
	for source, columns := range p.columns {
		row := f.row(source, local, global)
		if row == nil {
			return false
		}
		for i, column := range columns {
			values.SetValue(column, row[i])
		}
	}
	return true
}

func (c *compiler) add(s step) int {
	c.program.steps = append(c.program.steps, s)
	return len(c.program.steps) - 1
}

// here makes a step jump to the next one that is added.
func (c *compiler) here(from int) { c.program.steps[from].to = len(c.program.steps) }

func (c *compiler) counter() int {
	c.program.counters++
	return c.program.counters - 1
}

// placed is an error with its place in the suite: that of the innermost block.
type placed struct{ error }

func (c *compiler) blocks(blocks []block) error {
	for i := range blocks {
		err := c.block(&blocks[i])
		if _, known := err.(placed); err != nil && !known {
			return placed{fmt.Errorf("%s: %w", blocks[i].At, err)}
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) block(b *block) error {
	switch b.Do {
	case "request":
		request, err := newRequest(b, c.defaults, c.program.names, c.traced, c.label(b.Label, "request"))
		if err != nil {
			return fmt.Errorf("%s: %w", b.Label, err)
		}
		c.add(step{operation: doRequest, request: request, think: b.Think})
		c.program.requests = append(c.program.requests, request)
		return nil
	case "transaction":
		depth := c.depth
		c.depth++
		c.program.depth = max(c.program.depth, c.depth)
		c.add(step{operation: doEnter, index: depth})
		err := c.blocks(b.Steps)
		c.depth--
		c.add(step{operation: doLeave, index: depth, label: c.label(b.Label, "transaction"), timers: b.IncludeTimers})
		return err
	case "if":
		return c.choice(b)
	case "once":
		index := c.counter()
		c.inside = append(c.inside, index)
		from := c.add(step{operation: doOnce, index: index})
		err := c.blocks(b.Steps)
		c.here(from)
		return err
	case "loop", "while", "foreach":
		return c.loop(b)
	case "set":
		assigned, err := c.assignments(b.Variables)
		c.add(step{operation: doAssign, assigned: assigned})
		return err
	case "pause":
		s := step{operation: doPause, think: &thinking{MeanS: b.ForS}}
		var err error
		if b.For != "" {
			s.think = nil
			s.text, err = text.Parse(b.For, c.program.names)
		}
		c.add(s)
		return err
	case "action":
		found, known := map[string]action{
			"stop current-thread": stopUser, "stop-now current-thread": stopUserNow, "stop all-threads": stopAll,
			"stop-now all-threads": stopAllNow, "continue current-thread": nextPass, "continue all-threads": nextPass,
		}[b.Action+" "+b.Target]
		if !known {
			return fmt.Errorf("unknown action %q for %q", b.Action, b.Target)
		}
		c.add(step{operation: doAct, action: found})
		return nil
	case "scenario":
		outer := c.defaults
		if b.Journey != nil {
			c.defaults = b.Journey
		}
		defer func() { c.defaults = outer }()
		assigned, err := c.assignments(c.defaults.Variables)
		if b.Journey != nil && len(assigned) > 0 {
			c.add(step{operation: doAssign, assigned: assigned})
		}
		if err != nil {
			return err
		}
		return c.blocks(b.Steps)
	}
	return fmt.Errorf("unknown block %q", b.Do)
}

func (c *compiler) choice(b *block) error {
	condition, err := text.ParseCondition(b.Condition, c.program.names)
	if err != nil {
		return fmt.Errorf("if: %w", err)
	}
	not := c.add(step{operation: doUnless, condition: condition, label: c.label(b.Condition, "transaction")})
	if err := c.blocks(b.Then); err != nil {
		return err
	}
	if len(b.Else) == 0 {
		c.here(not)
		return nil
	}
	done := c.add(step{operation: doJump})
	c.here(not)
	err = c.blocks(b.Else)
	c.here(done)
	return err
}

func parseRounds(fixed string) (int64, error) {
	rounds, err := strconv.ParseInt(strings.TrimSpace(fixed), 10, 64)
	if err != nil || rounds < 0 {
		return 0, fmt.Errorf("%q is no number of rounds", fixed)
	}
	return rounds, nil
}

func (c *compiler) loop(b *block) error {
	head := step{index: c.counter(), rounds: -1}
	var err error
	switch b.Do {
	case "loop":
		head.operation = doCount
		if head.text, err = text.Parse(string(b.Times), c.program.names); err == nil {
			if fixed, ok := head.text.Fixed(); ok {
				head.rounds, err = parseRounds(fixed)
			}
		}
	case "while":
		head.operation = doUnless
		head.condition, err = text.ParseCondition(b.Condition, c.program.names)
		head.label = c.label(b.Condition, "transaction") // of its errors
	default:
		head.operation, head.input, head.variable = doEach, b.Input, c.program.names.Variable(b.Variable)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.Do, err)
	}
	outer := c.inside
	c.inside = nil
	first := c.add(step{operation: doBegin, index: head.index})
	from := c.add(head)
	err = c.blocks(b.Steps)
	c.add(step{operation: doJump, to: from})
	c.here(from)
	if b.Do == "while" { // JMeter's counts on where it left off, so what is once within it is once for all
		c.inside = append(outer, c.inside...)
		return err
	}
	c.program.steps[first].flags, c.inside = c.inside, outer
	return err
}

func (c *compiler) assignments(pairs [][2]string) ([]assignment, error) {
	var assigned []assignment
	for _, pair := range pairs {
		value, err := text.Parse(pair[1], c.program.names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pair[0], err)
		}
		assigned = append(assigned, assignment{c.program.names.Variable(pair[0]), value})
	}
	return assigned, nil
}

// compileAll returns the programs of a load's journeys.
func compileAll(l *load, shared *text.Shared, label func(text, kind string) uint32) ([]*program, error) {
	scope := &text.Scope{Shared: shared, Rand: rand.New(rand.NewPCG(l.Seed, rand.Uint64())), Now: time.Now}
	var programs []*program
	for i := range l.Journeys {
		j := &l.Journeys[i]
		if !l.ofSessions() {
			j.Cookies, j.Cache = false, false // they are a user's
		}
		p, err := compile(j, l, scope, label)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}
