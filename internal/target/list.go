package target

import (
	"fmt"
	"strings"
)

// listMatcher holds the names of a list target in the order asked for, each once.
type listMatcher struct {
	names []string
	index map[string]int
}

func parseList(expr any) (Matcher, error) {
	var names []string
	switch e := expr.(type) {
	case string:
		names = strings.Split(e, ",")
	case []byte:
		names = strings.Split(string(e), ",")
	case []string:
		names = e
	case []any:
		names = make([]string, 0, len(e))
		for i, item := range e {
			switch name := item.(type) {
			case string:
				names = append(names, name)
			case []byte:
				names = append(names, string(name))
			default:
				return nil, fmt.Errorf("%w: list item %d is %T, not text", ErrExpr, i, item)
			}
		}
	default:
		return nil, fmt.Errorf("%w: list target is %T", ErrExpr, expr)
	}
	m := listMatcher{index: make(map[string]int, len(names))}
	for _, name := range names {
		if name == "" {
			continue
		}
		if _, double := m.index[name]; double {
			continue
		}
		m.index[name] = len(m.names)
		m.names = append(m.names, name)
	}
	return m, nil
}

func (m listMatcher) Match(ids []string) (minions, missing []string) {
	minions = make([]string, 0, min(len(m.names), len(ids)))
	found := make([]bool, len(m.names))
	hits := 0
	for _, id := range ids {
		if i, ok := m.index[id]; ok && !found[i] {
			minions = append(minions, id)
			found[i] = true
			if hits++; hits == len(m.names) {
				return minions, nil
			}
		}
	}
	for i, name := range m.names {
		if !found[i] {
			missing = append(missing, name)
		}
	}
	return minions, missing
}

func (m listMatcher) MatchErr(ids []string) (minions, missing []string, err error) {
	minions, missing = m.Match(ids)
	return minions, missing, nil
}
