package cliargs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestApplySaltfile(t *testing.T) {
	tests := []struct {
		name, file, argv string
		want             string // out, timeout, verbose, return_config
		err              string
	}{
		{"no section", "salt-key: {out: json}\n", "", ", 5, false, ", ""},
		{"section", "thing: {out: json, timeout: 7, verbose: True}\n", "", "json, 7, true, ", ""},
		{"names of stock", "thing: {output: json, ret_config: x}\n", "", "json, 5, false, x", ""},
		{"command line wins", "thing: {out: json, timeout: 7}\n", "--out raw", "raw, 7, false, ", ""},
		{"by another spelling, too", "thing: {out: json}\n", "--output raw", "raw, 5, false, ", ""},
		{"unknown names", "thing: {nothing: 1, tgt_type: list, help: True, saltfile: x}\n", "", ", 5, false, ", ""},
		{"bad value", "thing: {timeout: soon}\n", "", "", "timeout"},
		{"not YAML", "thing: [", "", "", "Saltfile"},
		{"not a map", "thing: 3\n", "", ", 5, false, ", ""},
		{"empty", "", "", ", 5, false, ", ""},
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Chdir(t.TempDir())
	places := map[string]string{"working directory": "Saltfile", "home": filepath.Join(home, ".salt", "Saltfile"), "named": filepath.Join(home, "other")}
	if err := os.Mkdir(filepath.Join(home, ".salt"), 0o700); err != nil {
		t.Fatal(err)
	}
	for place, path := range places {
		for _, tt := range tests {
			t.Run(place+" "+tt.name, func(t *testing.T) {
				if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.Remove(path) })
				f := testFlags()
				f.String("return_config", "", "")
				RegisterSaltfile(f)
				argv := strings.Fields(tt.argv)
				if place == "named" {
					argv = append(argv, "--saltfile", path)
				}
				got, err := values(f, argv)
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Fatalf("got %q, %v; want an error with %q", got, err, tt.err)
					}
					return
				}
				if err != nil || got != tt.want {
					t.Errorf("got %q, %v; want %q", got, err, tt.want)
				}
			})
		}
	}
}

func values(f *pflag.FlagSet, argv []string) (string, error) {
	argv, err := Normalize(f, argv)
	if err == nil {
		err = f.Parse(argv)
	}
	if err == nil {
		err = ApplySaltfile(f, "thing")
	}
	var out []string
	for _, name := range []string{"out", "timeout", "verbose", "return_config"} {
		out = append(out, f.Lookup(name).Value.String())
	}
	return strings.Join(out, ", "), err
}

func TestApplySaltfile_named(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{filepath.Join(dir, "no"): "file does not exist", dir: "is not a file"} {
		f := testFlags()
		f.String("return_config", "", "")
		RegisterSaltfile(f)
		if _, err := values(f, []string{"--saltfile", path, "--out=x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
