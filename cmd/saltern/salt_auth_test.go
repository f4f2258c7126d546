package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/client/clienttest"
	"github.com/saltern-io/saltern/internal/wire"
)

const (
	issuedToken  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	keptToken    = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
	saltPassword = "correct horse"
)

// tokenMaster issues issuedToken to ops and refuses unknown tokens.
func tokenMaster(t *testing.T, config string) *clienttest.Master {
	return clienttest.Start(t, clienttest.Script{
		Minions: []string{"m1"}, Config: config,
		Wheel: func(load *wire.Map) any {
			if load.Str("eauth") != "file" || load.Str("username") != "ops" || load.Str("password") != saltPassword {
				return ""
			}
			return wire.NewMap("start", 1.5, "expire", 2.5, "name", "ops", "eauth", "file", "token", issuedToken)
		},
		Reply: func(_ int, req wire.PublishRequest) []byte {
			if token := req.Kwargs.Str("token"); req.Kwargs.Has("token") && token != issuedToken && token != keptToken {
				return wire.AuthenticationError
			}
			return nil
		},
	})
}

// credentialsSent is what a publish request says about the caller besides the local key.
func credentialsSent(req wire.PublishRequest) string {
	var parts []string
	for key, value := range req.Kwargs.All() {
		switch key {
		case "token", "eauth", "username", "password", "cmd":
			parts = append(parts, fmt.Sprintf("%s=%v", key, value))
		}
	}
	return strings.Join(parts, " ")
}

// TestSalt_token: who publishes, with a kept token and without.
// spec: local-client-and-salt-cli §5
func TestSalt_token(t *testing.T) {
	const all = "username=ops password=" + saltPassword + " eauth=file"
	const made, kept = "token=" + issuedToken, "token=" + keptToken
	login := []string{"-a", "file", "--username", "ops", "--password", saltPassword}
	wrong := []string{"-a", "file", "--username", "ops", "--password", "x"}
	young, old := time.Duration(0), 12*time.Hour
	for _, tt := range []struct {
		name   string
		args   []string
		config string
		root   bool          // the caller may read root's key
		file   string        // what is kept before
		age    time.Duration // of it
		sent   string
		left   string // what is kept after
	}{
		{name: "nothing", sent: ""},
		{name: "-T alone", args: []string{"-T"}, sent: ""},
		{name: "-a", args: login, sent: all},
		{name: "-T makes one", args: append([]string{"-T"}, login...), sent: made, left: issuedToken},
		{name: "-T makes one for root", args: append([]string{"-T"}, login...), root: true, sent: made, left: issuedToken},
		{name: "-T in a batch", args: append([]string{"-T", "-b", "1"}, login...), sent: made, left: issuedToken},
		{name: "-T refused", args: append([]string{"-T"}, wrong...), sent: "username=ops password=x eauth=file"},
		{name: "empty file", args: append([]string{"-T"}, login...), file: "\n", sent: made, left: issuedToken},
		{name: "too old", args: append([]string{"-T"}, login...), file: keptToken, age: old, sent: made, left: issuedToken},
		{name: "too old, no -a", file: keptToken, age: old, sent: "", left: keptToken},
		{name: "token_expire", config: "token_expire: 60", file: keptToken, age: time.Hour, sent: "", left: keptToken},
		{name: "kept", file: keptToken + "\n", age: young, sent: kept, left: keptToken + "\n"},
		{name: "kept and -T", args: append([]string{"-T"}, login...), file: keptToken, sent: kept, left: keptToken},
		{name: "kept and another user", args: wrong, file: keptToken, sent: kept, left: keptToken},
		{name: "kept, async", args: []string{"--async"}, file: keptToken, sent: kept, left: keptToken},
		{name: "kept, root", root: true, file: keptToken, sent: "", left: keptToken},
		{name: "kept and -a, root", args: login, root: true, file: keptToken, sent: "", left: keptToken},
		{name: "kept, root, batch", args: []string{"-b", "1"}, root: true, file: keptToken, sent: kept, left: keptToken},
		{name: "kept, root, static", args: []string{"--static"}, root: true, file: keptToken, sent: kept, left: keptToken},
		{name: "configured", config: "eauth: file\nusername: ops\npassword: " + saltPassword, sent: all},
		{
			name: "configured -T", config: "eauth: file\nmktoken: True\nusername: ops\npassword: " + saltPassword,
			sent: made, left: issuedToken,
		},
		{name: "configured and said", config: "eauth: pam\nusername: bob", args: login, sent: all},
		{name: "configured and said otherwise", config: "eauth: pam", args: append([]string{"--eauth=file"}, login[2:]...), sent: all},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			m := tokenMaster(t, "token_file: "+file+"\ntimeout: 1\n"+tt.config)
			actAs(t, m, tt.root)
			if tt.file != "" {
				writeToken(t, file, tt.file, tt.age)
			}
			code, stdout, stderr := runSaltCommand(m, append(tt.args, "*", "test.ping"))
			for _, text := range []string{saltPassword, issuedToken, keptToken} {
				if strings.Contains(stdout+stderr, text) {
					t.Errorf("a secret is shown: %q %q", stdout, stderr)
				}
			}
			requests := m.Requests()
			if code != 0 || stderr != "" || len(requests) == 0 {
				t.Fatalf("status %d, %d requests, %q %q", code, len(requests), stdout, stderr)
			}
			for _, req := range requests {
				if got := credentialsSent(req); got != tt.sent {
					t.Errorf("%v is sent with %q, want %q", req.Fun, got, tt.sent)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) || string(text) != tt.left {
				t.Errorf("kept: %q, %v; want %q", text, err, tt.left)
			}
			if info, err := os.Stat(file); err == nil && tt.left == issuedToken && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
		})
	}
}

