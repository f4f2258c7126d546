package access

import (
	"fmt"

	"github.com/saltern-io/saltern/internal/wire"
)

// Targets tells which minions a target names, and is how an AuthList entry limits a user to some
// minions: every minion of the request must be among those the entry names.
type Targets func(compound string) (ids map[string]bool, ok bool)

// AuthList is the rights of one caller, in the access language of Salt
// (spec: master-functions §4.4).
//
// Entries are a function expression (matched at the start of the name), or a map of one target to
// a list of functions, each an expression or a map from expression to demands on the arguments.
// Anything else allows nothing.
type AuthList []any

// Request is the publication to be judged.
type Request struct {
	Funs    []string // every one must be allowed; stock is content with one, which is a hole
	Args    [][]any  // arguments per function
	Minions []string // the minions that the target resolved to
	// Undecided: the target may name others than Minions, because ids alone do not decide it. An entry that is limited to
	// some minions allows nothing then.
	Undecided bool
}

// findJob always passes: a client that may publish at all must be able to ask after its job.
const findJob = "saltutil.find_job"

// Allows reports whether every function of r is allowed on every minion of r.
func (l AuthList) Allows(r Request, targets Targets) bool {
	for i, fun := range r.Funs {
		if fun == findJob {
			continue
		}
		var args []any
		if i < len(r.Args) {
			args = r.Args[i]
		}
		limits := targets
		if r.Undecided {
			limits = nil
		}
		if !l.allowsOne(fun, args, r.Minions, limits) {
			return false
		}
	}
	return len(r.Funs) > 0
}

func (l AuthList) allowsOne(fun string, args []any, minions []string, targets Targets) bool {
	for _, entry := range l {
		switch e := entry.(type) {
		case string:
			if startMatch(e, fun) {
				return true
			}
		case *wire.Map:
			if e.Len() != 1 {
				continue
			}
			tgt, funs := e.At(0)
			name, ok := tgt.(string)
			if ok && covers(name, minions, targets) && functionAllowed(funs, fun, args) {
				return true
			}
		}
	}
	return false
}

func covers(target string, minions []string, targets Targets) bool {
	if targets == nil {
		return false
	}
	ids, ok := targets(target)
	if !ok {
		return false
	}
	for _, id := range minions {
		if !ids[id] {
			return false
		}
	}
	return true
}

// functionAllowed walks the function part of a target entry: a string, a map, or a list of those.
func functionAllowed(rule any, fun string, args []any) bool {
	switch r := rule.(type) {
	case string:
		return startMatch(r, fun)
	case []any:
		for _, one := range r {
			if functionAllowed(one, fun, args) {
				return true
			}
		}
	case *wire.Map:
		for key, demands := range r.All() {
			if name, ok := key.(string); ok && startMatch(name, fun) && argsAllowed(demands, args) {
				return true
			}
		}
	}
	return false
}

// argsAllowed checks positional and keyword arguments as text. A nil pattern allows anything, and
// arguments beyond those named are allowed, as stock does.
func argsAllowed(demands any, args []any) bool {
	switch d := demands.(type) {
	case nil:
		return true
	case []any:
		for _, one := range d {
			if argsAllowed(one, args) {
				return true
			}
		}
		return false
	case *wire.Map:
		positional, keyword := splitArgs(args)
		for i, pattern := range d.List("args") {
			if pattern == nil {
				continue
			}
			if i >= len(positional) || !startMatch(fmt.Sprint(pattern), text(positional[i])) {
				return false
			}
		}
		if want := d.Map("kwargs"); want != nil {
			for key, pattern := range want.All() {
				if pattern == nil {
					continue
				}
				have, ok := keyword.Get(fmt.Sprint(key))
				if !ok || !startMatch(fmt.Sprint(pattern), text(have)) {
					return false
				}
			}
		}
		return true
	default:
		return false
	}
}

// splitArgs parts the wire's argument list into positional values and the trailing keyword map.
func splitArgs(args []any) ([]any, *wire.Map) {
	keyword := wire.NewMap()
	var positional []any
	for _, a := range args {
		if m, ok := a.(*wire.Map); ok {
			if marked, _ := m.Get("__kwarg__"); marked == true {
				keyword = m
				continue
			}
		}
		positional = append(positional, a)
	}
	return positional, keyword
}

// text is the value as the expressions see it: Python's str().
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	default:
		return fmt.Sprint(v)
	}
}
