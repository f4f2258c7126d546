package saltkey

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/saltern-io/saltern/pki"
)

// acceptKeys is -a and -A (spec: key-management-cli §4.1, §4.2).
func (t *tool) acceptKeys(pattern string) error {
	states := []pki.State{pki.Pending}
	if t.includeRejected || t.includeAll {
		states = append(states, pki.Rejected)
	}
	if t.includeDenied {
		states = append(states, pki.Denied)
	}
	return t.change(pattern, states, change{
		done: "accepted", act: t.mode.accepted, to: pki.Accepted, may: t.mayAccept,
	})
}

// rejectKeys is -r and -R (spec: key-management-cli §4.3).
func (t *tool) rejectKeys(pattern string) error {
	states := []pki.State{pki.Pending}
	if t.includeAccepted || t.includeAll {
		states = append(states, pki.Accepted)
	}
	if t.includeDenied {
		states = append(states, pki.Denied)
	}
	return t.change(pattern, states, change{
		done: "rejected", act: t.mode.rejected, to: pki.Rejected, may: t.mayReject,
		after: func(moved []string) error {
			if err := t.endSessions(moved); err != nil {
				return err
			}
			return t.requestRotation()
		},
	})
}

// change is what accept and reject do to keys.
type change struct {
	done  string // for people: accepted
	act   string // for the event
	to    pki.State
	may   func(keyID, []byte) (verdict, error) // refuses a key after saying why
	after func(moved []string) error           // nil: nothing to do
}

// verdict is what is to become of one key.
type verdict uint8

const (
	proceed verdict = iota
	refuseKey
	refuseText // the text is no key: stock 3008 reports it as done
)

// change is the dialogue that accept and reject share: match, show, ask, act, report.
func (t *tool) change(pattern string, states []pki.State, c change) error {
	keys, err := t.match(pattern, states)
	if err != nil {
		return err
	}
	if ok, err := t.propose(pattern, keys, states, c.done); err != nil || !ok {
		return err
	}
	moved, err := t.moveKeys(keys, c)
	if err == nil && c.after != nil {
		err = c.after(moved)
	}
	if err != nil {
		return err
	}
	return t.report(moved, c.done)
}

