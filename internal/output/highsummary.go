package output

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// terse prints a state on one line (spec: local-client-and-salt-cli §8.3).
func (h *highstate) terse(s state) {
	word := "Clean"
	switch {
	case s.result == nil:
		word = "Differs"
	case s.failed():
		word = "Failed"
	case s.changed():
		word = "Changed"
	}
	start, _ := s.chunk.Get("start_time")
	took, _ := s.chunk.Get("duration")
	name := h.opts.clean(s.name)
	warning := ""
	if text := h.warnings(s); text != "" {
		warning = h.opts.paint(lightRed, "Warnings:\n"+text)
	}
	color := s.color()
	if h.opts.State.Tabular {
		line := ""
		if !h.opts.State.HideProfile {
			line = fmt.Sprintf("%s [%7s ms] ", pyStr(start), pyStr(took))
		}
		line += fmt.Sprintf("%10s.%-10s %-7s   Name: %s", s.module, s.method, word, name)
		if warning != "" {
			warning += "\n"
		}
		h.add(warning + h.opts.paint(color, line))
		return
	}
	line := fmt.Sprintf(" Name: %s - Function: %s - Result: %s", name, s.function, word)
	if !h.opts.State.HideProfile {
		line += fmt.Sprintf(" - Started: %s - Duration: %s ms", pyStr(start), pyStr(took))
	}
	// The missing line end after the warnings is stock's.
	h.add(warning + " " + h.opts.paint(color, line))
}

// summary prints the counts and the time of a run.
func (h *highstate) summary() {
	c := h.count
	digits := 0
	if c.total > 0 {
		digits = len(strconv.Itoa(max(c.succeeded, c.failed)))
	}
	width := len("Succeeded: ") + digits
	dashes := strings.Repeat("-", width)
	counted := func(label string, n int) string {
		return fmt.Sprintf("%s: %*d", label, width-2-len(label), n)
	}
	h.add(h.opts.paint(cyan, "\nSummary for "+h.host+"\n"+dashes))
	h.add(h.succeeded(counted))
	failed := cyan
	if c.failed > 0 {
		failed = red
	}
	h.add(h.opts.paint(failed, counted("Failed", c.failed)))
	if h.opts.State.Percent && c.total > 0 {
		h.add(h.opts.paint(green, "Success %: "+percent(c.succeeded, c.total)))
		h.add(h.opts.paint(failed, "Failure %: "+percent(c.failed, c.total)))
	}
	if c.warnings > 0 {
		h.add(h.opts.paint(lightRed, counted("Warnings", c.warnings)))
	}
	h.add(h.opts.paint(cyan, fmt.Sprintf("%s\nTotal states run: %*d", dashes, width-7, c.succeeded+c.failed)))
	if !h.opts.State.HideProfile {
		took, unit := c.duration+c.parallel, "ms"
		if took > 999 {
			took, unit = took/1000, "s"
		}
		h.add(h.opts.paint(cyan, fmt.Sprintf("Total run time: %*s %s", width-5, strconv.FormatFloat(took, 'f', 3, 64), unit)))
	}
}

func (h *highstate) succeeded(counted func(string, int) string) string {
	c := h.count
	line := h.opts.paint(green, counted("Succeeded", c.succeeded))
	var parts []string
	if c.unchanged > 0 {
		parts = append(parts, h.opts.paint(lightYellow, fmt.Sprintf("unchanged=%d", c.unchanged)))
	}
	if c.changed > 0 {
		parts = append(parts, h.opts.paint(green, fmt.Sprintf("changed=%d", c.changed)))
	}
	if len(parts) == 0 {
		return line
	}
	return line + " (" + strings.Join(parts, ", ") + ")"
}

func percent(n, total int) string {
	return pyFloat(math.Round(float64(n)/float64(total)*1e4) / 100)
}
