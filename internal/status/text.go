package status

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// WriteText prints the report for people.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	build := r.Version
	if r.Commit != "" {
		build += " (" + r.Commit + ")"
	}
	fmt.Fprintf(&b, "%s %s, process %d, up %s", clean(r.Program), clean(build), r.PID, duration(r.Now.Sub(r.Started)))
	if !r.Ready.IsZero() {
		fmt.Fprintf(&b, ", serving since %s", r.Ready.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	b.WriteByte('\n')
	if len(r.Problems) == 0 {
		b.WriteString("all well\n")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "DEGRADED: %s\n", clean(p.Text))
	}
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n%s\n", clean(s.Title))
		s.write(&b, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Section) write(b *strings.Builder, r Report) {
	for _, l := range s.Links {
		fmt.Fprintf(b, "  link %s: %s for %s", upDown(l.Up), clean(l.State), duration(r.Now.Sub(l.Since)))
		if l.Level > 0 {
			fmt.Fprintf(b, ", level %d", l.Level)
		}
		if l.Reason != "" {
			b.WriteString(", " + clean(l.Reason))
		}
		b.WriteByte('\n')
	}
	writeQueues(b, s.Queues)
	table(b, peerTable(s.Peers, r.Now))
	rows := make([][]string, len(s.Rows))
	for i, row := range s.Rows {
		rows[i] = []string{clean(row.Name), row.shown()}
	}
	table(b, rows)
	for _, sum := range s.Sums {
		sum.write(b, r.has(SumOff, s.Upstream, sum.Name))
	}
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "DOWN"
}

func writeQueues(b *strings.Builder, queues []Queue) {
	if len(queues) == 0 {
		return
	}
	rows := [][]string{{"queue", "waiting", "capacity", "full", "bytes", "capacity", "oldest"}}
	for _, q := range queues {
		row := []string{clean(q.Name), thousands(q.Depth), thousands(q.Capacity), percent(q.Fill()), "-", "-", "-"}
		if q.MaxBytes > 0 {
			row[4], row[5] = size(q.Bytes), size(q.MaxBytes)
		}
		if q.Depth > 0 {
			row[6] = duration(time.Duration(q.Oldest))
		}
		rows = append(rows, row)
	}
	table(b, rows)
}

func (row Row) shown() string {
	switch {
	case row.Text != "":
		return clean(row.Text)
	case row.Unit == Bytes:
		return size(row.Value)
	}
	return thousands(row.Value)
}

func (s Sum) write(b *strings.Builder, off bool) {
	d := s.Difference()
	verdict := "balances"
	switch {
	case off:
		verdict = "DOES NOT BALANCE, off by " + thousands(d)
	case d != 0:
		verdict = thousands(d) + " under way"
	}
	fmt.Fprintf(b, "  sum %s: %s = %s: %s\n", clean(s.Name), terms(s.In), terms(s.Out), verdict)
}

func terms(list []Term) string {
	parts := make([]string, len(list))
	for i, t := range list {
		parts[i] = clean(t.Name) + " " + thousands(t.Value)
	}
	return strings.Join(parts, " + ")
}

// table aligns the first column left and all others right.
func table(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		b.WriteString("  ")
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
}

// clean keeps whatever stands in a report from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
}

func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func size(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v := float64(n) / 1024
	i := 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// percent never rounds up to a limit that was not reached.
func percent(fill float64) string { return strconv.Itoa(int(fill*100)) + " %" }

// duration shows the two largest units.
func duration(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
