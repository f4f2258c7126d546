package output

import (
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/wire"
)

// keySection is how one key state is headed and coloured (spec: key-management-cli §5).
type keySection struct{ header, headerColor, idColor string }

var keySections = map[string]keySection{
	"local":            {"Local Keys:", lightPurple, magenta},
	"minions":          {"Accepted Keys:", lightGreen, green},
	"minions_denied":   {"Denied Keys:", lightPurple, magenta},
	"minions_pre":      {"Unaccepted Keys:", lightRed, red},
	"minions_rejected": {"Rejected Keys:", lightBlue, blue},
}

// keyText prints key states as headed lists: data maps the directory of a state to a list of ids, or
// to a map from id to a text such as the fingerprint.
func keyText(data any, opts Options) (string, error) {
	m, ok := data.(*wire.Map)
	if !ok {
		return nestedText(data, opts)
	}
	var lines []string
	for _, e := range entries(m, true) {
		section, ok := keySections[pyStr(e.key)]
		if !ok {
			section = keySection{pyStr(e.key) + ":", cyan, green}
		}
		lines = append(lines, opts.paint(section.headerColor, opts.clean(section.header)))
		for _, line := range keyLines(e.value) {
			lines = append(lines, opts.paint(section.idColor, opts.clean(line)))
		}
	}
	return strings.Join(lines, "\n"), nil
}

func keyLines(v any) []string {
	var lines []string
	switch v := v.(type) {
	case []any:
		for _, id := range v {
			lines = append(lines, pyStr(id))
		}
		slices.Sort(lines)
	case *wire.Map:
		for _, e := range entries(v, true) {
			lines = append(lines, pyStr(e.key)+":  "+pyStr(e.value))
		}
	default:
		lines = []string{pyStr(v)}
	}
	return lines
}
