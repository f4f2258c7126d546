package keyshare

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/pki"
)

// peerDir below subdir holds one public key per peer, <name>.pub: those whose word counts.
const peerDir = "peers"

// maxPeers bounds the keys that are tried.
const maxPeers = maxNodes

// ErrPeer is returned for what no pinned key has signed, and for peers that are not pinned.
var ErrPeer = errors.New("not signed by a master that is pinned here")

// Pin stores the public key of a peer. A name that is pinned with another key is refused unless replace is set.
func (s *Share) Pin(name string, pub []byte, replace bool) (fingerprint string, err error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	key, err := pki.ParsePublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("key of %s: %w", name, err)
	}
	path := s.peerPath(name)
	if old, err := os.ReadFile(path); err == nil && !replace && !bytes.Equal(bytes.TrimSpace(old), bytes.TrimSpace(key.PEM())) {
		return "", fmt.Errorf("%s is pinned with another key; replace it on purpose", name)
	}
	if err := replaceFile(path, key.PEM(), 0o644); err != nil {
		return "", err
	}
	return pki.Fingerprint(key.PEM(), "sha256")
}

// Unpin takes a peer's word no more.
func (s *Share) Unpin(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := os.Remove(s.peerPath(name)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", name, ErrPeer)
	} else if err != nil {
		return err
	}
	return nil
}

func checkName(name string) error {
	if pki.CheckID(name) != nil || strings.HasPrefix(name, ".") || len(name) > maxName-4 {
		return fmt.Errorf("%q cannot be the name of a peer", name)
	}
	return nil
}

func (s *Share) peerPath(name string) string {
	return filepath.Join(s.opts.PKIDir, subdir, peerDir, name+".pub")
}

// Peers are the names of the pinned masters.
func (s *Share) Peers() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.opts.PKIDir, subdir, peerDir))
	if err != nil {
		return nil, fmt.Errorf("pinned peers: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".pub"); ok && e.Type().IsRegular() && checkName(name) == nil {
			names = append(names, name)
		}
	}
	if len(names) > maxPeers {
		return nil, fmt.Errorf("%d peers are pinned, at most %d can be", len(names), maxPeers)
	}
	slices.Sort(names)
	return names, nil
}

// Peer is the pinned key of a peer.
func (s *Share) Peer(name string) (*pki.PublicKey, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	key, err := pki.LoadPublicKey(s.peerPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrPeer)
	}
	return key, err
}

// whoSigned finds the pinned peer whose key made sig over text; own is accepted, too, as "".
func (s *Share) whoSigned(text, sig []byte, own *pki.PublicKey) (string, error) {
	if own != nil && own.Verify(signing, text, sig) == nil {
		return "", nil
	}
	names, err := s.Peers()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		key, err := s.Peer(name)
		if err != nil {
			return "", err
		}
		if key.Verify(signing, text, sig) == nil {
			return name, nil
		}
	}
	return "", ErrPeer
}

// signing is the algorithm of every signature of this package.
const signing = pki.PKCS1v15SHA224
