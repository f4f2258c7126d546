package config

import (
	"os"
	"strings"
	"testing"
)

// TestOptionsComplete: every option of the specification's lists has a row, so that the reference page and
// the check say of each what happens to it.
func TestOptionsComplete(t *testing.T) {
	src, err := os.ReadFile("testdata/options.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(src)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 {
			t.Fatalf("bad line %q", line)
		}
		seen++
		in := InMaster
		if fields[0] == "minion" {
			in = InMinion
		}
		o := tableIndex()[in][fields[1]]
		if o == nil && in == InMinion {
			o = tableIndex()[InMaster][fields[1]]
		}
		if o == nil {
			t.Errorf("no row for option %s of the %s file", fields[1], fields[0])
			continue
		}
		// What the list wants honoured must not be thrown away without a word.
		if fields[2] == "H" && o.Verdict == Silent {
			t.Errorf("option %s is out of scope in the table, the specification wants it honoured", o.Name)
		}
	}
	if seen < 400 {
		t.Errorf("only %d options in the list", seen)
	}
}

// TestOptionsOnce: no option has two rows for one file, and every row says what it is about.
func TestOptionsOnce(t *testing.T) {
	type row struct {
		in   Files
		name string
	}
	seen := map[row]bool{}
	for _, o := range Options() {
		k := row{o.In, o.Name}
		if seen[k] {
			t.Errorf("two rows for %s", o.Name)
		}
		seen[k] = true
		if o.About == "" {
			t.Errorf("option %s says nothing about itself", o.Name)
		}
	}
}
