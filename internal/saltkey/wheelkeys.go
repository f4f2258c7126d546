package saltkey

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// listKeys is -l and -L: the word goes to the master as it was typed.
func (r *remote) listKeys(states []pki.State) error {
	word := "all"
	if states != nil {
		word = r.list
	}
	tree, err := r.tree(false, "list", word)
	if err != nil {
		return err
	}
	r.nothing = true
	for _, ids := range tree.All() {
		if list, ok := ids.([]any); ok && len(list) > 0 {
			r.nothing = false
		}
	}
	return r.show(tree, "")
}

// printKeys is -p and -P.
func (r *remote) printKeys(pattern string) error {
	tree, err := r.tree(false, "print", pattern)
	if err != nil {
		return err
	}
	r.nothing = tree.Len() == 0
	return r.show(tree, "pub")
}

// fingerKeys is -f and -F, in the form of the master's release and with hash_type of this configuration.
func (r *remote) fingerKeys(pattern string) error {
	tree, err := r.tree(true, "finger", pattern, r.cfg.HashType)
	if err != nil {
		return err
	}
	r.nothing = tree.Len() == 0
	return r.show(tree, "fingerprint")
}

// makeKeys is --gen-keys: the master makes the pair, on its own host. The directory is made here, as stock
// does, and named in full: the master works in another one.
func (r *remote) makeKeys() error {
	dir, err := filepath.Abs(r.genKeysDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return r.returns("gen_keys", dir, r.genKeys, r.bits(), r.cfg.User)
}

// makeSignature is --gen-signature, on the master's host as well.
func (r *remote) makeSignature() error {
	return r.returns("gen_signature", r.private, r.public, r.signatureDir, r.autoCreate, r.bits())
}

func (r *remote) returns(fun string, args ...any) error {
	result, err := r.call(fun, args...)
	if err != nil {
		return err
	}
	return r.returned(result)
}

func (r *remote) bits() int64 {
	if r.keySize != 0 {
		return int64(r.keySize)
	}
	return int64(r.cfg.KeySize)
}

func (r *remote) acceptKeys(pattern string) error {
	rejected := r.includeRejected || r.includeAll
	states := []pki.State{pki.Pending}
	if rejected {
		states = append(states, pki.Rejected)
	}
	if r.includeDenied {
		states = append(states, pki.Denied)
	}
	return r.changeKeys(pattern, states, states, pki.Accepted, "accepted", "accept_dict", rejected, r.includeDenied)
}

func (r *remote) rejectKeys(pattern string) error {
	accepted := r.includeAccepted || r.includeAll
	states := []pki.State{pki.Pending}
	if accepted {
		states = append(states, pki.Accepted)
	}
	if r.includeDenied {
		states = append(states, pki.Denied)
	}
	return r.changeKeys(pattern, states, states, pki.Rejected, "rejected", "reject_dict", accepted, r.includeDenied)
}

func (r *remote) deleteKeys(pattern string) error {
	return r.changeKeys(pattern, r.mode.states, []pki.State{pki.Pending}, pki.None, "deleted", "delete_dict")
}

// changeKeys is the dialogue of -a, -r and -d: match, show, ask, have the master change exactly the keys
// that were shown, and report what became of each. Stock's commands call accept, reject and delete with
// arguments that make the master do nothing, but for the deletion of one accepted key.
func (r *remote) changeKeys(pattern string, states, named []pki.State, to pki.State, done, fun string, include ...any) error {
	found, err := r.tree(false, "name_match", pattern)
	if err != nil {
		return err
	}
	keys, err := keysOf(found, r.mode.states, states)
	if err != nil {
		return err
	}
	if ok, err := r.propose(pattern, keys, named, done); err != nil || !ok {
		return err
	}
	if to == pki.Accepted {
		if keys, err = r.spareAccepted(keys, found); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return nil
	}
	after, err := r.tree(false, fun, append([]any{r.byState(keys)}, include...)...)
	if err != nil {
		return err
	}
	return r.became(keys, after, to, done)
}

// keysOf reads a reply of ids by state, the states in the order of order. An id that no master can hold
// is an error: it would be shown on a terminal.
func keysOf(tree *wire.Map, order, states []pki.State) ([]keyID, error) {
	var keys []keyID
	for _, state := range order {
		if !slices.Contains(states, state) {
			continue
		}
		for _, v := range tree.List(state.Dir()) {
			id, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("the master names a key %.40q, which is no id", fmt.Sprint(v))
			}
			if err := pki.CheckID(id); err != nil {
				return nil, fmt.Errorf("the master names a key that cannot be: %w", err)
			}
			keys = append(keys, keyID{state, id})
		}
	}
	return keys, nil
}

// spareAccepted leaves out keys whose id has an accepted key, unless --force is given.
func (r *remote) spareAccepted(keys []keyID, found *wire.Map) ([]keyID, error) {
	if r.force {
		return keys, nil
	}
	accepted, err := keysOf(found, r.mode.states, []pki.State{pki.Accepted})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(keys, func(k keyID) bool {
		taken := slices.Contains(accepted, keyID{pki.Accepted, k.id})
		if taken {
			r.refuse(k, "Key of %s is accepted already: not replaced by the %s one without --force", k.id, k.state)
		}
		return taken
	}), nil
}

// became reports each key by where the master says that it is now.
func (r *remote) became(keys []keyID, after *wire.Map, to pki.State, done string) error {
	now, err := keysOf(after, r.mode.states, r.mode.states)
	if err != nil {
		return err
	}
	for _, k := range keys {
		ok := slices.Contains(now, keyID{to, k.id})
		if to == pki.None {
			ok = !slices.Contains(now, k)
		}
		if !ok {
			r.refuse(k, "Key of %s was not %s by the master", k.id, done)
			continue
		}
		r.say("Key for minion %s %s.\n", k.id, done)
		line := keyLine{Action: done, Result: new(true), ID: k.id, From: k.state.String()}
		if to != pki.None {
			line.State = to.String()
		}
		if err := r.emit(line); err != nil {
			return err
		}
	}
	return nil
}
