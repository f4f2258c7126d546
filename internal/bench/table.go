package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// row is one measured quantity; every figure is in the row's unit.
type row struct {
	name   string
	unit   string
	values []float64
	floor  float64 // physical cost measured in this run, 0 = none
	aim    float64 // at most, 0 = none
	least  bool    // the aim is the least it has to be
}

// table collects rows and the floors that later rows compare with.
type table struct {
	rows   []row
	floors floors
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

func (r row) median() float64 {
	sorted := slices.Sorted(slices.Values(r.values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "what\tmin\tmedian\tmax\tfloor\tratio\taim\tmet\t")
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s (%s)\t%s\t%s\t%s\t", r.name, r.unit, figure(slices.Min(r.values)), figure(r.median()), figure(slices.Max(r.values)))
		if r.floor > 0 {
			fmt.Fprintf(tw, "%s\t%.1f\t", figure(r.floor), r.median()/r.floor)
		} else {
			fmt.Fprint(tw, "\t\t")
		}
		switch {
		case r.aim == 0:
			fmt.Fprint(tw, "\t\t")
		case r.least && r.median() >= r.aim, !r.least && r.median() <= r.aim:
			fmt.Fprintf(tw, "%s\tyes\t", figure(r.aim))
		default:
			fmt.Fprintf(tw, "%s\tNO\t", figure(r.aim))
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}

// figure prints three significant digits without an exponent.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}
