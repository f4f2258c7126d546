package metrics

import (
	"fmt"
	"time"
)

// maxFaults bounds what a Snapshot tells about values that were left out.
const maxFaults = 20

// Pair is one label with its value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Sample is one value of a metric. Count is set for summaries only; Value is then the sum.
type Sample struct {
	Labels []Pair  `json:"labels,omitempty"`
	Value  float64 `json:"value"`
	Count  uint64  `json:"count,omitempty"`
}

// Family is a metric with its values.
type Family struct {
	Name    string   `json:"name"`
	Help    string   `json:"help"`
	Kind    Kind     `json:"kind"`
	Samples []Sample `json:"samples"`
}

// Snapshot is the values of all metrics at one moment.
type Snapshot struct {
	Time     time.Time `json:"time"`
	Families []Family  `json:"families"`
	Faults   []string  `json:"faults,omitempty"` // why values were left out, at most 20
}

// Value finds the value of a metric with exactly these label values, in the order of the catalogue, "" for a
// label that is absent.
func (s Snapshot) Value(m *Metric, labels ...string) (float64, bool) {
	want, err := m.pairs(labels)
	if err != nil {
		return 0, false
	}
	for _, f := range s.Families {
		if f.Name != m.Name {
			continue
		}
		for _, sample := range f.Samples {
			if samePairs(sample.Labels, want) {
				return sample.Value, true
			}
		}
	}
	return 0, false
}

func samePairs(a, b []Pair) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Builder collects values. What the catalogue does not allow is left out and told in Faults: a metrics page
// must not break because one value is wrong, and never shows an id.
type Builder struct {
	families []Family
	index    map[*Metric]int
	faults   []string
}

// Add sets a value. Labels are given in the order of the catalogue, "" for one that is absent.
func (b *Builder) Add(m *Metric, value float64, labels ...string) {
	b.add(m, Sample{Value: value}, labels)
}

// Observe sets a summary: how many, and their sum.
func (b *Builder) Observe(m *Metric, count uint64, sum float64, labels ...string) {
	b.add(m, Sample{Value: sum, Count: count}, labels)
}

func (b *Builder) add(m *Metric, s Sample, labels []string) {
	var err error
	if s.Labels, err = m.pairs(labels); err == nil {
		err = b.check(m, s)
	}
	if err != nil {
		b.fault(err)
		return
	}
	i, known := b.index[m]
	if !known {
		if b.index == nil {
			b.index = make(map[*Metric]int)
		}
		i = len(b.families)
		b.index[m] = i
		b.families = append(b.families, Family{Name: m.Name, Help: m.Help, Kind: m.Kind})
	}
	b.families[i].Samples = append(b.families[i].Samples, s)
}

func (b *Builder) fault(err error) {
	if len(b.faults) < maxFaults {
		b.faults = append(b.faults, err.Error())
	}
}

// Merge takes over the families of a snapshot made before. A metric may be in one of them only.
func (b *Builder) Merge(s Snapshot) {
	for _, f := range s.Families {
		m := byName()[f.Name]
		if m == nil {
			b.fault(fmt.Errorf("%w: %s is not in the catalogue", ErrMetric, f.Name))
			continue
		}
		for _, sample := range f.Samples {
			b.add(m, sample, m.values(sample.Labels))
		}
	}
	for _, f := range s.Faults {
		b.fault(fmt.Errorf("%s", f))
	}
}

// Snapshot returns what was collected, families in the order of the catalogue.
func (b *Builder) Snapshot(now time.Time) Snapshot {
	s := Snapshot{Time: now, Faults: b.faults, Families: make([]Family, 0, len(b.families))}
	for _, m := range catalogue {
		if i, ok := b.index[m]; ok {
			s.Families = append(s.Families, b.families[i])
		}
	}
	return s
}
