package main

import (
	"strings"
	"testing"
)

func TestTable_print(t *testing.T) {
	var tab table
	tab.add(row{name: "met", unit: "ms", values: []float64{0.5, 0.7, 0.6}, floor: 0.3, aim: 0.6})
	tab.add(row{name: "missed", unit: "ms", values: []float64{0.5, 0.7}, aim: 0.59})
	tab.add(row{name: "a rate met", unit: "/s", values: []float64{120, 80}, aim: 100, least: true})
	tab.add(row{name: "a rate missed", unit: "/s", values: []float64{99}, aim: 100, least: true})
	tab.add(row{name: "no aim", unit: "MiB", values: []float64{43.21}})
	var out strings.Builder
	tab.print(&out)
	var got [][]string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line))
	}
	for i, want := range []string{
		"what min median max floor ratio aim met",
		"met (ms) 0.5000 0.6000 0.7000 0.3000 2.0 0.6000 yes",
		"missed (ms) 0.5000 0.6000 0.7000 0.5900 NO",
		"a rate met (/s) 80.0 100 120 100 yes",
		"a rate missed (/s) 99.0 99.0 99.0 100 NO",
		"no aim (MiB) 43.2 43.2 43.2",
	} {
		if line := strings.Join(got[i], " "); line != want {
			t.Errorf("line %d: %s\nwant    %s", i, line, want)
		}
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0.0144: "0.0144", 1.234: "1.23", 12.34: "12.3", 1234: "1234"} {
		if got := figure(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
