package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// eauthOptions are the options of external authentication that the configuration may give as well.
var eauthOptions = []struct{ key, flag string }{
	{"eauth", "auth"}, {"mktoken", "make-token"}, {"username", "username"}, {"password", "password"},
}

// configuredEauth takes from the configuration what the command line does not say.
func configuredEauth(fs *pflag.FlagSet, cfg *config.Master) error {
	for _, option := range eauthOptions {
		text, ok := cfg.Raw.Get(option.key).Text()
		names := []string{option.flag}
		if option.flag == "auth" {
			names = append(names, "eauth", "external-auth")
		}
		if !ok || cliargs.Changed(fs, names...) {
			continue
		}
		if err := fs.Lookup(option.flag).Value.Set(text); err != nil {
			return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: fmt.Sprintf("%s: %v", option.key, err)}
		}
	}
	return nil
}

// signIn finds out who publishes, in stock's order: a kept token that is young enough, whatever the command line
// says, but for those who may read root's key, who need none, except in a batch; then external authentication, with
// -T by a new token; else the local key alone.
// spec: local-client-and-salt-cli §5
func (r *saltRun) signIn(ctx context.Context) error {
	file := client.TokenFileOf(r.cfg)
	token, err := file.Read()
	if err != nil {
		fmt.Fprintf(r.stderr, "[WARNING ] Token is not used: %v\n", err)
	}
	if token != "" {
		if r.batched() || !client.ReadsRootKey(r.cfg.CacheDir) {
			r.call.auth, r.tokenFile = wire.NewMap("token", token), file.Path
		}
		return nil
	}
	if r.opts.eauth == "" {
		return nil
	}
	r.call.auth, err = r.opts.credentials(ctx)
	if err != nil || !r.opts.makeToken {
		return err
	}
	auth, notKept, err := r.client.Login(ctx, r.call.auth, file)
	if notKept != nil {
		fmt.Fprintf(r.stderr, "[WARNING ] Token is not kept: %v\n", notKept)
	}
	r.call.auth = auth
	return err
}

// credentials are the kwargs of external authentication, asked for when not given.
func (o *saltOptions) credentials(ctx context.Context) (*wire.Map, error) {
	c, err := cliargs.Credentials{Eauth: o.eauth, Username: o.username, Password: o.password}.Ask(ctx, os.Stdin, os.Stderr)
	if errors.Is(err, io.EOF) {
		return nil, &cliargs.ExitError{Code: 2, Text: fmt.Sprintf("ERROR: Authentication failed: no credentials: %v", err)}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return c, err
}

// tokenHint names the file of a token that the master refused: it may be another master's, and stays in the way
// until it is too old.
func (r *saltRun) tokenHint(refused *client.RefusedError) {
	if r.tokenFile != "" && refused.Name == "AuthenticationError" {
		fmt.Fprintf(r.stderr, "[WARNING ] The token in %s was used; remove the file if another master issued it\n", r.tokenFile)
	}
}
