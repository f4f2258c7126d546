package saltkey

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
)

// host is a configuration directory with a seeded key store.
type host struct {
	root   string
	events []string
}

// hostSeed says what lies in the key store at the start.
type hostSeed struct {
	flags   map[string]bool // of the golden cases
	signKey bool            // the signing pair is there
	byID    bool            // 3008's layout of the master's pair
}

type fixtureFile struct {
	Keys map[string]struct {
		PublicPEM  string `json:"public_pem"`
		PrivatePEM string `json:"private_pem"`
		Content    string
	}
	Seed struct {
		PKI       map[string][]string
		CacheDirs []string `json:"minion_cache_dirs"`
	}
	Signatures map[string]string
}

func fixtures(t testing.TB) fixtureFile {
	t.Helper()
	var f fixtureFile
	readVector(t, "cli-key-fixtures.json", &f)
	return f
}

func newHost(t testing.TB, home string, seed hostSeed, overrides map[string]string) *host {
	t.Helper()
	root, err := os.MkdirTemp(home, "key")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{root: root}
	fix := fixtures(t)
	for state, ids := range fix.Seed.PKI {
		must(t, os.MkdirAll(h.path("m/pki", state), 0o755))
		for _, id := range ids {
			key := fix.Keys[id]
			junk, isSet := seed.flags["junk"]
			impostor, isSet2 := seed.flags["impostor"]
			switch {
			case seed.flags["empty"], id == "junk" && isSet && !junk, state == "minions_denied" && id == "alpha" && isSet2 && !impostor:
				continue
			case state == "minions_denied" && id == "alpha":
				key = fix.Keys["alpha-impostor"]
			}
			h.write(t, filepath.Join("m/pki", state, id), key.PublicPEM+key.Content, 0o644)
		}
	}
	h.masterKeys(t, fix, seed)
	must(t, os.Chmod(h.path("m/pki"), 0o700))
	for _, id := range fix.Seed.CacheDirs {
		h.write(t, filepath.Join("m/cache/minions", id, "data.p"), "x", 0o600)
	}
	h.write(t, "keys/master_sign.pem", fix.Keys["master_sign"].PrivatePEM, 0o400)
	h.write(t, "keys/master.pub", fix.Keys["master"].PublicPEM, 0o644)
	must(t, os.Mkdir(h.path("sig"), 0o755))
	me, err := user.Current()
	must(t, err)
	conf := fmt.Sprintf("id: golden\nuser: %s\npki_dir: %s/m/pki\ncachedir: %s/m/cache\nsock_dir: %s/m/sock\nkey_logfile: %s/log/key\nsaltern_key_audit_log: %s/log/audit\n",
		me.Username, root, root, root, root, root)
	for k, v := range overrides {
		conf += fmt.Sprintf("%s: %s\n", k, v)
	}
	h.write(t, "master", conf, 0o600)
	return h
}

func (h *host) masterKeys(t testing.TB, fix fixtureFile, seed hostSeed) {
	name := "master"
	if seed.byID {
		name = "golden"
		for _, ext := range []string{".pem", ".pub"} {
			must(t, os.Symlink(h.path("m/pki/golden"+ext), h.path("m/pki/master"+ext)))
		}
	}
	h.write(t, "m/pki/"+name+".pem", fix.Keys["master"].PrivatePEM, 0o400)
	h.write(t, "m/pki/"+name+".pub", fix.Keys["master"].PublicPEM, 0o644)
	if seed.signKey {
		h.write(t, "m/pki/master_sign.pem", fix.Keys["master_sign"].PrivatePEM, 0o400)
		h.write(t, "m/pki/master_sign.pub", fix.Keys["master_sign"].PublicPEM, 0o644)
	}
}

func (h *host) path(parts ...string) string {
	return filepath.Join(append([]string{h.root}, parts...)...)
}

