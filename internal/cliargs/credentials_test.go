package cliargs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/user"
	"strings"
	"sync"
	"testing"
)

func TestCredentials_Ask(t *testing.T) {
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	own := account.Username
	for name, tt := range map[string]struct {
		given    Credentials
		in       string
		want     string // username/password
		prompted string
		rest     string // of the input
		err      error
	}{
		"given":        {Credentials{"pam", "a", "b"}, "x\n", "a/b", "", "x\n", nil},
		"no password":  {Credentials{"pam", "a", ""}, "b\nnext\n", "a/b", "password: ", "next\n", nil},
		"nothing":      {Credentials{Eauth: "pam"}, "a\r\nb\ny\n", "a/b", "username: password: ", "y\n", nil},
		"without end":  {Credentials{"pam", "a", ""}, "b", "a/b", "password: ", "", nil},
		"own account":  {Credentials{Eauth: "pam"}, "\nb\n", own + "/b", "username: password: ", "", nil},
		"no input":     {Credentials{Eauth: "pam"}, "", "", "username: ", "", io.EOF},
		"ends halfway": {Credentials{Eauth: "pam"}, "a\n", "", "username: password: ", "", io.EOF},
	} {
		in := strings.NewReader(tt.in)
		var prompted bytes.Buffer
		m, err := tt.given.Ask(t.Context(), in, &prompted)
		got := ""
		if m != nil {
			got = m.Str("username") + "/" + m.Str("password")
		}
		rest, readErr := io.ReadAll(in)
		if got != tt.want || prompted.String() != tt.prompted || string(rest) != tt.rest || !errors.Is(err, tt.err) || readErr != nil {
			t.Errorf("%s: %q, prompts %q, rest %q, %v", name, got, prompted.String(), rest, err)
		}
		if err == nil && m.Str("eauth") != "pam" {
			t.Errorf("%s: eauth %q", name, m.Str("eauth"))
		}
	}
}

// TestCredentials_Ask_interrupted: a question ends with the context, though nobody answers it.
func TestCredentials_Ask_interrupted(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := &notifyWriter{told: make(chan struct{})}
	go func() {
		<-asked.told
		cancel(io.ErrClosedPipe)
	}()
	if m, err := (Credentials{Eauth: "pam"}).Ask(ctx, in, asked); m != nil || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v, %v", m, err)
	}
}

// notifyWriter tells that something was written.
type notifyWriter struct {
	once sync.Once
	told chan struct{}
}

func (w *notifyWriter) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.told) })
	return len(p), nil
}

func TestReadLine_bounded(t *testing.T) {
	line, err := ReadLine(strings.NewReader(strings.Repeat("x", 3*maxLine)))
	if len(line) != maxLine || err != nil {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}
