package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Level is how bad a finding is.
type Level uint8

// Levels.
const (
	OK      Level = iota // looked at and found good
	Note                 // worth knowing, nothing to do
	Warning              // works, and will need somebody
	Fault                // a daemon does not start, or does not serve
)

var levelNames = [...]string{"ok", "note", "warning", "fault"}

// String is the level's name.
func (l Level) String() string { return levelNames[l] }

// MarshalJSON writes the name.
func (l Level) MarshalJSON() ([]byte, error) { return json.Marshal(l.String()) }

// Areas of findings, in the order they are printed.
const (
	AreaConfig   = "config"
	AreaFiles    = "files"
	AreaKeys     = "keys"
	AreaDaemons  = "daemons"
	AreaPorts    = "ports"
	AreaLimits   = "limits"
	AreaClock    = "clock"
	AreaUpstream = "upstream"
)

var areaOrder = []string{AreaConfig, AreaFiles, AreaKeys, AreaDaemons, AreaPorts, AreaLimits, AreaClock, AreaUpstream}

// Finding is one thing that was looked at. No field ever holds a secret.
type Finding struct {
	Level  Level  `json:"level"`
	Area   string `json:"area"`
	Option string `json:"option,omitempty"` // the option it is about
	What   string `json:"what"`
	Where  string `json:"where,omitempty"` // file:line, path or host:port
	Hint   string `json:"hint,omitempty"`  // what to do, with the command to run
}

// Report is everything a check found.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Count is the number of findings of a level.
func (r *Report) Count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// Exit statuses of a check.
const (
	ExitGood     = 0
	ExitFaults   = 1
	ExitWarnings = 2 // only when asked to be strict
)

// Status is the exit status of the report.
func (r *Report) Status(strict bool) int {
	switch {
	case r.Count(Fault) > 0:
		return ExitFaults
	case strict && r.Count(Warning) > 0:
		return ExitWarnings
	}
	return ExitGood
}

// sort orders by area, then the worst first; what belongs together stays in the order it was found.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(areaOrder, a.Area), slices.Index(areaOrder, b.Area)),
			cmp.Compare(b.Level, a.Level))
	})
}

// WriteJSON prints the report as one JSON object with the counts per level.
func (r *Report) WriteJSON(w io.Writer) error {
	findings := r.Findings
	if findings == nil {
		findings = []Finding{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{
		"findings": findings, "faults": r.Count(Fault), "warnings": r.Count(Warning), "notes": r.Count(Note),
	})
}

// WriteText prints the report for people: findings below their area, the hint under each, a sum at the
// end. Quiet leaves out what is good and what is only worth knowing.
func (r *Report) WriteText(w io.Writer, quiet bool) error {
	var b strings.Builder
	area := ""
	for _, f := range r.Findings {
		if quiet && f.Level < Warning {
			continue
		}
		if f.Area != area {
			if area != "" {
				b.WriteByte('\n')
			}
			area = f.Area
			fmt.Fprintf(&b, "%s\n", area)
		}
		fmt.Fprintf(&b, "  %-7s  ", f.Level)
		if f.Where != "" {
			fmt.Fprintf(&b, "%s: ", f.Where)
		}
		if f.Option != "" {
			fmt.Fprintf(&b, "%s: ", f.Option)
		}
		fmt.Fprintf(&b, "%s\n", f.What)
		if f.Hint != "" {
			fmt.Fprintf(&b, "           → %s\n", f.Hint)
		}
	}
	if area != "" {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s, %s, %s\n", count(r.Count(Fault), "fault"), count(r.Count(Warning), "warning"), count(r.Count(Note), "note"))
	_, err := io.WriteString(w, b.String())
	return err
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
