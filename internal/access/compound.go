package access

import (
	"strings"

	"github.com/saltern-io/saltern/internal/target"
)

// maxCompoundWords bounds one compound expression.
const maxCompoundWords = 1024

// CompoundIDs resolves a compound target over ids, as far as ids alone decide: globs, lists (L@), expressions (E@), and
// what and, or, not and parentheses make of them. Words stand apart by white space; not binds closest, then and; "a not
// b" means "a and not b" (spec: master-functions §6). ok is false for anything else: other kinds need grains, pillar or
// groups, and who cannot be resolved must not be allowed anything.
func CompoundIDs(compound string, ids []string) (set map[string]bool, ok bool) {
	if len(compound) > target.MaxExpr {
		return nil, false
	}
	p := compoundParser{words: strings.Fields(compound), ids: ids}
	if len(p.words) == 0 || len(p.words) > maxCompoundWords {
		return nil, false
	}
	set = p.or()
	if p.failed || p.at != len(p.words) {
		return nil, false
	}
	return set, true
}

// compoundParser walks the words once, by recursive descent; nesting is bounded by maxCompoundWords.
type compoundParser struct {
	words  []string
	at     int
	ids    []string
	failed bool
}

func (p *compoundParser) fail() map[string]bool {
	p.failed = true
	return nil
}

func (p *compoundParser) peek() string {
	if p.failed || p.at == len(p.words) {
		return ""
	}
	return p.words[p.at]
}

func (p *compoundParser) or() map[string]bool {
	set := p.and()
	for p.peek() == "or" {
		p.at++
		for id := range p.and() {
			set[id] = true
		}
	}
	return set
}

func (p *compoundParser) and() map[string]bool {
	set := p.not()
	for {
		switch p.peek() {
		case "and":
			p.at++
		case "not": // "a not b"
		default:
			return set
		}
		other := p.not()
		for id := range set {
			if !other[id] {
				delete(set, id)
			}
		}
	}
}

func (p *compoundParser) not() map[string]bool {
	if p.peek() != "not" {
		return p.word()
	}
	p.at++
	if p.peek() == "not" {
		return p.fail()
	}
	out := p.word()
	set := make(map[string]bool, len(p.ids))
	for _, id := range p.ids {
		if !out[id] {
			set[id] = true
		}
	}
	return set
}

func (p *compoundParser) word() map[string]bool {
	word := p.peek()
	switch word {
	case "", "and", "or", "not", ")":
		return p.fail()
	case "(":
		p.at++
		set := p.or()
		if p.peek() != ")" {
			return p.fail()
		}
		p.at++
		return set
	}
	p.at++
	kind := target.KindGlob
	if engine, rest, marked := strings.Cut(word, "@"); marked {
		switch engine {
		case "L":
			kind, word = target.KindList, rest
		case "E":
			kind, word = target.KindPCRE, rest
		default:
			return p.fail()
		}
	}
	if word == "" || strings.ContainsAny(word, "()") && kind != target.KindPCRE {
		return p.fail()
	}
	matcher, err := target.Parse(kind, word, "")
	if err != nil {
		return p.fail()
	}
	minions, _, err := matcher.MatchErr(p.ids)
	if err != nil {
		return p.fail()
	}
	set := make(map[string]bool, len(minions))
	for _, id := range minions {
		set[id] = true
	}
	return set
}
