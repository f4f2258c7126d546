package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

type keyCase struct {
	Name            string
	Argv            []string
	Stdin           *string
	ConfigOverrides map[string]string `json:"config_overrides"`
	Seed            map[string]bool
	ExitCode        int `json:"exit_code"`
	Stdout          string
	Stderr          string
	Events          []struct {
		Tag  string
		Data struct {
			Result  bool
			Act, ID string
		}
	}
	FilesRemoved []string `json:"files_removed"`
	FilesAdded   []string `json:"files_added"`
	CacheRemoved []string `json:"minion_cache_dirs_removed"`
	OutFile      *string  `json:"out_file_content"`
}

// keyNotBuilt are the golden cases of actions this command does not have.
func keyNotBuilt(name string) bool {
	return strings.HasPrefix(name, "genkeys") || strings.HasPrefix(name, "gensig") ||
		name == "version" || // ours is another
		name == "list-out-table" // no such outputter yet
}

// keyDifferent are the golden cases where we do something else on purpose, with what we print instead.
var keyDifferent = map[string]struct{ why, stdout, stderr string }{
	"accept-comma-overlap": {
		"stock moves the key twice and fails; an id is taken once",
		"The following keys are going to be accepted:\nUnaccepted Keys:\ndelta\nKey for minion delta accepted.\n", "",
	},
	"accept-denied-dup": {
		"stock lets a stranger's key replace the accepted one in silence; we want --force",
		"The following keys are going to be accepted:\nDenied Keys:\nalpha\n",
		"[ERROR   ] Key of alpha is accepted already and the denied one is another: not replaced without --force\n",
	},
	"delete-all-args": {
		"3006 deletes everything, 3007 and 3008 refuse, and so do we",
		"", "Error: Delete all takes no arguments. Use -d to delete specified keys\n",
	},
}

func TestKey_goldenCases(t *testing.T) {
	var file struct{ Cases []keyCase }
	readKeyVector(t, "cli-key-cases-3006.10.json", &file)
	ran, home := 0, t.TempDir() // one for all: a case may run on what the one before left
	var previous *keyHost
	for _, c := range file.Cases {
		if keyNotBuilt(c.Name) {
			continue
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			host := previous
			if c.Name != "list-outfile-append" { // runs on the state the case before left
				host = newKeyHost(t, home, c.Seed, c.ConfigOverrides)
			}
			previous = host
			host.check(t, c)
		})
	}
	if ran < 120 {
		t.Fatalf("%d cases", ran)
	}
}

// keyHost is a configuration directory with a seeded key store.
type keyHost struct {
	root   string
	events []string
}

