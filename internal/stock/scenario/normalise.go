package scenario

import (
	"regexp"
	"slices"
	"strings"
)

var jidPattern = regexp.MustCompile(`\b20\d{18}\b`)

// changingGrains vary between two minions on one machine or between two moments: nested and JSON form.
var changingGrains = regexp.MustCompile(`(?m)^( *)"?(pid|swap_total|mem_total|username|uid|gid|groupname)"?:.*\n(?:[ ]+[^ \n:]+\n)?`)

// normalise replaces what truly varies: job ids, the bench's own directory and, for facts, process ids.
func normalise(text, dir string, q question) string {
	text = strings.ReplaceAll(text, dir, "<dir>")
	text = jidPattern.ReplaceAllString(text, "<jid>")
	if q.facts {
		text = changingGrains.ReplaceAllString(text, "")
	}
	if q.sorted {
		text = sortBlocks(text)
	}
	return text
}

// sortBlocks orders the minions' answers: a block begins at a line that starts in the first column, except
// for the closing brace of a JSON document.
func sortBlocks(text string) string {
	var blocks []string
	for line := range strings.Lines(text) {
		if len(blocks) > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "}") || line == "\n") {
			blocks[len(blocks)-1] += line
			continue
		}
		blocks = append(blocks, line)
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "")
}
