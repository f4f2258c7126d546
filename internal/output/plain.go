package output

import (
	"strings"

	"github.com/saltern-io/saltern/internal/wire"
)

// txtText writes "<key>: <line>" per line of text, other values as Python's str() (spec:
// local-client-and-salt-cli §8.2).
func txtText(data any, _ Options) (string, error) {
	m, ok := data.(*wire.Map)
	if !ok {
		return pyStr(data), nil
	}
	var b strings.Builder
	for k, v := range m.All() {
		lines := []string{pyStr(v)}
		if text, ok := v.(string); ok {
			lines = splitLines(text)
		}
		for _, line := range lines {
			b.WriteString(pyStr(k))
			b.WriteString(": ")
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String(), nil
}

// rawText is Python's str() of the whole.
func rawText(data any, _ Options) (string, error) { return pyStr(data), nil }

// newlineText prints the values alone, items of lists and values of maps one per line.
func newlineText(data any, _ Options) (string, error) {
	m, ok := data.(*wire.Map)
	if !ok {
		return pyStr(data), nil
	}
	var lines []string
	for _, v := range m.All() {
		if items, ok := v.([]any); ok {
			for _, item := range items {
				lines = append(lines, pyStr(item))
			}
			continue
		}
		lines = append(lines, pyStr(v))
	}
	return strings.Join(lines, "\n"), nil
}

// noReturnText shows why a minion is silent: red lines under a cyan key (spec:
// local-client-and-salt-cli §8).
func noReturnText(data any, opts Options) (string, error) {
	m, ok := data.(*wire.Map)
	if !ok {
		return nestedText(data, opts)
	}
	var lines []string
	for k, v := range m.All() {
		lines = append(lines, opts.paint(cyan, opts.clean(pyStr(k)))+":")
		for _, line := range splitLines(pyStr(v)) {
			lines = append(lines, opts.paint(red, "    "+opts.clean(line)))
		}
	}
	return strings.Join(lines, "\n"), nil
}
