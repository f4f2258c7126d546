package master_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

// keyFile is where the key of an id in a state is stored.
func keyFile(m *mastertest.Running, s pki.State, id string) string {
	return filepath.Join(m.Config.PKIDir, s.Dir(), id)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// outcome is a sign-in's reply in one word.
func outcome(reply wire.AuthReply) string {
	if reply.Accept != nil {
		return "accepted"
	}
	return fmt.Sprint(reply.Ret)
}

// TestKeys_states walks the sign-in of one minion through the states of its key.
func TestKeys_states(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.NewMinion(t, m, "web1", 3)
	bus := m.Bus(t)
	signIn := func(want, act string) {
		t.Helper()
		if got := outcome(minion.SignIn(t)); got != want {
			t.Errorf("sign-in: %s, want %s", got, want)
		}
		data := bus.Until(t, "salt/auth")
		if data.Str("act") != act || data.Str("id") != "web1" || data.Bool("result") != (want != "false" && want != "full") ||
			data.Str("pub") != string(minion.Key.Public().PEM()) {
			t.Errorf("event %s, want act %q", asJSON(data), act)
		}
	}
	signIn("true", "pend")
	if text, err := os.ReadFile(keyFile(m, pki.Pending, "web1")); err != nil || string(text) != minion.Key.Public().Clean() {
		t.Errorf("pending key %q, %v", text, err)
	}
	signIn("true", "pend")
	minion.Key = mastertest.OtherKey()
	signIn("false", "denied")
	minion.Key = mastertest.MinionKey()
	signIn("true", "pend")

	move := func(from, to pki.State) {
		t.Helper()
		if err := os.Rename(keyFile(m, from, "web1"), keyFile(m, to, "web1")); err != nil {
			t.Fatal(err)
		}
	}
	move(pki.Pending, pki.Accepted)
	signIn("accepted", "accept")
	minion.Key = mastertest.OtherKey()
	signIn("false", "denied")
	if text, err := os.ReadFile(keyFile(m, pki.Denied, "web1")); err != nil || string(text) != mastertest.OtherKey().Public().Clean() {
		t.Errorf("denied key %q, %v", text, err)
	}
	minion.Key = mastertest.MinionKey()
	signIn("accepted", "accept")
	opts := wire.NewMap("cmd", "_master_opts", "env_only", true)
	minion.Do(t, opts)
	move(pki.Accepted, pki.Rejected)
	if _, refusal := minion.Try(t, opts); refusal != "bad load" {
		t.Errorf("a rejected minion: %q", refusal)
	}
	signIn("false", "")
}

// TestKeys_lockedOut: a key that is removed by another program ends the minion's rights at once.
func TestKeys_lockedOut(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		m := mastertest.Start(t, func(c *config.Master) { c.MinimumAuthVersion = 2 })
		minion := mastertest.SignedIn(t, m, "web1", level)
		event := eventLoad("my/tag", nil)
		event.Set("id", "web1")
		event.Set("tok", minion.Tok())
		requests := []*wire.Map{event, returnLoad("web1", unknownJob)}
		for _, load := range requests {
			minion.Do(t, load)
		}
		if err := os.Remove(keyFile(m, pki.Accepted, "web1")); err != nil {
			t.Fatal(err)
		}
		for _, load := range requests {
			if _, refusal := minion.Try(t, load); refusal != "bad load" {
				t.Errorf("level %d, %s: refusal %q", level, load.Str("cmd"), refusal)
			}
		}
		p := newPublisher(t, m)
		if got := asJSON(p.send(p.load("web1"))); got != unresolved("web1") {
			t.Errorf("level %d: still a target: %s", level, got)
		}
	}
}

