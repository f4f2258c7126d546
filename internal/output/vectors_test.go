package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/wire"
)

const vectorFile = "../../testdata/vectors/cli-outputters.json"

// tree reads JSON into the value model with the order of keys kept.
func tree(t testing.TB, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := readTree(d)
	if err != nil {
		t.Fatalf("read %.60s: %v", raw, err)
	}
	return v
}

func readTree(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(tok.String(), 10, 64); err == nil {
			return i, nil
		}
		return tok.Float64()
	case json.Delim:
		if tok == '[' {
			list := []any{}
			for d.More() {
				v, err := readTree(d)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := d.Token()
			return list, err
		}
		m := wire.NewMap()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readTree(d)
			if err != nil {
				return nil, err
			}
			m.Set(k, v)
		}
		_, err := d.Token()
		return m, err
	}
	return tok, nil
}

type outputVector struct {
	Name string
	Data json.RawMessage
	Out  map[string]string
}

func loadVectors(t testing.TB) (generic, highstate []outputVector, noReturn map[string]json.RawMessage) {
	t.Helper()
	raw, err := os.ReadFile(filepath.FromSlash(vectorFile))
	if err != nil {
		t.Fatalf("vectors are required: %v", err)
	}
	var file struct {
		Generic, Highstate []outputVector
		NoReturn           map[string]json.RawMessage `json:"no_return"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Generic) == 0 || len(file.Highstate) == 0 || len(file.NoReturn) == 0 {
		t.Fatalf("%s lacks a family", vectorFile)
	}
	return file.Generic, file.Highstate, file.NoReturn
}

func TestVectors_generic(t *testing.T) {
	generic, _, _ := loadVectors(t)
	for _, v := range generic {
		data := tree(t, v.Data)
		for form, want := range v.Out {
			t.Run(v.Name+"/"+form, func(t *testing.T) {
				name, how, _ := strings.Cut(form, ",")
				opts := Options{}
				switch how {
				case "indent=-1":
					minus := -1
					opts.Indent = &minus
				case "indent=pretty":
					opts.Pretty = true
				}
				name, modes, _ := strings.Cut(name, "+")
				opts.Color = strings.HasPrefix(modes, "color")
				opts.Failed = strings.HasSuffix(modes, "retcode1")
				compare(t, name, data, opts, want)
			})
		}
	}
}

func TestVectors_highstate(t *testing.T) {
	_, highstate, _ := loadVectors(t)
	modes := map[string]Options{
		"verbose=False": {State: StateOptions{HideUnchanged: true}},
		"profile=False": {State: StateOptions{HideProfile: true}},
		"pct":           {State: StateOptions{Percent: true}},
		"tabular":       {State: StateOptions{Tabular: true, Output: "terse"}},
		"color":         {Color: true},
	}
	for _, mode := range []string{"full", "terse", "mixed", "changes", "full_id", "terse_id"} {
		modes[mode] = Options{State: StateOptions{Output: mode}}
	}
	for _, v := range highstate {
		data := tree(t, v.Data)
		for form, want := range v.Out {
			opts, ok := modes[form]
			if !ok {
				t.Fatalf("unknown form %q", form)
			}
			t.Run(v.Name+"/"+form, func(t *testing.T) { compare(t, "highstate", data, opts, want) })
		}
	}
}

func TestVectors_noReturn(t *testing.T) {
	_, _, v := loadVectors(t)
	data := tree(t, v["data"])
	var out map[string]string
	if err := json.Unmarshal(v["out"], &out); err != nil {
		// The file keeps plain and coloured text beside the data.
		out = map[string]string{}
		for name, raw := range v {
			if name == "data" {
				continue
			}
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			out[name] = text
		}
	}
	if len(out) != 2 {
		t.Fatalf("got %d forms, want plain and coloured", len(out))
	}
	for name, want := range out {
		compare(t, "no_return", data, Options{Color: strings.HasSuffix(name, "+color")}, want)
	}
}

func compare(t *testing.T, name string, data any, opts Options, want string) {
	t.Helper()
	got, err := Render(name, data, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestFormat(t *testing.T) {
	var b strings.Builder
	if err := Format(&b, "quiet", wire.NewMap("m1", true), Options{}); err != nil || b.Len() != 0 {
		t.Errorf("quiet wrote %q, %v", b.String(), err)
	}
	if err := Format(&b, "json", wire.NewMap("m1", []byte("\xff\x00raw")), Options{}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n    \"m1\": \"b'\\\\xff\\\\x00raw'\"\n}\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if _, err := Render("nosuch", nil, Options{}); err == nil {
		t.Error("unknown outputter accepted")
	}
	if !strings.Contains(fmt.Sprint(Names()), "highstate") {
		t.Error("highstate is not listed")
	}
}
