package saltkey

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// listKeys is -l and -L; it opens no key file. nil is every state.
func (t *tool) listKeys(states []pki.State) error {
	if states == nil {
		states = t.mode.states
	}
	keys, err := t.match("*", states)
	if err != nil {
		return err
	}
	t.nothing = len(keys) == 0
	return t.show(t.byState(keys, states...), "")
}

// printKeys is -p and -P (spec: key-management-cli §4.8).
func (t *tool) printKeys(pattern string) error {
	keys, err := t.match(pattern, t.mode.states)
	if err != nil {
		return err
	}
	return t.showTexts(keys, nil, "pub", func(pem []byte) (string, error) { return string(pem), nil })
}

// fingerKeys is -f and -F: fingerprints of minion keys and of the key files of the master itself (spec:
// key-management-cli §4.9).
func (t *tool) fingerKeys(pattern string) error {
	keys, err := t.match(pattern, t.mode.states)
	if err != nil {
		return err
	}
	local, err := t.localKeys(pattern)
	if err != nil {
		return err
	}
	if err := t.showTexts(keys, local, "fingerprint", t.fingerprint); err != nil {
		return err
	}
	return t.hintMasterFinger(local)
}

func (t *tool) fingerprint(pem []byte) (string, error) {
	if t.mode.wholeFingers {
		return pki.FingerprintWhole(pem, t.cfg.HashType)
	}
	return pki.Fingerprint(pem, t.cfg.HashType)
}

// masterKeyName is the base name of the master's own key pair.
func (t *tool) masterKeyName() string {
	id := strings.TrimSuffix(t.cfg.ID, "_master")
	if info, err := os.Lstat(filepath.Join(t.cfg.PKIDir, id+".pub")); err == nil && info.Mode().IsRegular() {
		return id
	}
	return "master"
}

// localKeys returns the names of the matching key files in pki_dir, the master's pair first. With a
// filter of states or ages there are none: these keys have no state.
func (t *tool) localKeys(pattern string) ([]string, error) {
	if t.filter.states != nil || t.filter.older != 0 || t.filter.newer != 0 {
		return nil, nil
	}
	entries, err := os.ReadDir(t.cfg.PKIDir)
	if err != nil {
		return nil, err
	}
	var names, links []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".pem" && ext != ".pub" || e.Name()[0] == '.' {
			continue
		}
		switch {
		case e.Type().IsRegular(), e.Type()&os.ModeSymlink != 0 && t.mode.followsLinks:
			names = append(names, e.Name())
		case e.Type()&os.ModeSymlink != 0:
			links = append(links, e.Name())
		}
	}
	own := t.masterKeyName()
	slices.SortStableFunc(names, func(a, b string) int {
		rank := func(s string) int { return slices.Index([]string{own + ".pub", own + ".pem"}, s) }
		return rank(b) - rank(a)
	})
	items, err := parseGlobs(pattern)
	if err != nil {
		return nil, err
	}
	found := items.match(names)
	if !t.mode.aliases {
		return found, nil
	}
	// 3008 leaves links under the old names: who asks for one of them by name gets it.
	for item := range strings.SplitSeq(pattern, ",") {
		if slices.Contains(links, item) {
			found = append(found, item)
		}
	}
	return found, nil
}

// hintMasterFinger says on a terminal which fingerprint belongs into the option master_finger.
func (t *tool) hintMasterFinger(local []string) error {
	name := t.masterKeyName() + ".pub"
	f, ok := t.stderr.(*os.File)
	if !t.mode.hints || !slices.Contains(local, name) || !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	if err := t.stdout.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stderr, "The fingerprint of %s is the one for master_finger of minions.\n", name)
	return err
}

// showTexts prints state → id → text.
func (t *tool) showTexts(keys []keyID, local []string, what string, text func(pem []byte) (string, error)) error {
	tree := wire.NewMap()
	sections := map[string]*wire.Map{}
	add := func(section, name string, pem []byte) error {
		s, err := text(pem)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if sections[section] == nil {
			sections[section] = wire.NewMap()
			tree.Set(section, sections[section])
		}
		sections[section].Set(name, s)
		return nil
	}
	for _, k := range keys {
		pem, err := t.store.Text(k.id, k.state)
		if err != nil {
			return err
		}
		if pem == nil {
			continue // gone since it was listed
		}
		if err := add(k.state.Dir(), k.id, pem); err != nil {
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
	t.nothing = tree.Len() == 0
	return t.show(tree, what)
}
