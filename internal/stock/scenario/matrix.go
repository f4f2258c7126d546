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
	cellWidth := 8
	for _, cell := range cells {
		cellWidth = max(cellWidth, len(cell.word()))
	}
	line := func(first string, rest []string) {
		row := fmt.Sprintf("%-*s", width, first)
		for _, word := range rest {
			row += fmt.Sprintf("  %-*s", cellWidth, word)
		}
		fmt.Fprintln(&text, strings.TrimRight(row, " "))
	}
	line("scenario", releases)
	for _, scenario := range rows {
		words := make([]string, len(releases))
		for i, release := range releases {
			cell, ran := at[place{scenario, release}]
			if words[i] = "-"; ran {
				words[i] = cell.word()
			}
		}
		line(scenario, words)
	}
	writeNotes(&text, cells)
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

// word is what the matrix says of a cell: the outcome, and what was measured.
func (c Cell) word() string {
	if c.Figure == "" {
		return c.Outcome.String()
	}
	return c.Outcome.String() + " " + c.Figure
}

// writeNotes prints what the steps measured, one line each.
func writeNotes(text *strings.Builder, cells []Cell) {
	said := false
	for _, cell := range cells {
		for _, note := range cell.Notes {
			if !said {
				text.WriteByte('\n')
			}
			said = true
			fmt.Fprintf(text, "%s %s: %s\n", cell.Release, cell.Scenario, note)
		}
	}
}
