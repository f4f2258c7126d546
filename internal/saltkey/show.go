package saltkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/output"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// jsonLines is the outputter of programs: one JSON object per line and key, and nothing else on stdout.
const jsonLines = "jsonl"

// printer says how trees are shown.
type printer struct {
	name    string // outputter; never empty
	lines   bool   // jsonLines
	options output.Options
}

// printer settles the output options; stdout is what the colours depend on.
func (o *options) printer(stdout io.Writer, cfg *config.Master) (printer, error) {
	p := printer{name: o.out, lines: o.out == jsonLines}
	if p.name == "" || p.name == "highstate" { // highstate does not replace the default here
		p.name = "key"
	}
	if f, ok := stdout.(*os.File); ok && cfg.Color {
		p.options.Color = term.IsTerminal(int(f.Fd()))
	}
	p.options.Color = p.options.Color && !o.noColor || o.forceColor
	switch o.outIndent {
	case "":
	case "pretty":
		p.options.Pretty = true
	default:
		n, err := strconv.Atoi(o.outIndent)
		if err != nil {
			return p, cliargs.Usagef("option --out-indent: invalid integer value: '%s'", o.outIndent)
		}
		p.options.Indent = &n
	}
	return p, nil
}

// byState turns keys into the tree of the outputters, state → [id]. Empty states appear only when they
// are named.
func (t *tool) byState(keys []keyID, always ...pki.State) *wire.Map {
	ids := map[pki.State][]any{}
	for _, k := range keys {
		ids[k.state] = append(ids[k.state], k.id)
	}
	tree := wire.NewMap()
	for _, state := range t.mode.states {
		switch {
		case len(ids[state]) > 0:
			tree.Set(state.Dir(), ids[state])
		case hasState(always, state):
			tree.Set(state.Dir(), []any{})
		}
	}
	return tree
}

// show renders a tree with the chosen outputter to stdout or the file of --out-file. text names what the
// values of a map of ids are, for JSON lines.
func (t *tool) show(tree *wire.Map, text string) error {
	rendered, err := t.render(tree, text)
	if err != nil {
		return err
	}
	if t.outFile == "" {
		_, err := t.stdout.Write(rendered)
		return err
	}
	mode := os.O_TRUNC
	if t.outAppend {
		mode = os.O_APPEND
	}
	f, err := os.OpenFile(t.outFile, os.O_WRONLY|os.O_CREATE|mode, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(rendered)
	return errors.Join(err, f.Close())
}

func (t *tool) render(tree *wire.Map, text string) ([]byte, error) {
	var b bytes.Buffer
	if t.view.lines {
		return renderLines(tree, text)
	}
	name := t.view.name
	_, known := output.Lookup(name)
	if t.mode.noPlainOutputters && (name == "quiet" || name == "newline_values_only") {
		known = false
	}
	if !known {
		t.complain("Invalid outputter %s specified, fall back to nested", name)
		name = "nested"
	}
	err := output.Format(&b, name, tree, t.view.options)
	return b.Bytes(), err
}

// renderLines writes {"state": …, "id": …} for each key of a tree, with the value of the id under text.
func renderLines(tree *wire.Map, text string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for section, ids := range tree.All() {
		state := stateName(fmt.Sprint(section))
		switch ids := ids.(type) {
		case []any:
			for _, id := range ids {
				if err := enc.Encode(keyLine{State: state, ID: fmt.Sprint(id)}); err != nil {
					return nil, err
				}
			}
		case *wire.Map:
			for id, value := range ids.All() {
				line := keyLine{State: state, ID: fmt.Sprint(id)}
				if text == "pub" {
					line.Pub = fmt.Sprint(value)
				} else {
					line.Fingerprint = fmt.Sprint(value)
				}
				if err := enc.Encode(line); err != nil {
					return nil, err
				}
			}
		default:
			if err := enc.Encode(map[string]any{fmt.Sprint(section): ids}); err != nil {
				return nil, err
			}
		}
	}
	return b.Bytes(), nil
}

// keyLine is one line of the outputter jsonl.
type keyLine struct {
	Time        string `json:"time,omitempty"`   // of a change seen by --watch, UTC
	Change      string `json:"change,omitempty"` // what --watch saw: new, moved, replaced, gone
	Action      string `json:"action,omitempty"` // what was done: accepted, rejected, deleted
	Result      *bool  `json:"result,omitempty"` // of the action
	State       string `json:"state,omitempty"`
	From        string `json:"from,omitempty"` // state before
	ID          string `json:"id"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Pub         string `json:"pub,omitempty"`
	Error       string `json:"error,omitempty"`
}

// emit writes one line of JSON when that is the output.
func (t *tool) emit(line keyLine) error {
	if !t.view.lines {
		return nil
	}
	enc := json.NewEncoder(t.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(line)
}

// stateName turns the name of a state directory into the word for it.
func stateName(dir string) string {
	for _, s := range oldOrder {
		if s.Dir() == dir {
			return s.String()
		}
	}
	return dir
}
