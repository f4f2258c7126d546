package output

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The writers are compared with what Python's own libraries print for the same random trees.
func TestPythonText(t *testing.T) {
	raw, err := os.ReadFile("testdata/python.json")
	if err != nil {
		t.Fatalf("vectors are required: %v", err)
	}
	var file struct{ Cases []map[string]string }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	minus, four := -1, 4
	for _, c := range file.Cases {
		data := tree(t, []byte(c["data"]))
		for form, want := range c {
			name, how, _ := strings.Cut(form, ",")
			opts := Options{}
			switch how {
			case "indent=-1":
				opts.Indent = &minus
			case "indent=4":
				opts.Indent = &four
			case "indent=pretty":
				opts.Pretty = true
			}
			outputter, ok := Lookup(name)
			if !ok {
				continue // the data itself
			}
			got, err := outputter(data, opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", form, c["data"], diff)
			}
		}
	}
}

// Whatever a minion returns must be printable in every form.
func FuzzRender(f *testing.F) {
	generic, highstate, _ := loadVectors(f)
	for _, v := range append(generic, highstate...) {
		f.Add([]byte(v.Data))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || strings.Count(string(raw), "[")+strings.Count(string(raw), "{") > 1000 {
			return
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		data, err := readTree(d)
		if err != nil {
			return // a number out of range
		}
		for _, name := range Names() {
			if _, err := Render(name, data, Options{Color: true}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

func BenchmarkNested(b *testing.B) {
	_, highstate, _ := loadVectors(b)
	data := tree(b, highstate[0].Data)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Render("nested", data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
