package main

import (
	"fmt"
	"os"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/wire"
)

// credentials are the kwargs of external authentication, asked for when not given; nil without -a.
func (o *saltOptions) credentials() (*wire.Map, error) {
	if o.eauth == "" {
		return nil, nil
	}
	c, err := cliargs.Credentials{Eauth: o.eauth, Username: o.username, Password: o.password}.Ask(os.Stdin, os.Stderr)
	if err != nil {
		return nil, &cliargs.ExitError{Code: 2, Text: fmt.Sprintf("ERROR: Authentication failed: no credentials: %v", err)}
	}
	return c, nil
}