func (h *host) write(t testing.TB, path, content string, mode fs.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(h.path(path)), 0o755))
	must(t, os.WriteFile(h.path(path), []byte(content), mode))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Fire and Close make a host the Events of its runs.
func (h *host) Fire(_ context.Context, act, id string) { h.events = append(h.events, act+" "+id) }
func (h *host) Close()                                 {}

// run executes salt-key in this host.
func (h *host) run(stdin string, args ...string) (code int, stdout, stderr string) {
	return h.runContext(context.Background(), stdin, args...)
}

func (h *host) runContext(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	cmd := newCommand(func(*config.Master) Events { return h })
	cmd.SetContext(ctx)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	h.events = nil
	there := strings.NewReplacer("@ROOT@", h.root, "@KEYS@", h.path("keys"), "@MISSING@", h.path("missing"))
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = there.Replace(a)
	}
	code = cliargs.Execute(cmd, words)
	back := strings.NewReplacer(h.path("missing"), "@MISSING@", h.path("keys"), "@KEYS@", h.root, "@ROOT@")
	return code, back.Replace(out.String()), back.Replace(errs.String())
}

// see runs a golden case and says what it did.
func (h *host) see(t *testing.T, column string, c goldenCase) seen {
	t.Helper()
	stdin := ""
	if c.Stdin != nil {
		stdin = *c.Stdin
	}
	args := c.Argv[1:]
	if column != Default {
		args = append([]string{"--compat", column}, args...)
	}
	before, caches := h.files(t), h.caches(t)
	code, stdout, stderr := h.run(stdin, args...)
	after := h.files(t)
	got := seen{
		Exit: fmt.Sprint(code), Stdout: c.shape(stdout), Stderr: stderr, EventsFired: strings.Join(h.events, "\n"),
		Removed: sorted(missing(before, after)), Added: sorted(missing(after, before)), Caches: sorted(missing(caches, h.caches(t))),
		Made: c.listing(append(h.listing(t, "gk"), h.listing(t, "sig")...)), Signature: sorted(h.signatures(t, c)),
	}
	if c.OutFile != nil {
		text, err := os.ReadFile(h.path("of.txt"))
		must(t, err)
		got[OutFile] = string(text)
	}
	return got
}

// files lists what is below m, but the caches, as "MODE path".
func (h *host) files(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	base := h.path("m")
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(base, path)
		if strings.HasPrefix(rel, "cache/minions/") {
			return nil
		}
		line := fmt.Sprintf("%04o %s", info.Mode().Perm(), rel)
		if d.Name() == ".dfn" {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" content='%s'", content)
		}
		found[line] = true
		return nil
	})
	must(t, err)
	return found
}

// caches are the ids that have cached data.
func (h *host) caches(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	entries, err := os.ReadDir(h.path("m/cache/minions"))
	must(t, err)
	for _, e := range entries {
		found[e.Name()] = true
	}
	return found
}

// listing is a directory as "MODE name size"; one that does not exist is empty.
func (h *host) listing(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	entries, err := os.ReadDir(h.path(dir))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		lines = append(lines, fmt.Sprintf("%04o %s %d", info.Mode().Perm(), e.Name(), info.Size()))
	}
	return lines
}

// signatures are the signature files the golden case tells of, and any other of them beside those.
func (h *host) signatures(t *testing.T, c goldenCase) []string {
	t.Helper()
	var lines []string
	if c.Signatures == nil {
		return nil
	}
	for _, dir := range []string{"m/pki", "sig"} {
		entries, err := os.ReadDir(h.path(dir))
		must(t, err)
		for _, e := range entries {
			if strings.Contains(e.Name(), "_pubkey_signature") {
				text, err := os.ReadFile(h.path(dir, e.Name()))
				must(t, err)
				lines = append(lines, e.Name()+" "+string(text))
			}
		}
	}
	return lines
}

func missing(from, in map[string]bool) []string {
	var gone []string
	for f := range from {
		if !in[f] {
			gone = append(gone, f)
		}
	}
	return gone
}
