package keyrotate

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/saltern-io/saltern/pki"
)

// Switch puts the next pair in the place of the one in use, which is kept as previous. It refuses with ErrUnsafe,
// unless force is set, when no minion could accept the new key by itself: no master_sign_pubkey, or no good
// signature where a prepared one is sent. An interrupted switch is ended by calling it again.
func (d Dir) Switch(force bool) error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	next, previous := d.set("next"), d.set("previous")
	switch {
	case s.State == UnderWay && d.underWay() == s.Next:
		return d.replace(next, previous, false)
	case s.State != Prepared:
		return fmt.Errorf("switch: %w: %s", ErrState, s.State)
	}
	if !next.complete() {
		return fmt.Errorf("switch: %w: the next pair is not complete, discard it", ErrState)
	}
	if key, err := pki.LoadPrivateKey(next[".pem"], d.KeyPass); err != nil {
		return fmt.Errorf("switch: %w", err)
	} else if public, err := next.public(); err != nil || !public.Equal(key.Public()) {
		return fmt.Errorf("switch: %w: %s is not the public half of %s", ErrState, next[".pub"], next[".pem"])
	}
	switch {
	case force:
	case !d.SignPubKey:
		return fmt.Errorf("switch: %w: master_sign_pubkey is off, so every minion refuses the new key until its minion_master.pub is replaced", ErrUnsafe)
	case d.Prepared:
		if err := d.checkSignature(next); err != nil {
			return fmt.Errorf("switch: %w: master_use_pubkey_signature is on: %w", ErrUnsafe, err)
		}
	}
	return d.replace(next, previous, true)
}

// Rollback puts the previous pair back in use; the one in use becomes next again. It needs no force: minions that took
// the new key take the old one the same way, the others never left it.
func (d Dir) Rollback() error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	next, previous := d.set("next"), d.set("previous")
	switch {
	case s.State == UnderWay && d.underWay() == s.Previous:
		return d.replace(previous, next, false)
	case s.State == UnderWay && s.Previous != "" && previous.complete():
		// An interrupted switch, taken back: what is in use may be half of each, and next is still whole.
		return d.restore(previous)
	case s.State != Switched:
		return fmt.Errorf("rollback: %w: %s", ErrState, s.State)
	}
	return d.replace(previous, next, true)
}

// replace keeps the pair in use as kept and puts from in its place. Every step can be repeated; save is false when the
// pair in use may already be half replaced, and kept is whole.
func (d Dir) replace(from, kept files, save bool) error {
	current := d.current()
	if save {
		if err := current.copyTo(kept); err != nil {
			return err
		}
		text, err := read(from[".pub"])
		if err != nil {
			return err
		}
		finger, err := pki.Fingerprint(text, "sha256")
		if err != nil {
			return err
		}
		if err := write(filepath.Join(d.Path, subdir, marker), []byte(finger), 0o600); err != nil {
			return err
		}
	}
	if err := from.copyTo(current); err != nil {
		return err
	}
	// The marker goes before its key does: without it the copy in from is merely superfluous.
	if err := remove(filepath.Join(d.Path, subdir, marker)); err != nil {
		return err
	}
	return from.removeAll()
}

// restore puts previous back in use and leaves next prepared.
func (d Dir) restore(previous files) error {
	if err := previous.copyTo(d.current()); err != nil {
		return err
	}
	if err := remove(filepath.Join(d.Path, subdir, marker)); err != nil {
		return err
	}
	return previous.removeAll()
}

// Finish removes the previous pair: there is no way back after it. ErrState unless the next one is in use.
func (d Dir) Finish() error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	if s.State != Switched {
		return fmt.Errorf("finish: %w: %s", ErrState, s.State)
	}
	for _, name := range []string{"previous", "next"} { // of next there may be a rest
		if err := d.set(name).removeAll(); err != nil {
			return err
		}
	}
	return os.Remove(filepath.Join(d.Path, subdir))
}

// Discard removes a prepared pair that is not to be used.
func (d Dir) Discard() error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	if s.State != Prepared {
		return fmt.Errorf("discard: %w: %s", ErrState, s.State)
	}
	return d.set("next").removeAll()
}
