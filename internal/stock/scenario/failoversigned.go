package scenario

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// signedSteps are those of masters that do not have one key pair: each key is signed by the same signing key, the minion
// has verify_master_pubkey_sign and changes between the masters and their keys (spec: multi-master §4).
func (f *failover) signedSteps() []Step {
	return []Step{
		{Name: "to another signed key", Run: f.toSignedKey},
		{Name: "and back", Run: f.backToSignedKey},
	}
}

// toSignedKey kills the first master: the minion takes the second one with its other key.
func (f *failover) toSignedKey(ctx context.Context, b *Bench) error {
	if err := f.ready(ctx, b); err != nil {
		return err
	}
	position, begun := f.hosts[1].bus.Len(), time.Now()
	if err := f.hosts[0].master.Kill(); err != nil {
		return err
	}
	return f.moved(ctx, b, 1, position, begun, "to a master with another, signed key")
}

// backToSignedKey kills the second master after the first one serves again.
func (f *failover) backToSignedKey(ctx context.Context, b *Bench) error {
	if err := f.masters(ctx, b); err != nil {
		return err
	}
	if err := f.served(ctx, 1); err != nil {
		return err
	}
	position, begun := f.hosts[0].bus.Len(), time.Now()
	if err := f.hosts[1].master.Kill(); err != nil {
		return err
	}
	return f.moved(ctx, b, 0, position, begun, "back to the first master's key")
}

// shareSigningKey gives both masters the signing pair and the minion its public half.
func (f *failover) shareSigningKey() error {
	pair, err := newKeyPair()
	if err != nil {
		return err
	}
	minion := filepath.Join(filepath.Dir(f.m.configDir), "r", "etc/salt/pki/minion")
	dirs := map[string][]string{
		stock.PKIDir(f.hosts[0].root): {".pem", ".pub"}, stock.PKIDir(f.hosts[1].root): {".pem", ".pub"}, minion: {".pub"},
	}
	for dir, suffixes := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		for _, suffix := range suffixes {
			if err := replaceFile(filepath.Join(dir, "master_sign"+suffix), pair[suffix]); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownMasterKey gives a master that has not started a key pair that no other has; links to another master's go.
func (h *host) ownMasterKey() error {
	pair, err := newKeyPair()
	if err != nil {
		return err
	}
	dir := stock.PKIDir(h.root)
	for suffix, text := range pair {
		files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if err != nil {
			return err
		}
		for _, path := range files {
			if strings.HasPrefix(filepath.Base(path), "master_sign") {
				continue
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		if err := replaceFile(filepath.Join(dir, "master"+suffix), text); err != nil {
			return err
		}
	}
	return nil
}
