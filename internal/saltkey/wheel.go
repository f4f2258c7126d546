package saltkey

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/wire"
)

// remote does stock's actions through the wheel functions of a running master, with external
// authentication: the master changes its key store, writes its own log and fires the events.
// spec: key-management-cli §7, runners-and-wheel §3
type remote struct {
	*tool
	client *client.Client
	auth   *wire.Map // credentials, as they go into requests
}

const wheelDown = "The salt master could not be contacted. Is master running?"

// onlyHere are options that mean something on the master's own files only; a wheel call cannot carry
// them.
var onlyHere = []string{
	"rotate-aes-key", "preserve-minions", "state", "older-than", "newer-than", "accept-from", "watch", "audit-log", "verify-signature",
}

// checkWheel finds faults in the options of external authentication.
func (o *options) checkWheel(f *pflag.FlagSet) error {
	if o.eauth == "" {
		if cliargs.Changed(f, "make-token", "username", "password") {
			return cliargs.Usagef("--make-token, --username and --password belong to --eauth")
		}
		return nil
	}
	for _, name := range onlyHere {
		if cliargs.Changed(f, name) {
			return cliargs.Usagef("--%s works on this host's own key files and cannot be combined with --eauth", name)
		}
	}
	return nil
}

// overWheel asks for the credentials and has the master do act. What the master refuses is said on
// stdout, as stock does.
func (t *tool) overWheel(act action) error {
	c, err := client.New(client.FromMaster(t.cfg, client.Identity{}, t.log))
	if err != nil {
		return err
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.complain("%v", err)
		}
	}()
	auth, err := t.signIn(c)
	if err == nil {
		err = act(t, &remote{tool: t, client: c, auth: auth})
	}
	if stop := t.stopped(); stop != nil && err != nil {
		return stop
	}
	var (
		no     *client.RefusedError
		failed *client.WheelError
	)
	switch {
	case errors.As(err, &no):
		return t.denied(no.Message)
	case errors.As(err, &failed):
		t.refused = true
		return t.returned(failed.Text)
	case errors.Is(err, client.ErrMasterDown):
		return t.denied(wheelDown)
	}
	return err
}

// denied says why nothing was done: on stdout, or on stderr where that is for programs.
func (t *tool) denied(text string) error {
	t.refused = true
	switch {
	case t.quiet:
	case t.view.lines:
		t.complain("%s", text)
	default:
		t.say("%s\n", text)
	}
	return nil
}

// credentials asks for what the command line does not say.
func (t *tool) credentials() (*wire.Map, error) {
	c := cliargs.Credentials{Eauth: t.eauth, Username: t.username, Password: t.password}
	auth, err := c.Ask(t.ctx, t.stdin, t.stderr)
	if errors.Is(err, io.EOF) {
		return nil, errEOF
	}
	return auth, err
}

// call runs one function of the wheel module key; what is no map of the master's is returned as it is.
func (r *remote) call(fun string, args ...any) (any, error) {
	return r.client.Wheel(r.ctx, r.auth, "key."+fun, args...)
}

// tree is call for functions that return state → keys. The master's own files are no keys of minions and
// are taken out, as stock does, unless local is set.
func (r *remote) tree(local bool, fun string, args ...any) (*wire.Map, error) {
	result, err := r.call(fun, args...)
	if err != nil {
		return nil, err
	}
	m, ok := result.(*wire.Map)
	if !ok {
		return nil, fmt.Errorf("key.%s: the master's answer is no map of keys", fun)
	}
	if !local {
		m.Delete("local")
	}
	return m, nil
}
