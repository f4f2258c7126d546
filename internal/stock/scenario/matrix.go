package scenario

import (
	"fmt"
	"io"
	"strings"
)

// WriteMatrix prints scenarios as rows and releases as columns, then every failure with its reason. It
// returns the number of failures. Cells are in the order Run returned them.
func WriteMatrix(w io.Writer, releases []string, cells []Cell) (failures int, err error) {
	type place struct{ scenario, release string }
	var (
		rows  []string
		known = make(map[string]bool)
		at    = make(map[place]Cell)
		width = len("scenario")
	)
	for _, cell := range cells {
		if !known[cell.Scenario] {
			known[cell.Scenario] = true
			rows = append(rows, cell.Scenario)
			width = max(width, len(cell.Scenario))
		}
		at[place{cell.Scenario, cell.Release}] = cell
	}
	var text strings.Builder
	line := func(first string, rest []string) {
		row := fmt.Sprintf("%-*s", width, first)
		for _, word := range rest {
			row += fmt.Sprintf("  %-8s", word)
		}
		fmt.Fprintln(&text, strings.TrimRight(row, " "))
	}
	line("scenario", releases)
	for _, scenario := range rows {
		words := make([]string, len(releases))
		for i, release := range releases {
			cell, ran := at[place{scenario, release}]
			if words[i] = "-"; ran {
				words[i] = cell.Outcome.String()
			}
		}
		line(scenario, words)
	}
	counts := make(map[Outcome]int)
	for _, cell := range cells {
		counts[cell.Outcome]++
		if cell.Outcome == Failed {
			fmt.Fprintf(&text, "\nFAILED %s %s: %s\n", cell.Release, cell.Scenario, cell.Reason)
		}
	}
	fmt.Fprintf(&text, "\n%d ok, %d failed, %d not applicable\n", counts[OK], counts[Failed], counts[NotApplicable])
	_, err = io.WriteString(w, text.String())
	return counts[Failed], err
}
