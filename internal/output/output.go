package output

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrUnknown says that no outputter has the name. Commands then report it in stock's words and use
// "nested".
var ErrUnknown = errors.New("unknown outputter")

// Options steer the outputters. The zero value is stock's default without colour.
type Options struct {
	Color bool // write escape sequences; commands set it for terminals and --force-color
	// Indent is --out-indent: spaces per level for json, yaml and pprint; negative asks for one line
	// (json) or flow style (yaml); nil is each outputter's default.
	Indent *int
	// Pretty is the option output_indent set to the word pretty: json with sorted keys.
	Pretty bool
	// Failed says that the return carries a non-zero retcode: nested turns keys and list marks red.
	Failed bool
	// KeepEscapes is strip_colors: False. By default an ESC byte in data is shown as "?".
	KeepEscapes bool
	State       StateOptions
}

// StateOptions steer the highstate outputter; the zero value is stock's default.
type StateOptions struct {
	// Output is state_output: full (""), terse, mixed, changes or filter, each also with the suffix
	// _id, which shows the ID in place of the name.
	Output        string
	HideUnchanged bool // state_verbose: False
	OnlyDiff      bool // state_output_diff: True
	HideProfile   bool // state_output_profile: False, no times
	Percent       bool // state_output_pct: True, percentages in the summary
	Tabular       bool // state_tabular: True, columns in the terse form
}

// Outputter renders data. The text has no final newline; empty text prints nothing at all.
type Outputter func(data any, opts Options) (string, error)

var outputters = map[string]Outputter{
	"nested":              nestedText,
	"json":                jsonText,
	"yaml":                yamlText,
	"txt":                 txtText,
	"text":                txtText,
	"raw":                 rawText,
	"pprint":              pprintText,
	"highstate":           highstateText,
	"no_return":           noReturnText,
	"key":                 keyText,
	"table":               tableText,
	"quiet":               func(any, Options) (string, error) { return "", nil },
	"newline_values_only": newlineText,
}

// Names returns the names of all outputters, sorted.
func Names() []string {
	names := make([]string, 0, len(outputters))
	for name := range outputters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Lookup finds an outputter by name; "" is nested.
func Lookup(name string) (Outputter, bool) {
	if name == "" {
		name = "nested"
	}
	f, ok := outputters[name]
	return f, ok
}

// Render returns the text of data in the outputter called name, trailing white space removed as the
// stock commands do. It fails with ErrUnknown for an unknown name and when data cannot be written in
// that form (a list as a JSON key).
//
// spec: local-client-and-salt-cli §8
func Render(name string, data any, opts Options) (string, error) {
	f, ok := Lookup(name)
	if !ok {
		return "", fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	text, err := f(data, opts)
	if err != nil {
		return "", fmt.Errorf("outputter %s: %w", name, err)
	}
	return strings.TrimRight(text, " \t\n\r\v\f\x1c\x1d\x1e\x1f\u0085\u00a0\u2028\u2029"), nil
}

// Format writes what Render returns and one newline to w; it writes nothing when the text is empty.
func Format(w io.Writer, name string, data any, opts Options) error {
	text, err := Render(name, data, opts)
	if err != nil || text == "" {
		return err
	}
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