// TestSalt_token_trouble: tokens that nobody knows, and files that cannot be used.
func TestSalt_token_trouble(t *testing.T) {
	login := []string{"-T", "-a", "file", "--username", "ops", "--password", saltPassword, "*", "test.ping"}
	for _, tt := range []struct {
		name           string
		file           func(t *testing.T, path string)
		args           []string
		stdout, stderr string // begins
	}{
		{
			"of another master", func(t *testing.T, path string) { writeToken(t, path, "feed", 0) },
			[]string{"*", "test.ping"},
			"Authentication error occurred.\n", "[WARNING ] The token in FILE was used; remove the file if another master issued it\n",
		},
		{
			"cannot be kept", func(t *testing.T, path string) {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			login, "m1:\n    True\n", "[WARNING ] Token is not kept: ",
		},
		{
			"cannot be looked at", func(t *testing.T, path string) {
				if err := os.Symlink(filepath.Base(path), path); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"*", "test.ping"},
			"m1:\n    True\n", "[WARNING ] Token is not used: ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			m := tokenMaster(t, "token_file: "+file)
			actAs(t, m, false)
			tt.file(t, file)
			code, stdout, stderr := runSaltCommand(m, tt.args)
			if want := strings.ReplaceAll(tt.stderr, "FILE", file); code != 0 || stdout != tt.stdout || !strings.HasPrefix(stderr, want) {
				t.Errorf("status %d, %q, %q; want %q, %q", code, stdout, stderr, tt.stdout, want)
			}
		})
	}
}

// actAs makes the caller somebody who may read root's key, or may not.
func actAs(t *testing.T, m *clienttest.Master, root bool) {
	t.Helper()
	path := filepath.Join(m.Dir, "cache", ".root_key")
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if root {
		err = errors.Join(err, os.WriteFile(path, []byte(clienttest.Key), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeToken(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	then := time.Now().Add(-age)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, then, then)); err != nil {
		t.Fatal(err)
	}
}