// moveKeys moves the keys that may be moved and fires an event for each; it returns the ids to report, in
// order. A signal stops it between two keys.
func (t *tool) moveKeys(keys []keyID, c change) (moved []string, err error) {
	if err := t.openAudit(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.settle(keys, c.to)) }()
	seen := map[string]bool{}
	for _, k := range keys {
		if err := t.stopped(); err != nil {
			return moved, err
		}
		pem, err := t.store.Text(k.id, k.state)
		if err != nil {
			return moved, err
		}
		judged, err := c.may(k, pem)
		if err != nil {
			return moved, err
		}
		if judged != proceed {
			t.refused = true
			if judged == refuseText && t.mode.namesRefused {
				moved = append(moved, k.id)
			}
			continue
		}
		if err := t.record(c.act, k, c.to, pem); err != nil {
			return moved, err
		}
		if err := t.store.Move(k.id, k.state, c.to); err != nil {
			return moved, errors.Join(err, t.recordFailure(c.act, k, err))
		}
		t.events.Fire(t.ctx, c.act, k.id)
		if !seen[k.id] {
			seen[k.id] = true
			moved = append(moved, k.id)
		}
		if err := t.emit(keyLine{Action: c.done, Result: new(true), ID: k.id, State: c.to.String(), From: k.state.String()}); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// settle makes what was moved survive a power cut: one sync per directory and run.
func (t *tool) settle(keys []keyID, to pki.State) error {
	changed := map[pki.State]bool{to: true}
	for _, k := range keys {
		changed[k.state] = true
	}
	delete(changed, pki.None)
	return errors.Join(t.store.Sync(slices.Collect(maps.Keys(changed))...), t.audit.sync())
}

// mayAccept refuses texts that are no key, and to put another key in the place of the accepted one.
func (t *tool) mayAccept(k keyID, pem []byte) (verdict, error) {
	if !t.isKey(k, pem) {
		return refuseText, nil
	}
	if t.force {
		return proceed, nil
	}
	accepted, err := t.store.Text(k.id, pki.Accepted)
	if err != nil || accepted == nil || pki.CleanKey(string(accepted)) == pki.CleanKey(string(pem)) {
		return proceed, err
	}
	t.refuse(k, "Key of %s is accepted already and the %s one is another: not replaced without --force", k.id, k.state)
	return refuseKey, nil
}

// mayReject refuses nothing, but what stock 3008 refuses in its mode.
func (t *tool) mayReject(k keyID, pem []byte) (verdict, error) {
	if t.mode.checksRejected && !t.isKey(k, pem) {
		return refuseText, nil
	}
	return proceed, nil
}

// isKey tells whether pem is a public key, and says so when it is not.
func (t *tool) isKey(k keyID, pem []byte) bool {
	if _, err := pki.ParsePublicKey(bytes.TrimSpace(pem)); err == nil {
		return true
	}
	t.refuse(k, "Invalid RSA public key: %s", k.id)
	fmt.Fprintf(t.stderr, "Unable to accept invalid key for %s.\n", k.id)
	return false
}

// refuse says why a key is not treated as asked.
func (t *tool) refuse(k keyID, format string, args ...any) {
	t.refused = true
	t.complain(format, args...)
	if err := t.emit(keyLine{Result: new(false), ID: k.id, State: k.state.String(), Error: fmt.Sprintf(format, args...)}); err != nil {
		t.complain("%v", err)
	}
}

// report prints one line per key and place: every id is looked up again in all states, as stock does, so
// an id that is denied as well appears twice.
func (t *tool) report(ids []string, done string) error {
	if t.view.lines {
		return nil
	}
	places, err := t.place()
	if err != nil {
		return err
	}
	var groups []pki.State
	lines := map[pki.State][]string{}
	for _, id := range ids {
		for _, state := range t.mode.states {
			if !places[state][id] {
				continue
			}
			if lines[state] == nil {
				groups = append(groups, state)
			}
			lines[state] = append(lines[state], id)
		}
	}
	for _, state := range groups {
		for _, id := range lines[state] {
			t.say("Key for minion %s %s.\n", id, done)
		}
	}
	return nil
}

// deleteKeys is -d and -D (spec: key-management-cli §4.4).
func (t *tool) deleteKeys(pattern string) error {
	keys, err := t.match(pattern, t.mode.states)
	if err != nil {
		return err
	}
	if ok, err := t.propose(pattern, keys, []pki.State{pki.Pending}, "deleted"); err != nil || !ok {
		return err
	}
	gone, kept, err := t.removeKeys(keys)
	if err != nil {
		return err
	}
	err = errors.Join(t.endSessions(gone), t.dropCaches(gone, kept))
	if err == nil {
		err = t.requestRotation()
	}
	for _, k := range keys {
		t.say("Key for minion %s deleted.\n", k.id)
	}
	return err
}

// removeKeys deletes keys; kept are the ids whose cached data stays.
func (t *tool) removeKeys(keys []keyID) (gone []string, kept map[string]bool, err error) {
	if err := t.openAudit(); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, t.settle(keys, pki.None)) }()
	kept = map[string]bool{}
	for _, k := range keys {
		if err := t.stopped(); err != nil {
			return gone, kept, err
		}
		pem, err := t.store.Text(k.id, k.state)
		if err != nil {
			return gone, kept, err
		}
		if err := t.record("delete", k, pki.None, pem); err != nil {
			return gone, kept, err
		}
		if err := t.store.Delete(k.id, k.state); err != nil && !errors.Is(err, pki.ErrNotFound) {
			return gone, kept, errors.Join(err, t.recordFailure("delete", k, err))
		}
		t.events.Fire(t.ctx, "delete", k.id)
		gone = append(gone, k.id)
		if k.state == pki.Accepted && truthy(t.preserve, false) {
			kept[k.id] = true
		}
		if err := t.emit(keyLine{Action: "deleted", Result: new(true), ID: k.id, From: k.state.String()}); err != nil {
			return gone, kept, err
		}
	}
	return gone, kept, nil
}
