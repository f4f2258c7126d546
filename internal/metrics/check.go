package metrics

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// ErrMetric is the reason of every fault: a value that the catalogue does not allow.
var ErrMetric = errors.New("value not allowed")

// maxLabelBytes is the longest label value.
const maxLabelBytes = 128

// personal are label names that would carry one value per minion, job or user.
var personal = []string{"minion", "minion_id", "id", "jid", "job", "user", "tgt", "target", "fun", "tag", "peer", "address", "key"}

// byName finds rows of the catalogue.
var byName = sync.OnceValue(func() map[string]*Metric {
	index := make(map[string]*Metric, len(catalogue))
	for _, m := range catalogue {
		index[m.Name] = m
	}
	return index
})

// pairs joins the values with the names; absent labels are left out.
func (m *Metric) pairs(values []string) ([]Pair, error) {
	if len(values) > len(m.Labels) {
		return nil, fmt.Errorf("%w: %s has %d labels, not %d", ErrMetric, m.Name, len(m.Labels), len(values))
	}
	var pairs []Pair
	for i, v := range values {
		if v != "" {
			pairs = append(pairs, Pair{m.Labels[i].Name, v})
		}
	}
	return pairs, nil
}

// values is the opposite of pairs.
func (m *Metric) values(pairs []Pair) []string {
	values := make([]string, len(m.Labels))
	for _, p := range pairs {
		if i := slices.IndexFunc(m.Labels, func(l Label) bool { return l.Name == p.Name }); i >= 0 {
			values[i] = p.Value
		}
	}
	return values
}

// check refuses what the catalogue does not allow.
func (b *Builder) check(m *Metric, s Sample) error {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || m.Kind != Gauge && s.Value < 0 {
		return fmt.Errorf("%w: %s is %v", ErrMetric, m.Name, s.Value)
	}
	var have []Sample
	if i, ok := b.index[m]; ok {
		have = b.families[i].Samples
	}
	for _, other := range have {
		if samePairs(other.Labels, s.Labels) {
			return fmt.Errorf("%w: %s is there twice with %v", ErrMetric, m.Name, s.Labels)
		}
	}
	for _, p := range s.Labels {
		i := slices.IndexFunc(m.Labels, func(l Label) bool { return l.Name == p.Name })
		if err := m.Labels[i].check(p.Value, have); err != nil {
			return fmt.Errorf("%w: %s: label %s: %w", ErrMetric, m.Name, p.Name, err)
		}
	}
	return nil
}

var (
	errNotListed = errors.New("not a listed value")
	errLabelText = errors.New("not a short line of text")
	errJID       = errors.New("looks like a jid")
	errTooMany   = errors.New("too many different values")
)

// check tells whether v may be the label's value beside those that are there.
func (l Label) check(v string, have []Sample) error {
	if l.Values != nil {
		if !slices.Contains(l.Values, v) {
			return errNotListed
		}
		return nil
	}
	switch {
	case len(v) > maxLabelBytes, !utf8.ValidString(v), strings.ContainsFunc(v, unicode.IsControl):
		return errLabelText
	case looksLikeJID(v):
		return errJID
	}
	distinct := map[string]bool{v: true}
	for _, s := range have {
		for _, p := range s.Labels {
			if p.Name == l.Name {
				distinct[p.Value] = true
			}
		}
	}
	if len(distinct) > l.Max {
		return errTooMany
	}
	return nil
}

// looksLikeJID recognises twenty digits, and more after an underscore.
func looksLikeJID(v string) bool {
	head, _, _ := strings.Cut(v, "_")
	return len(head) == 20 && strings.Trim(head, "0123456789") == ""
}
