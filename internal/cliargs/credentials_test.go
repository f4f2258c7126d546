package cliargs

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestCredentials_Ask(t *testing.T) {
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
		"no input":     {Credentials{Eauth: "pam"}, "", "", "username: ", "", io.EOF},
		"ends halfway": {Credentials{Eauth: "pam"}, "a\n", "", "username: password: ", "", io.EOF},
	} {
		in := strings.NewReader(tt.in)
		var prompted bytes.Buffer
		m, err := tt.given.Ask(in, &prompted)
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

func TestReadLine_bounded(t *testing.T) {
	line, err := ReadLine(strings.NewReader(strings.Repeat("x", 3*maxLine)))
	if len(line) != maxLine || err != nil {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}
