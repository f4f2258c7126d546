package saltkey

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/pki"
)

// keyID is one key: an id in a state.
type keyID struct {
	state pki.State
	id    string
}

// filter narrows what a pattern matches; it never widens it.
type filter struct {
	states       map[pki.State]bool // nil: all
	older, newer time.Duration      // 0: any age
	now          time.Time
}

func (o *options) newFilter() filter {
	states, _ := parseStates(o.states) // checked with the command line
	return filter{states: states, older: o.olderThan, newer: o.newerThan, now: time.Now()}
}

// keeps tells whether a key passes. Its age is that of its file: since the minion first came with it. A
// key that is gone passes no filter of age.
func (f filter) keeps(pkiDir string, k keyID) bool {
	if f.states != nil && !f.states[k.state] {
		return false
	}
	if f.older == 0 && f.newer == 0 {
		return true
	}
	info, err := os.Lstat(filepath.Join(pkiDir, k.state.Dir(), k.id))
	if err != nil {
		return false
	}
	age := f.now.Sub(info.ModTime())
	return (f.older == 0 || age > f.older) && (f.newer == 0 || age < f.newer)
}

// match returns the keys whose id matches pattern, globs separated by commas: state by state in the
// order given, ids in the order of the globs and each once.
func (t *tool) match(pattern string, states []pki.State) ([]keyID, error) {
	globs, err := parseGlobs(pattern)
	if err != nil {
		return nil, err
	}
	if err := t.needStore(); err != nil {
		return nil, err
	}
	var keys []keyID
	for _, state := range states {
		if t.filter.states != nil && !t.filter.states[state] {
			continue
		}
		ids, err := t.store.List(state)
		if err != nil {
			return nil, err
		}
		for _, id := range globs.match(ids) {
			if k := (keyID{state, id}); t.filter.keeps(t.cfg.PKIDir, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys, nil
}

func (t *tool) needStore() error {
	if t.store != nil {
		return nil
	}
	return t.openStore()
}

// globs are the items of a pattern; none means everything.
type globs []target.Matcher

// parseGlobs reads a comma-separated list of shell globs (spec: key-management-cli §3.1).
func parseGlobs(pattern string) (globs, error) {
	if pattern == "*" {
		return nil, nil
	}
	var list globs
	for item := range strings.SplitSeq(pattern, ",") {
		m, err := target.Parse(target.KindGlob, item, "")
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// match selects ids in the order of the items, each id once.
func (g globs) match(ids []string) []string {
	if len(g) == 0 {
		return ids
	}
	if len(g) == 1 {
		found, _ := g[0].Match(ids)
		return found
	}
	var found []string
	seen := map[string]bool{}
	for _, m := range g {
		matched, _ := m.Match(ids)
		for _, id := range matched {
			if !seen[id] {
				seen[id] = true
				found = append(found, id)
			}
		}
	}
	return found
}

// placement says in which states ids are.
type placement map[pki.State]map[string]bool

// place looks where all keys are now, with one reading of each directory.
func (t *tool) place() (placement, error) {
	p := placement{}
	for _, state := range t.mode.states {
		ids, err := t.store.List(state)
		if err != nil {
			return nil, err
		}
		p[state] = make(map[string]bool, len(ids))
		for _, id := range ids {
			p[state][id] = true
		}
	}
	return p, nil
}

// known tells whether an id has a key in any state.
func (p placement) known(id string) bool {
	for _, ids := range p {
		if ids[id] {
			return true
		}
	}
	return false
}

func hasState(states []pki.State, s pki.State) bool { return slices.Contains(states, s) }
