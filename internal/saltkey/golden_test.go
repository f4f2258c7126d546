package saltkey

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goldenCase is one run of stock salt-key (see the vector files' notes).
type goldenCase struct {
	Name            string
	Argv            []string
	Stdin           *string
	ConfigOverrides map[string]string `json:"config_overrides"`
	Seed            map[string]bool
	SignKey         bool `json:"sign_key_present"`
	Volatile        bool
	ExitCode        int `json:"exit_code"`
	Stdout          string
	Stderr          string
	Events          []struct {
		Data struct{ Act, ID string }
	}
	FilesRemoved []string          `json:"files_removed"`
	FilesAdded   []string          `json:"files_added"`
	CacheRemoved []string          `json:"minion_cache_dirs_removed"`
	OutFile      *string           `json:"out_file_content"`
	GenListing   []string          `json:"gen_keys_dir_listing"`
	SigListing   []string          `json:"signature_dir_listing"`
	Signatures   map[string]string `json:"signature_files"`
}

// seen is what a run did, aspect by aspect, in comparable form.
type seen map[Aspect]string

// want is the golden case in the form of seen.
func (c goldenCase) want() seen {
	var events []string
	for _, e := range c.Events {
		events = append(events, e.Data.Act+" "+e.Data.ID)
	}
	w := seen{
		Exit: fmt.Sprint(c.ExitCode), Stdout: c.shape(c.Stdout), Stderr: c.Stderr, EventsFired: strings.Join(events, "\n"),
		Removed: sorted(c.FilesRemoved), Added: sorted(c.FilesAdded), Caches: sorted(c.CacheRemoved),
		Made: c.listing(append(slices.Clone(c.GenListing), c.SigListing...)),
	}
	if c.OutFile != nil {
		w[OutFile] = *c.OutFile
	}
	var sigs []string
	for name, text := range c.Signatures {
		sigs = append(sigs, name+" "+text)
	}
	w[Signature] = sorted(sigs)
	return w
}

var fingerprintText = regexp.MustCompile(`([0-9a-f]{2}:){31}[0-9a-f]{2}`)

// shape takes out what is fresh in each run.
func (c goldenCase) shape(text string) string {
	if !c.Volatile {
		return text
	}
	return fingerprintText.ReplaceAllString(text, "<fingerprint>")
}

// listing takes the sizes of private keys out, which differ from key to key.
func (c goldenCase) listing(lines []string) string {
	for i, line := range lines {
		if fields := strings.Fields(line); c.Volatile && strings.HasSuffix(fields[1], ".pem") {
			lines[i] = strings.Join(fields[:2], " ")
		}
	}
	return sorted(lines)
}

func sorted(lines []string) string {
	lines = slices.Clone(lines)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// columns are the modes the golden cases are run in, each against the cases of a release.
var columns = []struct{ name, release string }{
	{Compat3006, "3006.10"}, {Compat3007, "3007.8"}, {Compat3008, "3008"}, {Default, "3008"},
}

// chained are the cases that run on what the case before left.
var chained = []string{"list-outfile-append", "genkeys-again", "gensig-again"}

// readsOnly are cases that must change nothing, which the comparison of files proves: the next case may use
// the same store.
var readsOnly = regexp.MustCompile(`^(list-[^o]|list-out-|print-|finger-|version|bad-)`)

// TestGolden runs the 145 cases of each release in the release's mode, and those of the newest in the
// default mode. Where a run differs from stock it must be in Differences, and do what instead says.
func TestGolden(t *testing.T) {
	for _, col := range columns {
		t.Run(col.name, func(t *testing.T) {
			t.Parallel()
			var file struct{ Cases []goldenCase }
			readVector(t, "cli-key-cases-"+col.release+".json", &file)
			if len(file.Cases) != 145 {
				t.Errorf("%d cases, want 145", len(file.Cases))
			}
			known := map[string]bool{}
			home := t.TempDir()
			var h *host
			var of string // what h was made for, "" once it was changed
			for _, c := range file.Cases {
				known[c.Name] = true
				wanted := fmt.Sprint(c.Seed, c.SignKey, c.ConfigOverrides)
				if !slices.Contains(chained, c.Name) && of != wanted {
					h, of = newHost(t, home, hostSeed{flags: c.Seed, signKey: c.SignKey, byID: col.release == "3008"}, c.ConfigOverrides), wanted
				}
				if !readsOnly.MatchString(c.Name) {
					of = ""
				}
				t.Run(c.Name, func(t *testing.T) { checkGolden(t, col.name, h, c) })
			}
			for _, d := range Differences {
				for _, show := range d.Shows {
					for _, name := range show.Cases {
						if !known[name] {
							t.Errorf("difference %q names case %s, which does not exist", d.Name, name)
						}
					}
				}
			}
		})
	}
}

func checkGolden(t *testing.T, column string, h *host, c goldenCase) {
	want := c.want()
	got := h.see(t, column, c)
	listed := map[Aspect]string{}
	for _, d := range Differences {
		for _, show := range d.Shows {
			if slices.Contains(show.In, column) && slices.Contains(show.Cases, c.Name) {
				for _, a := range show.Aspects {
					listed[a] = d.Name
				}
			}
		}
	}
	for _, a := range Aspects {
		name, isListed := listed[a]
		switch {
		case got[a] == want[a] && isListed:
			t.Errorf("%s is as in stock, but difference %q is listed", a, name)
		case got[a] != want[a] && !isListed:
			t.Errorf("%s: %q, want %q", a, got[a], want[a])
		case got[a] != want[a]:
			if pinned := instead(t, column, c, a, want[a]); got[a] != pinned {
				t.Errorf("%s (difference %q): %q, want %q", a, name, got[a], pinned)
			}
		}
	}
}

func readVector(t testing.TB, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
