package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompletionAnswers(t *testing.T) {
	dir := t.TempDir()
	for id, state := range map[string]string{"web1": "minions", "web2": "minions_pre", "db1": "minions_pre", ".hidden": "minions_pre"} {
		path := filepath.Join(dir, "pki", state, id)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "master"), []byte("root_dir: "+dir+"\npki_dir: pki\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, program, args string
		want                []string
		not                 string
	}{
		{"words", "saltern", "", []string{"master", "check", "key", "completion"}, "web1"},
		{"options", "salt-key", "--gen-k", []string{"--gen-keys"}, "--accept"},
		{"tools of key", "saltern", "key rotate-", []string{"rotate-aes", "rotate-master"}, "web"},
		{"pending ids", "salt-key", "-c DIR --accept ", []string{"web2", "db1"}, "web1"},
		{"any id", "saltern", "key -c DIR --delete we", []string{"web1", "web2"}, "db1"},
		{"targets", "salt", "-c DIR we", []string{"web1"}, "web2"},
		{"roles", "saltern", "check ", []string{"master", "syndic"}, "web"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			args := append([]string{"__complete"}, strings.Split(strings.ReplaceAll(tc.args, "DIR", dir), " ")...)
			if code := run(append([]string{"/usr/bin/" + tc.program}, args...), &out, &out); code != 0 {
				t.Errorf("status %d", code)
			}
			for _, want := range tc.want {
				if !strings.Contains("\n"+out.String(), "\n"+want) {
					t.Errorf("no %q", want)
				}
			}
			if strings.Contains(out.String(), tc.not) || strings.Contains(out.String(), ".hidden") {
				t.Errorf("offers %s or a hidden file", tc.not)
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, name := range []string{"saltern", "salt-key"} {
		for _, shell := range []string{"bash", "zsh", "fish"} {
			var out bytes.Buffer
			cmd := newCompletionCommand()
			cmd.SetOut(&out)
			cmd.SetArgs([]string{"--name", name, shell})
			if err := cmd.Execute(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), name) {
				t.Errorf("the %s script of %s does not name it", shell, name)
			}
			path, err := exec.LookPath(shell)
			if err != nil {
				continue
			}
			check := exec.Command(path, "-n")
			check.Stdin = &out
			if text, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s -n: %v: %s", shell, err, text)
			}
		}
	}
}

// TestManual: every command has a page, every option that is shown is on it, and the formatter has nothing to
// say about it.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if err := writeManual(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"man1/saltern.1", "man1/salt-master.1", "man1/salt-syndic.1", "man1/salt-key.1", "man1/salt.1", "man1/saltern-check.1", "man5/saltern-options.5"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(".SH NAME\n")) {
			t.Errorf("%s has no name", name)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "man1/salt-key.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`\fB\-a\fR, \fB\-\-accept\fR`)) {
		t.Error("salt-key.1 lacks --accept")
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed: the pages' form is not checked")
	}
	pages, err := filepath.Glob(filepath.Join(dir, "man?", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		var said bytes.Buffer
		cmd := exec.Command(groff, "-man", "-ww", "-z", "-Tutf8", p)
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil || strings.Contains(said.String(), "error") || strings.Contains(said.String(), "macro") {
			t.Errorf("%s: %v: %s", p, err, said.String())
		}
	}
}
