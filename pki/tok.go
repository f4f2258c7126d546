package pki

import (
	"fmt"
	"sync/atomic"
)

// tokMessage is what every minion signs into its tok (spec: auth §1.3).
const tokMessage = "salt"

// maxTok is the longest tok: one block of the largest key.
const maxTok = maxKeyBits / 8

// Tok makes the constant tok of a minion or syndic key: an X9.31 block around "salt". Compute it once
// per key and never log it.
func Tok(key *PrivateKey) ([]byte, error) { return key.SignX931([]byte(tokMessage)) }

// tokMemory remembers the last good tok of one key: it never changes while the key does not.
type tokMemory struct{ good atomic.Pointer[[]byte] }

func (m *tokMemory) matches(tok []byte) bool {
	good := m.good.Load()
	return good != nil && sameBytes(*good, tok)
}

func (m *tokMemory) store(tok []byte) {
	kept := append([]byte(nil), tok...)
	m.good.Store(&kept)
}

func (m *tokMemory) copy(from *tokMemory) { m.good.Store(from.good.Load()) }

// VerifyTok checks that tok proves possession of the accepted key of id. It returns ErrID,
// ErrNotAccepted, ErrTok, or why the stored key is not one. The last good tok of each key is remembered
// and compared in constant time, so that the RSA operation happens once per key; the files are examined
// on every call, so that a deleted key stops working at once.
func (d *DirStore) VerifyTok(id string, tok []byte) error {
	cached, err := d.lookup(id)
	if err != nil {
		return err
	}
	if cached == nil || cached.state != Accepted {
		return fmt.Errorf("%q: %w", id, ErrNotAccepted)
	}
	if cached.entry.KeyErr != nil {
		return cached.entry.KeyErr
	}
	if cached.tok.matches(tok) {
		return nil
	}
	if len(tok) > maxTok {
		return fmt.Errorf("%q: %w", id, ErrTok)
	}
	message, err := cached.entry.Key.RecoverX931(tok)
	if err != nil || !sameBytes(message, []byte(tokMessage)) {
		return fmt.Errorf("%q: %w", id, ErrTok)
	}
	cached.tok.store(tok)
	return nil
}
