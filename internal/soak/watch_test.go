package main

import (
	"errors"
	"testing"
)

// series makes a watch of one daemon whose descriptors have these values.
func series(values ...float64) *watch {
	d := &daemon{name: "x"}
	for i := range kinds {
		d.series[i] = make([]float64, len(values))
	}
	d.series[2] = values
	return &watch{daemons: []*daemon{d}}
}

func TestFlat(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		flat   bool
	}{
		{"nothing", nil, true},
		{"one", []float64{7}, true},
		{"flat", []float64{10, 10, 40, 40, 40, 40, 40, 40}, true},
		{"peaks", []float64{10, 10, 40, 40, 900, 40, 900, 41}, true},
		{"grows", []float64{10, 20, 40, 50, 60, 70, 80, 90}, false},
		{"within the slack", []float64{10, 10, 40, 40, 40, 40, 52, 52}, true},
		{"above it", []float64{10, 10, 40, 40, 40, 40, 53, 53}, false},
	} {
		if err := series(c.values...).flat(); (err == nil) != c.flat || err != nil && !errors.Is(err, errUnsound) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLine_heals(t *testing.T) {
	l, err := newLine()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}
