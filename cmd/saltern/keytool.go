package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/output"
	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// keyStates is the order in which stock 3006 and 3007 walk and print the states (spec:
// key-management-cli §3.2).
var keyStates = []pki.State{pki.Accepted, pki.Pending, pki.Rejected, pki.Denied}

// keyTool is one run of salt-key. It is used by one goroutine.
type keyTool struct {
	ctx      context.Context
	cfg      *config.Master
	store    *pki.DirStore
	sessions string // directory of session keys

	stdin          io.Reader
	stdout, stderr io.Writer
	out, outFile   string
	outAppend      bool
	outOptions     output.Options
	yes, silent    bool

	events keyEvents
}

// keyID is one key: an id in a state.
type keyID struct {
	state pki.State
	id    string
}

// match returns the keys whose id matches pattern, globs separated by commas: state by state in
// keyStates' order, ids in the order of the globs and each once.
func (t *keyTool) match(pattern string, states []pki.State) ([]keyID, error) {
	var globs []target.Matcher
	for item := range strings.SplitSeq(pattern, ",") {
		m, err := target.Parse(target.KindGlob, item, "")
		if err != nil {
			return nil, err
		}
		globs = append(globs, m)
	}
	var keys []keyID
	for _, state := range states {
		ids, err := t.store.List(state)
		if err != nil {
			return nil, err
		}
		for _, id := range matchGlobs(globs, ids) {
			keys = append(keys, keyID{state, id})
		}
	}
	return keys, nil
}

func matchGlobs(globs []target.Matcher, ids []string) []string {
	var found []string
	seen := map[string]bool{}
	for _, g := range globs {
		matched, _ := g.Match(ids)
		for _, id := range matched {
			if !seen[id] {
				seen[id] = true
				found = append(found, id)
			}
		}
	}
	return found
}

// byState turns keys into the tree of the outputters, state → [id]. Empty states appear only when they
// are named.
func byState(keys []keyID, always ...pki.State) *wire.Map {
	tree := wire.NewMap()
	for _, state := range keyStates {
		ids := []any{}
		for _, k := range keys {
			if k.state == state {
				ids = append(ids, k.id)
			}
		}
		if len(ids) > 0 || slices.Contains(always, state) {
			tree.Set(state.Dir(), ids)
		}
	}
	return tree
}

func (t *keyTool) listKeys(states []pki.State) error {
	keys, err := t.match("*", states)
	if err != nil {
		return err
	}
	return t.show(byState(keys, states...))
}

func (t *keyTool) printKeys(pattern string) error {
	keys, err := t.match(pattern, keyStates)
	if err != nil {
		return err
	}
	return t.showTexts(keys, nil, func(pem []byte) (string, error) { return string(pem), nil })
}

// fingerKeys prints the fingerprint minions compare, of minion keys and of the key files of the master
// itself (spec: key-management-cli §4.9).
func (t *keyTool) fingerKeys(pattern string) error {
	keys, err := t.match(pattern, keyStates)
	if err != nil {
		return err
	}
	local, err := t.localKeys(pattern)
	if err != nil {
		return err
	}
	return t.showTexts(keys, local, func(pem []byte) (string, error) { return pki.Fingerprint(pem, t.cfg.HashType) })
}

// localKeys returns the names of the matching key files in pki_dir, the master's pair first.
func (t *keyTool) localKeys(pattern string) ([]string, error) {
	entries, err := os.ReadDir(t.cfg.PKIDir)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.Type().IsRegular() && (ext == ".pem" || ext == ".pub") {
			names = append(names, e.Name())
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		rank := func(s string) int { return slices.Index([]string{"master.pub", "master.pem"}, s) }
		return rank(b) - rank(a)
	})
	var globs []target.Matcher
	for item := range strings.SplitSeq(pattern, ",") {
		m, err := target.Parse(target.KindGlob, item, "")
		if err != nil {
			return nil, err
		}
		globs = append(globs, m)
	}
	return matchGlobs(globs, names), nil
}

// showTexts prints state → id → text.
func (t *keyTool) showTexts(keys []keyID, local []string, text func(pem []byte) (string, error)) error {
	tree := wire.NewMap()
	add := func(section, name string, pem []byte) error {
		s, err := text(pem)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !tree.Has(section) {
			tree.Set(section, wire.NewMap())
		}
		tree.Map(section).Set(name, s)
		return nil
	}
	for _, k := range keys {
		entry, err := t.store.Read(k.id, k.state)
		if err != nil {
			return err
		}
		if entry.State == pki.None {
			continue // gone since it was listed
		}
		if err := add(k.state.Dir(), k.id, entry.PEM); err != nil {
			return err
		}
	}
	for _, name := range local {
		pem, err := os.ReadFile(filepath.Join(t.cfg.PKIDir, name))
		if err != nil {
			return err
		}
		if err := add("local", name, pem); err != nil {
			return err
		}
	}
	return t.show(tree)
}

// show renders a tree with the chosen outputter to stdout or the file of --out-file.
func (t *keyTool) show(tree *wire.Map) error {
	name := t.out
	if name == "" || name == "highstate" { // highstate does not replace the default here
		name = "key"
	}
	if _, known := output.Lookup(name); !known {
		t.logError("Invalid outputter %s specified, fall back to nested", name)
		name = "nested"
	}
	var text bytes.Buffer
	if err := output.Format(&text, name, tree, t.outOptions); err != nil {
		return err
	}
	if t.outFile == "" {
		_, err := t.stdout.Write(text.Bytes())
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
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Close())
}

// logError writes a line as stock's console log does.
func (t *keyTool) logError(format string, args ...any) {
	if !t.silent {
		fmt.Fprintf(t.stderr, "[ERROR   ] "+format+"\n", args...)
	}
}
