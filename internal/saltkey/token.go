package saltkey

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/wire"
)

// maxToken bounds a token file; real ones have 64 or 128 characters.
const maxToken = 4096

// signIn returns what says in requests who asks: a token that is kept and young enough, where the command
// line names nobody, else the credentials; with -T a new token for them, which is kept. The master
// refuses the credentials itself when it gives no token for them.
// spec: local-client-and-salt-cli §5
func (t *tool) signIn(c *client.Client) (*wire.Map, error) {
	if !t.makeToken && t.username == "" && t.password == "" {
		token, err := t.keptToken()
		if err != nil {
			t.complain("Token is not used: %v", err)
		}
		if token != "" {
			return wire.NewMap("token", token), nil
		}
	}
	auth, err := t.credentials()
	if err != nil || !t.makeToken {
		return auth, err
	}
	token, err := c.MakeToken(t.ctx, auth)
	if refused := (*client.RefusedError)(nil); errors.As(err, &refused) {
		return auth, nil
	}
	if err != nil {
		return nil, err
	}
	if err := t.keepToken(token); err != nil {
		t.complain("Token is not kept: %v", err)
	}
	return wire.NewMap("token", token), nil
}

// keptToken reads the token of an earlier run, "" without one or when it is older than token_expire.
func (t *tool) keptToken() (string, error) {
	f, err := os.Open(t.cfg.TokenFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || time.Since(info.ModTime()) >= t.cfg.TokenExpire {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	return strings.TrimSpace(string(text)), err
}

// keepToken writes the token for its owner alone; a file of another mode is narrowed before.
func (t *tool) keepToken(token string) error {
	f, err := os.OpenFile(t.cfg.TokenFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.Chmod(0o600)
	if err == nil {
		_, err = f.WriteString(token)
	}
	return errors.Join(err, f.Close())
}
