package saltkey

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/saltern-io/saltern/pki"
)

// Bounds of a file of fingerprints.
const (
	maxFingerprints    = 1_000_000
	maxFingerprintLine = 1024
)

// fingerprintHashes tell a fingerprint's hash by its length in bytes. MD5 and SHA-1 are left out: a list
// of fingerprints is trusted for months.
var fingerprintHashes = map[int]string{28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512"}

// expected is one line of the file: the fingerprint an id must have.
type expected struct {
	line   int
	digest string // lower-case hex pairs with colons
	hash   string
}

// acceptFromFile is --accept-from: it accepts the pending keys whose fingerprint is in the file, and
// says of every other line why not.
func (t *tool) acceptFromFile() error {
	list, order, err := t.readFingerprints()
	if err != nil {
		return err
	}
	keys, err := t.match("*", []pki.State{pki.Pending})
	if err != nil {
		return err
	}
	pending := map[string]keyID{}
	for _, k := range keys {
		pending[k.id] = k
	}
	var chosen []keyID
	for _, id := range order {
		k, ok := pending[id]
		if !ok {
			t.refuse(keyID{pki.None, id}, "line %d: %s has no pending key", list[id].line, id)
			continue
		}
		pem, err := t.store.Text(id, pki.Pending)
		if err != nil {
			return err
		}
		if t.matches(k, pem, list[id]) {
			chosen = append(chosen, k)
		}
	}
	if len(chosen) == 0 {
		t.nothing = true
		t.say("No pending key matches a fingerprint of %s.\n", t.acceptFrom)
		return nil
	}
	if ok, err := t.propose("", chosen, []pki.State{pki.Pending}, "accepted"); err != nil || !ok {
		return err
	}
	return t.acceptMatching(chosen, list)
}

// matches tells whether a key has the fingerprint expected of it, and says so when not.
func (t *tool) matches(k keyID, pem []byte, want expected) bool {
	got, err := pki.Fingerprint(pem, want.hash)
	if err == nil && got == want.digest {
		return true
	}
	t.refuse(k, "line %d: the pending key of %s has another fingerprint: %s", want.line, k.id, got)
	return false
}

// acceptMatching accepts keys, each compared again with the text that is moved.
func (t *tool) acceptMatching(keys []keyID, list map[string]expected) error {
	moved, err := t.moveKeys(keys, change{
		done: "accepted", act: t.mode.accepted, to: pki.Accepted,
		may: func(k keyID, pem []byte) (verdict, error) {
			if !t.matches(k, pem, list[k.id]) {
				return refuseKey, nil
			}
			return t.mayAccept(k, pem)
		},
	})
	if err != nil {
		return err
	}
	for i, id := range moved {
		// The key may have been exchanged between the comparison and the move.
		k := keyID{pki.Accepted, id}
		pem, err := t.store.Text(id, pki.Accepted)
		if err != nil {
			return err
		}
		if t.matches(k, pem, list[id]) {
			continue
		}
		if err := t.record("reject", k, pki.Pending, pem); err != nil {
			return err
		}
		if err := t.store.Move(id, pki.Accepted, pki.Pending); err != nil {
			return err
		}
		moved[i] = ""
	}
	return t.report(moved, "accepted")
}

// readFingerprints reads lines "id fingerprint"; blank ones and those that start with # are ignored. A
// line that cannot be read, or an id named twice with different fingerprints, is an error: nothing is
// accepted from a file that may be damaged.
func (t *tool) readFingerprints() (map[string]expected, []string, error) {
	from := t.stdin
	if t.acceptFrom != "-" {
		f, err := os.Open(t.acceptFrom)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		from = f
	} else if !t.yes {
		return nil, nil, fmt.Errorf("--accept-from - reads stdin, so nobody can be asked: give --yes as well")
	}
	return parseFingerprints(from)
}

func parseFingerprints(from io.Reader) (map[string]expected, []string, error) {
	list := map[string]expected{}
	var order []string
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, maxFingerprintLine), maxFingerprintLine)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		cut := strings.LastIndexAny(text, " \t") // an id may hold spaces
		if cut < 0 {
			return nil, nil, fmt.Errorf("line %d: want \"id fingerprint\"", n)
		}
		id, want := strings.TrimSpace(text[:cut]), expected{line: n}
		digest, err := hex.DecodeString(strings.ReplaceAll(text[cut+1:], ":", ""))
		if want.hash = fingerprintHashes[len(digest)]; err != nil || want.hash == "" {
			return nil, nil, fmt.Errorf("line %d: %.80q is no fingerprint of SHA-224 or better", n, text[cut+1:])
		}
		want.digest = colons(digest)
		if err := pki.CheckID(id); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", n, err)
		}
		before, twice := list[id]
		if twice && before.digest != want.digest {
			return nil, nil, fmt.Errorf("line %d: %s has another fingerprint in line %d", n, id, before.line)
		}
		if !twice {
			order = append(order, id)
		}
		list[id] = want
		if len(list) > maxFingerprints {
			return nil, nil, fmt.Errorf("more than %d fingerprints", maxFingerprints)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("read fingerprints: %w", err)
	}
	return list, order, nil
}

func colons(digest []byte) string {
	var b strings.Builder
	for i, octet := range digest {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02x", octet)
	}
	return b.String()
}
