package cliargs

import (
	"errors"
	"fmt"
	"io"
	"os"
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
// The error says that the input ended.
//
// spec: local-client-and-salt-cli §5
func (c Credentials) Ask(in io.Reader, out io.Writer) (*wire.Map, error) {
	user, password := c.Username, c.Password
	var err error
	if user == "" {
		if user, err = ask("username: ", in, out); err != nil {
			return nil, err
		}
	}
	if password == "" {
		if password, err = askHidden("password: ", in, out); err != nil {
			return nil, err
		}
	}
	return wire.NewMap("username", user, "password", password, "eauth", c.Eauth), nil
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