func newKeyHost(t *testing.T, home string, seed map[string]bool, overrides map[string]string) *keyHost {
	t.Helper()
	root, err := os.MkdirTemp(home, "key")
	if err != nil {
		t.Fatal(err)
	}
	var fix struct {
		Keys map[string]struct {
			PublicPEM  string `json:"public_pem"`
			PrivatePEM string `json:"private_pem"`
			Content    string
		}
		Seed struct {
			PKI       map[string][]string
			CacheDirs []string `json:"minion_cache_dirs"`
		}
	}
	readKeyVector(t, "cli-key-fixtures.json", &fix)
	write := func(path, content string, mode fs.FileMode) {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for state, ids := range fix.Seed.PKI {
		if err := os.MkdirAll(filepath.Join(root, "m/pki", state), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			key := fix.Keys[id]
			junk, isSet := seed["junk"]
			impostor, isSet2 := seed["impostor"]
			switch {
			case seed["empty"], id == "junk" && isSet && !junk, state == "minions_denied" && id == "alpha" && isSet2 && !impostor:
				continue
			case state == "minions_denied" && id == "alpha":
				key = fix.Keys["alpha-impostor"]
			}
			write(filepath.Join("m/pki", state, id), key.PublicPEM+key.Content, 0o644)
		}
	}
	write("m/pki/master.pem", fix.Keys["master"].PrivatePEM, 0o400)
	write("m/pki/master.pub", fix.Keys["master"].PublicPEM, 0o644)
	if err := os.Chmod(filepath.Join(root, "m/pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range fix.Seed.CacheDirs {
		write(filepath.Join("m/cache/minions", id, "data.p"), "x", 0o600)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("id: golden\nuser: %s\npki_dir: %s/m/pki\ncachedir: %s/m/cache\nsock_dir: %s/m/sock\n", me.Username, root, root, root)
	for k, v := range overrides {
		conf += fmt.Sprintf("%s: %s\n", k, v)
	}
	write("master", conf, 0o600)
	return &keyHost{root: root}
}

func (h *keyHost) fire(_ context.Context, act, id string) { h.events = append(h.events, act+" "+id) }
func (h *keyHost) close()                                 {}

// run executes salt-key in this host.
func (h *keyHost) run(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	cmd := newKeyCommandWith(func(*keyTool) keyEvents { return h })
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	h.events = nil
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "@ROOT@", h.root)
	}
	code = cliargs.Execute(cmd, args)
	return code, strings.ReplaceAll(out.String(), h.root, "@ROOT@"), strings.ReplaceAll(errs.String(), h.root, "@ROOT@")
}

func (h *keyHost) check(t *testing.T, c keyCase) {
	t.Helper()
	stdin := ""
	if c.Stdin != nil {
		stdin = *c.Stdin
	}
	before := h.files(t)
	code, stdout, stderr := h.run(stdin, c.Argv[1:]...)
	after := h.files(t)
	if d, ok := keyDifferent[c.Name]; ok {
		if stdout != d.stdout || stderr != d.stderr || code != 0 {
			t.Errorf("exit %d\nstdout %q\nstderr %q\nwant %+v", code, stdout, stderr, d)
		}
		return
	}
	if code != c.ExitCode || stdout != c.Stdout || stderr != c.Stderr {
		t.Errorf("exit %d, want %d\nstdout %q\nwant   %q\nstderr %q\nwant   %q", code, c.ExitCode, stdout, c.Stdout, stderr, c.Stderr)
	}
	var events []string
	for _, e := range c.Events {
		events = append(events, e.Data.Act+" "+e.Data.ID)
	}
	if !slices.Equal(h.events, events) {
		t.Errorf("events %q, want %q", h.events, events)
	}
	var added []string
	for _, f := range c.FilesAdded {
		added = append(added, strings.Replace(f, "content=''", "content='golden'", 1))
	}
	var removed []string // ids that were not named keep their caches
	for _, id := range c.CacheRemoved {
		if id != "ghost" {
			removed = append(removed, "0600 cache/minions/"+id+"/data.p")
		}
	}
	removed = append(removed, c.FilesRemoved...)
	if got := missing(before, after); !sameSet(got, removed) {
		t.Errorf("removed %q, want %q", got, removed)
	}
	if got := missing(after, before); !sameSet(got, added) {
		t.Errorf("added %q, want %q", got, added)
	}
	if c.OutFile != nil {
		got, err := os.ReadFile(filepath.Join(h.root, "of.txt"))
		if err != nil || string(got) != *c.OutFile {
			t.Errorf("file %q, want %q (%v)", got, *c.OutFile, err)
		}
	}
}

// files lists what is below m as "MODE path".
func (h *keyHost) files(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	base := filepath.Join(h.root, "m")
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(base, path)
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
	if err != nil {
		t.Fatal(err)
	}
	return found
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

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func readKeyVector(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestKey_endsSessions(t *testing.T) {
	h := newKeyHost(t, t.TempDir(), nil, nil)
	dir := filepath.Join(h.root, "m/cache/sessions")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"Bravo", "delta", "web1.example.com"} {
		if err := os.WriteFile(filepath.Join(dir, id), []byte(strings.Repeat("x", 76)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.run("", "-c", h.root, "-y", "-d", "Bravo")
	h.run("", "-c", h.root, "-y", "-r", "delta")
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "web1.example.com" {
		t.Errorf("%v, %v", left, err)
	}
}

func TestKey_forceReplacesAccepted(t *testing.T) {
	h := newKeyHost(t, t.TempDir(), nil, nil)
	_, stdout, _ := h.run("", "-c", h.root, "-y", "-a", "alpha", "--include-denied", "--force")
	if !strings.HasSuffix(stdout, "Key for minion alpha accepted.\n") || len(h.events) != 1 {
		t.Errorf("%q %q", stdout, h.events)
	}
}

func TestKey_rotationFlagIsNotReplaced(t *testing.T) {
	h := newKeyHost(t, t.TempDir(), nil, nil)
	flag := filepath.Join(h.root, "m/cache/.dfn")
	if err := os.WriteFile(flag, []byte("other"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(flag+"-next", []byte("left by a crash"), 0o400); err != nil {
		t.Fatal(err)
	}
	h.run("", "-c", h.root, "-y", "-d", "Bravo")
	if got, _ := os.ReadFile(flag); string(got) != "other" {
		t.Errorf("%q", got)
	}
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	h.run("", "-c", h.root, "-y", "-d", "alpha")
	if got, _ := os.ReadFile(flag); string(got) != "golden" {
		t.Errorf("%q", got)
	}
}

func TestKey_brokenConfigExits1(t *testing.T) {
	h := newKeyHost(t, t.TempDir(), nil, map[string]string{"a: b": "[c"})
	if code, stdout, stderr := h.run("", "-c", h.root); code != 1 || stdout != "" || stderr == "" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}

// TestKey_firesOnTheBus runs against a real pull socket.
func TestKey_firesOnTheBus(t *testing.T) {
	h := newKeyHost(t, t.TempDir(), nil, nil)
	sock := filepath.Join(h.root, "m/sock")
	if err := os.MkdirAll(sock, 0o755); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	bus := event.NewBus(event.BusConfig{Log: log})
	sub := bus.Subscribe(event.SubscribeOptions{Prefix: []string{event.TagKey}})
	defer sub.Close()
	server, err := event.Listen(event.ServerConfig{SockDir: sock, Log: log}, bus)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	cmd := newKeyCommand()
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetErr(&bytes.Buffer{})
	if code := cliargs.Execute(cmd, []string{"-c", h.root, "-y", "-a", "delta"}); code != 0 {
		t.Fatal(code)
	}
	select {
	case e := <-sub.C():
		data, err := wire.DecodeMap(e.Data, wire.Local, wire.LoadLimits)
		if err != nil || e.Tag != "salt/key" || !data.Bool("result") || data.Str("act") != "accept" || data.Str("id") != "delta" || data.Str("_stamp") == "" {
			t.Errorf("%s %v, %v", e.Tag, data, err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
	}
}
