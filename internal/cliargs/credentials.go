package cliargs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"golang.org/x/term"

	"github.com/saltern-io/saltern/internal/wire"
)

// maxLine bounds a line that is typed.
const maxLine = 4096

// Credentials are the options of external authentication.
type Credentials struct{ Eauth, Username, Password string }

// Ask returns what goes into a request, asking for what was not given: the name with a plain prompt, the
// password without echo where in is a terminal. Prompts go to out. Nothing of it is kept or logged.
//
// An empty answer to the first question is the caller's own account.
//
// The error says that the input ended, or is the cause of the context's end: that ends a question, and gives the
// terminal its echo back.
//
// spec: local-client-and-salt-cli §5
func (c Credentials) Ask(ctx context.Context, in io.Reader, out io.Writer) (*wire.Map, error) {
	if c.Username != "" && c.Password != "" {
		return c.ask(in, out)
	}
	restore := func() error { return nil }
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		state, err := term.GetState(int(f.Fd()))
		if err != nil {
			return nil, fmt.Errorf("state of the terminal: %w", err)
		}
		restore = func() error { return term.Restore(int(f.Fd()), state) }
	}
	type answer struct {
		auth *wire.Map
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends with the process when interrupted: a read of a terminal cannot be taken back
		auth, err := c.ask(in, out)
		got <- answer{auth, err}
	}()
	select {
	case a := <-got:
		return a.auth, a.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), restore())
	}
}

func (c Credentials) ask(in io.Reader, out io.Writer) (*wire.Map, error) {
	name, password := c.Username, c.Password
	var err error
	if name == "" {
		if name, err = ask("username: ", in, out); err != nil {
			return nil, err
		}
	}
	if name == "" {
		account, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("own account: %w", err)
		}
		name = account.Username
	}
	if password == "" {
		if password, err = askHidden("password: ", in, out); err != nil {
			return nil, err
		}
	}
	return wire.NewMap("username", name, "password", password, "eauth", c.Eauth), nil
}

func ask(prompt string, in io.Reader, out io.Writer) (string, error) {
	if _, err := fmt.Fprint(out, prompt); err != nil {
		return "", err
	}
	return ReadLine(in)
}

func askHidden(prompt string, in io.Reader, out io.Writer) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return ask(prompt, in, out)
	}
	if _, err := fmt.Fprint(out, prompt); err != nil {
		return "", err
	}
	secret, err := term.ReadPassword(int(f.Fd()))
	return string(secret), errors.Join(err, newline(out))
}

func newline(out io.Writer) error {
	_, err := fmt.Fprintln(out)
	return err
}

// ReadLine reads one line of at most 4096 bytes and not a byte more, so that the next question finds its
// answer in the same input. io.EOF means that there was nothing; the line has no line end.
func ReadLine(in io.Reader) (string, error) {
	var line strings.Builder
	var b [1]byte
	for line.Len() < maxLine {
		n, err := in.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				break
			}
			line.WriteByte(b[0])
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && line.Len() > 0 {
				break
			}
			return "", err
		}
	}
	return strings.TrimRight(line.String(), "\r"), nil
}
