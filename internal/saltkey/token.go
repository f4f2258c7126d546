package saltkey

import (
	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/wire"
)

// signIn returns what says in requests who asks: a token that is kept and young enough, where the command
// line names nobody, else the credentials; with -T a new token for them, which is kept. The master
// refuses the credentials itself when it gives no token for them.
// spec: local-client-and-salt-cli §5
func (t *tool) signIn(c *client.Client) (*wire.Map, error) {
	file := client.TokenFileOf(t.cfg)
	if !t.makeToken && t.username == "" && t.password == "" {
		token, err := file.Read()
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
	auth, notKept, err := c.Login(t.ctx, auth, file)
	if notKept != nil {
		t.complain("Token is not kept: %v", notKept)
	}
	return auth, err
}