// TestKeys_rules checks what decides about keys without an operator, and that the rules may change.
func TestKeys_rules(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) {
		c.AutosignFile, c.AutorejectFile = filepath.Join(c.PKIDir, "sign"), filepath.Join(c.PKIDir, "reject")
		c.AutosignGrainsDir = filepath.Join(c.PKIDir, "grains")
		for path, text := range map[string]string{
			c.AutosignFile: "# web servers\nweb*\ndb[12]\n", c.AutorejectFile: "web13\nmail\\d+\n", c.AutosignGrainsDir + "/rack": "r7\n",
		} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	stub := filepath.Join(m.Config.PKIDir, "minions_autosign", "once")
	if err := os.MkdirAll(filepath.Dir(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stub, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		id     string
		grains *wire.Map
		want   string
		state  pki.State
	}{
		{"web1", nil, "accepted", pki.Accepted},
		{"db2", nil, "accepted", pki.Accepted},
		{"db3", nil, "true", pki.Pending},
		{"web13", nil, "false", pki.Rejected},
		{"mail7", nil, "false", pki.Rejected},
		{"once", nil, "accepted", pki.Accepted},
		{"racked", wire.NewMap("rack", "r7"), "accepted", pki.Accepted},
		{"elsewhere", wire.NewMap("rack", "r8"), "true", pki.Pending},
		{"../evil", nil, "false", pki.None},
		{"", nil, "false", pki.None},
		{"bell\a", nil, "false", pki.None},
		{strings.Repeat("x", 256), nil, "false", pki.None},
	}
	minion := mastertest.NewMinion(t, m, "", 3)
	for _, tt := range tests {
		minion.ID = tt.id
		req := minion.AuthRequest()
		req.AutosignGrains = tt.grains
		if got := outcome(minion.SignInWith(t, req)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.id, got, tt.want)
		}
		if tt.state != pki.None && !exists(keyFile(m, tt.state, tt.id)) {
			t.Errorf("%q: no %v key", tt.id, tt.state)
		}
	}
	if exists(stub) {
		t.Error("the stub was not used up")
	}
	cfg := *m.Config
	cfg.AutoAccept = true
	m.Master.Reload(&cfg)
	minion.ID = "db3"
	if got := outcome(minion.SignIn(t)); got != "accepted" {
		t.Errorf("pending minion after auto_accept was switched on: %s", got)
	}
	if exists(keyFile(m, pki.Pending, "db3")) {
		t.Error("the accepted key is pending, too")
	}
}

func TestKeys_openMode(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OpenMode = true })
	minion := mastertest.NewMinion(t, m, "web1", 3)
	if err := os.WriteFile(keyFile(m, pki.Rejected, "web1"), []byte(mastertest.OtherKey().Public().Clean()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, key := range []*pki.PrivateKey{mastertest.MinionKey(), mastertest.OtherKey()} {
		minion.Key = key
		if got := outcome(minion.SignIn(t)); got != "accepted" {
			t.Fatalf("sign-in: %s", got)
		}
		if text, err := os.ReadFile(keyFile(m, pki.Accepted, "web1")); err != nil || string(text) != key.Public().Clean() {
			t.Errorf("accepted key %q, %v", text, err)
		}
	}
	if exists(keyFile(m, pki.Rejected, "web1")) {
		t.Error("the id is accepted and rejected")
	}
	for _, pub := range []string{"garbage", "-----BEGIN PUBLIC KEY-----\n"} {
		req := minion.AuthRequest()
		req.Pub = pub
		if got := outcome(minion.SignInWith(t, req)); got != "false" {
			t.Errorf("key %q: %s", pub, got)
		}
	}
}

// TestKeys_garbage: what is no key of a sane size is never stored, whoever would accept it.
func TestKeys_garbage(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept = true })
	small, err := pki.GenerateKey(1024)
	if err != nil {
		t.Skipf("no key of 1024 bits to be had: %v", err)
	}
	minion := mastertest.NewMinion(t, m, "web1", 3)
	for name, pub := range map[string]string{
		"garbage": "ssh-rsa AAAA", "1024 bits": string(small.Public().PEM()), "large": strings.Repeat("A", 16<<10),
	} {
		req := minion.AuthRequest()
		req.Pub = pub
		if got := outcome(minion.SignInWith(t, req)); got != "false" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, s := range []pki.State{pki.Accepted, pki.Pending, pki.Rejected, pki.Denied} {
		if exists(keyFile(m, s, "web1")) {
			t.Errorf("a key is %v", s)
		}
	}
}

