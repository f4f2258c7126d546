package target

import (
	"strings"
	"unicode/utf8"
)

// globKind picks the cheapest way to run a pattern; most targets people type are the first four.
type globKind uint8

const (
	globAll     globKind = iota // "*"
	globLiteral                 // "web1"
	globPrefix                  // "web*"
	globSuffix                  // "*.example.com"
	globGeneral
)

// globMatcher runs one shell pattern with the rules of Python's fnmatch: case matters, "*" crosses
// every character, "[" without its "]" is an ordinary character, there is no escape character.
type globMatcher struct {
	kind   globKind
	text   string // the fixed part for the simple kinds
	tokens []globToken
}

type tokenKind uint8

const (
	tokenText tokenKind = iota
	tokenAny            // ?
	tokenStar           // *
	tokenSet            // [...]
)

type globToken struct {
	kind   tokenKind
	text   string
	negate bool
	ranges []runeRange
}

type runeRange struct{ lo, hi rune }

func parseGlob(pattern string) *globMatcher {
	tokens := globTokens(pattern)
	m := &globMatcher{kind: globGeneral, tokens: tokens}
	switch {
	case len(tokens) == 0:
		m.kind = globLiteral
	case len(tokens) == 1 && tokens[0].kind == tokenStar:
		m.kind = globAll
	case len(tokens) == 1 && tokens[0].kind == tokenText:
		m.kind, m.text = globLiteral, tokens[0].text
	case len(tokens) == 2 && tokens[0].kind == tokenText && tokens[1].kind == tokenStar:
		m.kind, m.text = globPrefix, tokens[0].text
	case len(tokens) == 2 && tokens[0].kind == tokenStar && tokens[1].kind == tokenText:
		m.kind, m.text = globSuffix, tokens[1].text
	}
	return m
}

// globTokens cuts a pattern into tokens. Neighbouring stars become one, neighbouring text one piece.
func globTokens(pattern string) []globToken {
	var tokens []globToken
	text := func(s string) {
		if n := len(tokens); n > 0 && tokens[n-1].kind == tokenText {
			tokens[n-1].text += s
			return
		}
		tokens = append(tokens, globToken{kind: tokenText, text: s})
	}
	for i := 0; i < len(pattern); {
		switch pattern[i] {
		case '*':
			if n := len(tokens); n == 0 || tokens[n-1].kind != tokenStar {
				tokens = append(tokens, globToken{kind: tokenStar})
			}
			i++
		case '?':
			tokens = append(tokens, globToken{kind: tokenAny})
			i++
		case '[':
			body, size := globSet(pattern[i:])
			if size == 0 {
				text("[")
				i++
				continue
			}
			tokens = append(tokens, setToken(body))
			i += size
		default:
			next := strings.IndexAny(pattern[i:], "*?[")
			if next < 0 {
				next = len(pattern) - i
			}
			text(pattern[i : i+next])
			i += next
		}
	}
	return tokens
}

// globSet returns what stands between the brackets at the start of s and the size of the whole, or
// size 0 when there is no closing bracket. A "]" right after "[" or "[!" belongs to the set.
func globSet(s string) (body string, size int) {
	start := 1
	if start < len(s) && s[start] == '!' {
		start++
	}
	if start < len(s) && s[start] == ']' {
		start++
	}
	if start > len(s) {
		return "", 0
	}
	end := strings.IndexByte(s[start:], ']')
	if end < 0 {
		return "", 0
	}
	return s[1 : start+end], start + end + 1
}

// setToken reads the inside of brackets. A range that runs backwards is empty. A hyphen is a plain
// character at either end and right after a range.
func setToken(body string) globToken {
	token := globToken{kind: tokenSet}
	if rest, ok := strings.CutPrefix(body, "!"); ok {
		token.negate, body = true, rest
	}
	runes := []rune(body)
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '-' {
			if lo, hi := runes[i], runes[i+2]; lo <= hi {
				token.ranges = append(token.ranges, runeRange{lo, hi})
			}
			i += 2
			continue
		}
		token.ranges = append(token.ranges, runeRange{runes[i], runes[i]})
	}
	return token
}

func (t *globToken) contains(r rune) bool {
	for _, span := range t.ranges {
		if span.lo <= r && r <= span.hi {
			return !t.negate
		}
	}
	return t.negate
}

func (m *globMatcher) Match(ids []string) (minions, missing []string) {
	if m.kind == globAll {
		return ids, nil
	}
	return selectIDs(ids, m.matchOne), nil
}

func (m *globMatcher) MatchErr(ids []string) (minions, missing []string, err error) {
	minions, missing = m.Match(ids)
	return minions, missing, nil
}

func (m *globMatcher) matchOne(id string) bool {
	switch m.kind {
	case globAll:
		return true
	case globLiteral:
		return id == m.text
	case globPrefix:
		return strings.HasPrefix(id, m.text)
	case globSuffix:
		return strings.HasSuffix(id, m.text)
	}
	// Both ends first: they refuse most ids at the price of a comparison.
	tokens := m.tokens
	if first := tokens[0]; first.kind == tokenText {
		rest, ok := strings.CutPrefix(id, first.text)
		if !ok {
			return false
		}
		tokens, id = tokens[1:], rest
	}
	if last := tokens[len(tokens)-1]; last.kind == tokenText {
		rest, ok := strings.CutSuffix(id, last.text)
		if !ok {
			return false
		}
		tokens, id = tokens[:len(tokens)-1], rest
	}
	return matchTokens(tokens, id)
}

// selectIDs returns the ids that match. Sorted ids mostly match in one run, which is returned as a
// part of ids without a copy.
func selectIDs(ids []string, match func(string) bool) []string {
	i := 0
	for i < len(ids) && !match(ids[i]) {
		i++
	}
	start := i
	for i < len(ids) && match(ids[i]) {
		i++
	}
	run := ids[start:i:i]
	for i++; i < len(ids); i++ {
		if !match(ids[i]) {
			continue
		}
		more := make([]string, 0, len(run)+len(ids)-i)
		more = append(append(more, run...), ids[i])
		for _, id := range ids[i+1:] {
			if match(id) {
				more = append(more, id)
			}
		}
		return more
	}
	return run
}

// matchTokens walks text and tokens once and goes back only to the latest star, so that its time is
// bounded by len(tokens) times len(id), whatever the pattern.
func matchTokens(tokens []globToken, id string) bool {
	t, i := 0, 0
	starToken, starAt := -1, 0
	for {
		if t == len(tokens) {
			if i == len(id) {
				return true
			}
		} else if tokens[t].kind == tokenStar {
			if t == len(tokens)-1 {
				return true
			}
			starToken, starAt = t, i
			t++
			continue
		} else if size := tokens[t].match(id[i:]); size >= 0 {
			t++
			i += size
			continue
		}
		if starToken < 0 || starAt >= len(id) {
			return false
		}
		_, size := utf8.DecodeRuneInString(id[starAt:])
		starAt += size
		if next := &tokens[starToken+1]; next.kind == tokenText {
			skip := strings.Index(id[starAt:], next.text)
			if skip < 0 {
				return false
			}
			starAt += skip
		}
		t, i = starToken+1, starAt
	}
}

// match returns how many bytes of s the token takes, or -1.
func (t *globToken) match(s string) int {
	if t.kind == tokenText {
		if strings.HasPrefix(s, t.text) {
			return len(t.text)
		}
		return -1
	}
	if s == "" {
		return -1
	}
	r, size := utf8.DecodeRuneInString(s)
	if t.kind == tokenAny || t.contains(r) {
		return size
	}
	return -1
}
