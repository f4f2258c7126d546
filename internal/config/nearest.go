package config

import "strings"

// nearest finds the known option a name was probably meant to be, "" when none is close: at most two
// edits, at most a third of the name, or the same letters with other separators.
func (b *binder) nearest(name string) string {
	const most = 2
	if len(name) > 128 {
		return "" // no option name is that long, and the comparison is quadratic
	}
	best, bestAt := "", min(most, max(1, len(name)/3))+1
	try := func(known string) {
		if plainName(known) == plainName(name) {
			best, bestAt = known, 0
		}
		if d := editDistance(name, known, bestAt); d < bestAt {
			best, bestAt = known, d
		}
	}
	for _, o := range table() {
		if o.In == b.in || b.in == InMinion {
			try(o.Name)
		}
	}
	return best
}

func plainName(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(s))
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours; a result of limit or
// more is only known to be that.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
