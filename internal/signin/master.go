package signin

import (
	"context"
	"fmt"

	"github.com/saltern-io/saltern/pki"
)

// Master is where to sign in, and what its key has to be.
type Master struct {
	Host       string
	Port       int
	Name       string // for messages
	Pins       Pins
	Acceptance Acceptance
	Finger     string // "" demands nothing
	HashType   string
}

// SignIn signs in once: do sends a request and returns its answer. The master's key is pinned. Errors: those for which
// IsVerdict holds, ErrAuthReply, and those of do.
func (m *Master) SignIn(ctx context.Context, i *Identity, do func(ctx context.Context, body []byte) ([]byte, error)) (*Credentials, error) {
	pinned, err := m.Pins.Load(m.Host, m.Port)
	if err != nil {
		return nil, err
	}
	body, ch, err := i.SignInRequest(pinned)
	if err != nil {
		return nil, err
	}
	reply, err := do(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	creds, err := i.OpenSignIn(reply, ch, m.Acceptance)
	if err != nil {
		return nil, err
	}
	if err := CheckFinger(m.Finger, m.HashType, creds.MasterKey); err != nil {
		return nil, err
	}
	return creds, m.pin(pinned, creds.MasterKey)
}

func (m *Master) pin(pinned, key *pki.PublicKey) error {
	if err := m.Pins.Store(m.Host, m.Port, pinned, key); err != nil {
		return fmt.Errorf("pin the key of %s: %w", m.Name, err)
	}
	return nil
}