func TestKeys_maxMinions(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept, c.MaxMinions = true, 2 })
	minion := mastertest.NewMinion(t, m, "", 3)
	signIn := func(id, want string) {
		t.Helper()
		minion.ID = id
		if got := outcome(minion.SignIn(t)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	bus := m.Bus(t)
	signIn("a", "accepted")
	signIn("b", "accepted")
	signIn("c", "full")
	if data := bus.Until(t, "salt/auth"); data.Str("id") != "a" {
		t.Errorf("event %s", asJSON(data))
	}
	bus.Until(t, "salt/auth")
	if data := bus.Until(t, "salt/auth"); data.Str("act") != "full" || data.Bool("result") {
		t.Errorf("event %s", asJSON(data))
	}
	if exists(keyFile(m, pki.Accepted, "c")) || exists(keyFile(m, pki.Pending, "c")) {
		t.Error("the key of a refused minion is stored")
	}
	signIn("b", "accepted")
	minion.ID = "a"
	minion.SignIn(t)
	minion.Do(t, wire.NewMap("cmd", "revoke_auth"))
	signIn("c", "accepted") // the place of a is free
}

// TestKeys_tooManyPending: strangers fill the directory up to a bound and no further.
func TestKeys_tooManyPending(t *testing.T) {
	dir := t.TempDir()
	m := mastertest.RunWith(t, dir, mastertest.DefaultConfig(t, dir), master.Options{MaxPending: 2})
	minion := mastertest.NewMinion(t, m, "", 3)
	signIn := func(id, want string) {
		t.Helper()
		minion.ID = id
		if got := outcome(minion.SignIn(t)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	signIn("a", "true")
	signIn("b", "true")
	signIn("c", "full")
	signIn("b", "true") // who waits goes on waiting
	if err := os.Remove(keyFile(m, pki.Pending, "a")); err != nil {
		t.Fatal(err)
	}
	// The keys are counted once a second, so the place shows with a later sign-in.
	minion.ID = "c"
	deadline := time.Now().Add(20 * time.Second)
	for got := ""; got != "true"; got = outcome(minion.SignIn(t)) {
		if time.Now().After(deadline) {
			t.Fatalf("c: %s, want true", got)
		}
	}
}

func TestKeys_authEventsOff(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AuthEvents = false })
	bus := m.Bus(t)
	mastertest.SignedIn(t, m, "web1", 3)
	if events := bus.Drain(t); len(events) != 0 {
		t.Errorf("events %q", mastertest.Tags(events))
	}
}

// TestKeys_authMode2: the token comes back behind the key, and the block covers both.
func TestKeys_authMode2(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.AuthMode = 2 })
	m.Accept(t, "web1")
	minion := mastertest.NewMinion(t, m, "web1", 2)
	cfg := *m.Config
	cfg.MinimumAuthVersion = 2
	m.Master.Reload(&cfg)
	minion.SignIn(t) // without a token the key stands alone, and the master's key is known from here on
	token, err := minion.Master.Encrypt(pki.OAEPSHA1, []byte("challenge"))
	if err != nil {
		t.Fatal(err)
	}
	req := minion.AuthRequest()
	req.Token = token
	body, err := req.AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParseAuthReply(rawClient(t, m)(body))
	if err != nil || reply.Accept == nil || reply.Accept.Token != nil {
		t.Fatalf("reply %+v, %v", reply, err)
	}
	secret, err := minion.Key.Decrypt(pki.OAEPSHA1, reply.Accept.AES)
	if err != nil || !strings.HasSuffix(string(secret), "_|-challenge") {
		t.Errorf("no token behind the key, %v", err)
	}
}

func TestKeys_revoke(t *testing.T) {
	m := mastertest.Start(t, nil)
	minion := mastertest.SignedIn(t, m, "web1", 3)
	cfg := *m.Config
	cfg.AllowMinionKeyRevoke = false
	m.Master.Reload(&cfg)
	if got := minion.Do(t, wire.NewMap("cmd", "revoke_auth")).(*wire.Map); got.Str("cmd") != "revoke_auth" || got.Has("tok") {
		t.Errorf("not allowed: %s", asJSON(got))
	}
	cfg.AllowMinionKeyRevoke = true
	m.Master.Reload(&cfg)
	bus := m.Bus(t)
	minion.Do(t, wire.NewMap("cmd", "_mine", "id", "web1", "data", wire.NewMap("a", "b")))
	if got := minion.Do(t, wire.NewMap("cmd", "revoke_auth")); got != true {
		t.Errorf("reply %v", got)
	}
	if data := bus.Until(t, "salt/key"); data.Str("act") != "delete" || data.Str("id") != "web1" {
		t.Errorf("event %s", asJSON(data))
	}
	for _, path := range []string{
		keyFile(m, pki.Accepted, "web1"), filepath.Join(m.Config.CacheDir, "sessions", "web1"), filepath.Join(m.Config.CacheDir, "minions", "web1", "mine.p"),
	} {
		if exists(path) {
			t.Errorf("%s is left", path)
		}
	}
}

// TestKeys_local checks the secrets of local users: made, closed, kept, repaired.
func TestKeys_local(t *testing.T) {
	m := mastertest.Start(t, nil)
	path := filepath.Join(m.Config.CacheDir, "."+m.Config.User+"_key")
	check := func(m *mastertest.Running) string {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 76 {
			t.Fatalf("key file %v, %v", info, err)
		}
		m.Accept(t, "web1")
		newPublisher(t, m).job("web1", "user", "sudo_bob")
		return m.RootKey(t)
	}
	first := check(m)
	m.Stop(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	again := mastertest.Run(t, m.Dir, m.Config)
	if check(again) != first {
		t.Error("the key did not survive a restart")
	}
	again.Stop(t)
	if err := os.WriteFile(path, []byte(first[:40]), 0o600); err != nil {
		t.Fatal(err)
	}
	third := mastertest.Run(t, m.Dir, m.Config)
	if repaired := check(third); repaired == first || strings.HasPrefix(repaired, first[:40]) {
		t.Error("half a key was not replaced")
	}
	p := newPublisher(t, third)
	if got := asJSON(p.send(p.load("web1", "key", first))); got != authenticationError {
		t.Errorf("the replaced key: %s", got)
	}
}
