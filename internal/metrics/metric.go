package metrics

import (
	"fmt"
	"slices"
)

// Kind says how the values of a metric are read.
type Kind uint8

// The kinds. A Summary has a sum and a count and no quantiles: the mean over any time is the quotient of
// their increases.
const (
	Counter Kind = iota // only grows, from 0 at the start of the daemon
	Gauge               // now
	Summary
)

var kindNames = []string{"counter", "gauge", "summary"}

// String is the name in the text format.
func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(kindNames, string(b))
	if i < 0 {
		return fmt.Errorf("unknown kind of metric %q", b)
	}
	*k = Kind(i)
	return nil
}

// Label is one dimension of a metric. Values is the complete list of what it can be; without it values come
// from From, at most Max of them in one snapshot.
type Label struct {
	Name   string
	Values []string
	From   string
	Max    int
}

// Metric is a row of the catalogue.
type Metric struct {
	Name   string
	Help   string
	Kind   Kind
	Labels []Label
}

// catalogue is filled by define while the package is initialised, in the order of the sources.
var catalogue []*Metric

// define adds a metric to the catalogue.
func define(kind Kind, name, help string, labels ...Label) *Metric {
	m := &Metric{Name: name, Help: help, Kind: kind, Labels: labels}
	catalogue = append(catalogue, m)
	return m
}

// All lists every metric there is.
func All() []*Metric { return slices.Clone(catalogue) }
