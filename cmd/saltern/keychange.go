package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/pki"
)

var (
	errKeyInterrupted = errors.New("interrupted")
	errKeyEOF         = errors.New("EOF when reading a line")
)

// acceptKeys is -a and -A (spec: key-management-cli §4.1, §4.2).
func (t *keyTool) acceptKeys(pattern string, o *keyOptions) error {
	states := []pki.State{pki.Pending}
	if o.includeRejected || o.includeAll {
		states = append(states, pki.Rejected)
	}
	if o.includeDenied {
		states = append(states, pki.Denied)
	}
	return t.change(pattern, states, "accepted", func(keys []keyID) ([]string, error) {
		return t.moveKeys(keys, pki.Accepted, "accept", func(k keyID) (bool, error) { return t.mayAccept(k, o.force) })
	})
}

// rejectKeys is -r and -R (spec: key-management-cli §4.3).
func (t *keyTool) rejectKeys(pattern string, o *keyOptions) error {
	states := []pki.State{pki.Pending}
	if o.includeAccepted || o.includeAll {
		states = append(states, pki.Accepted)
	}
	if o.includeDenied {
		states = append(states, pki.Denied)
	}
	return t.change(pattern, states, "rejected", func(keys []keyID) ([]string, error) {
		moved, err := t.moveKeys(keys, pki.Rejected, "reject", func(keyID) (bool, error) { return true, nil })
		if err != nil {
			return nil, err
		}
		if err := t.endSessions(moved); err != nil {
			return nil, err
		}
		return moved, t.requestRotation(o.rotate)
	})
}

// mayAccept refuses texts that are no key, and to put a denied key, by its nature a stranger's, in the
// place of the accepted one.
func (t *keyTool) mayAccept(k keyID, force bool) (bool, error) {
	entry, err := t.store.Read(k.id, k.state)
	if err != nil {
		return false, err
	}
	if entry.KeyErr != nil || entry.State == pki.None {
		t.logError("Invalid RSA public key: %s", k.id)
		fmt.Fprintf(t.stderr, "Unable to accept invalid key for %s.\n", k.id)
		return false, nil
	}
	if k.state != pki.Denied || force {
		return true, nil
	}
	accepted, err := t.store.Read(k.id, pki.Accepted)
	if err != nil || accepted.State == pki.None {
		return err == nil, err
	}
	t.logError("Key of %s is accepted already and the denied one is another: not replaced without --force", k.id)
	return false, nil
}

// moveKeys moves the keys that may be moved and fires an event for each; it returns their ids in order.
func (t *keyTool) moveKeys(keys []keyID, to pki.State, act string, may func(keyID) (bool, error)) ([]string, error) {
	var moved []string
	for _, k := range keys {
		ok, err := may(k)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if err := t.store.Move(k.id, k.state, to); err != nil {
			return nil, err
		}
		t.events.fire(t.ctx, act, k.id)
		if !slices.Contains(moved, k.id) {
			moved = append(moved, k.id)
		}
	}
	return moved, nil
}

// change is the dialogue that accept and reject share: match, show, ask, act, report. The report looks
// every id up again in all states, as stock does, so an id that is denied as well appears twice.
func (t *keyTool) change(pattern string, states []pki.State, done string, act func([]keyID) ([]string, error)) error {
	keys, err := t.match(pattern, states)
	if err != nil {
		return err
	}
	if ok, err := t.propose(pattern, keys, states, done); err != nil || !ok {
		return err
	}
	ids, err := act(keys)
	if err != nil {
		return err
	}
	var groups []pki.State
	lines := map[pki.State][]string{}
	for _, id := range ids {
		for _, state := range keyStates {
			entry, err := t.store.Read(id, state)
			if err != nil {
				return err
			}
			if entry.State == pki.None {
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
			fmt.Fprintf(t.stdout, "Key for minion %s %s.\n", id, done)
		}
	}
	return nil
}

// deleteKeys is -d and -D (spec: key-management-cli §4.4).
func (t *keyTool) deleteKeys(pattern string, o *keyOptions) error {
	keys, err := t.match(pattern, keyStates)
	if err != nil {
		return err
	}
	if ok, err := t.propose(pattern, keys, []pki.State{pki.Pending}, "deleted"); err != nil || !ok {
		return err
	}
	var ids, kept []string
	for _, k := range keys {
		if err := t.store.Delete(k.id, k.state); err != nil && !errors.Is(err, pki.ErrNotFound) {
			return err
		}
		t.events.fire(t.ctx, "delete", k.id)
		ids = append(ids, k.id)
		if k.state == pki.Accepted && keyTruthy(o.preserve, false) {
			kept = append(kept, k.id)
		}
	}
	err = errors.Join(t.endSessions(ids), t.dropCaches(ids, kept))
	if err == nil {
		err = t.requestRotation(o.rotate)
	}
	for _, k := range keys {
		fmt.Fprintf(t.stdout, "Key for minion %s deleted.\n", k.id)
	}
	return err
}

// propose shows what would change and asks. named are the states that were searched.
func (t *keyTool) propose(pattern string, keys []keyID, named []pki.State, done string) (bool, error) {
	if len(keys) == 0 {
		fmt.Fprintf(t.stdout, "The key glob '%s' does not match any %s keys.\n", pattern, joinStates(named))
		return false, nil
	}
	fmt.Fprintf(t.stdout, "The following keys are going to be %s:\n", done)
	if err := t.show(byState(keys)); err != nil {
		return false, err
	}
	if t.yes {
		return true, nil
	}
	prompt, byDefault := "Proceed? [n/Y] ", true
	if done == "deleted" {
		prompt, byDefault = "Proceed? [N/y] ", false
	}
	fmt.Fprint(t.stdout, prompt)
	line, err := t.readLine()
	if err != nil {
		return false, err
	}
	if line == "" {
		return byDefault, nil
	}
	return line[0] == 'y' || line[0] == 'Y', nil
}

// joinStates names states as "unaccepted, rejected or denied".
func joinStates(states []pki.State) string {
	var words []string
	for _, s := range []struct {
		state pki.State
		word  string
	}{{pki.Pending, "unaccepted"}, {pki.Accepted, "accepted"}, {pki.Rejected, "rejected"}, {pki.Denied, "denied"}} {
		if slices.Contains(states, s.state) {
			words = append(words, s.word)
		}
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return words[0]
}

// readLine reads the answer to the prompt; Ctrl-C ends the run without an answer.
func (t *keyTool) readLine() (string, error) {
	ctx, stop := signal.NotifyContext(t.ctx, os.Interrupt)
	defer stop()
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends with the process when interrupted: a read of a terminal cannot be taken back
		line, err := bufio.NewReader(t.stdin).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		if a.err != nil && a.line == "" {
			return "", errKeyEOF
		}
		return strings.TrimRight(a.line, "\r\n"), nil
	case <-ctx.Done():
		return "", errKeyInterrupted
	}
}

// keyTruthy reads the value of --rotate-aes-key and --preserve-minions: any text but false is true, an
// absent option means otherwise.
func keyTruthy(value string, otherwise bool) bool {
	if value == "" {
		return otherwise
	}
	return !strings.EqualFold(value, "false")
}
