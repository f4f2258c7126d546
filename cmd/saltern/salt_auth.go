package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/wire"
)

// credentials are the kwargs of external authentication, asked for when not given; nil without -a.
func (o *saltOptions) credentials() (*wire.Map, error) {
	if o.eauth == "" {
		return nil, nil
	}
	user, password := o.username, o.password
	var err error
	if user == "" {
		if user, err = ask("username: "); err != nil {
			return nil, err
		}
	}
	if password == "" {
		if password, err = askHidden("password: "); err != nil {
			return nil, err
		}
	}
	return wire.NewMap("username", user, "password", password, "eauth", o.eauth), nil
}

func ask(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && line == "" {
		return "", noInput(err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func askHidden(prompt string) (string, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return ask(prompt)
	}
	fmt.Fprint(os.Stderr, prompt)
	secret, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return "", noInput(err)
	}
	return string(secret), nil
}

func noInput(err error) error {
	return &cliargs.ExitError{Code: 2, Text: fmt.Sprintf("ERROR: Authentication failed: no credentials: %v", err)}
}
