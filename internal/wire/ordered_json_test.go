package wire

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// orderedJSON decodes a vector file with the order of keys kept.
func orderedJSON(t testing.TB, name string) any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatalf("vectors are part of the tests: %v", err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	return orderedValue(t, d)
}

func orderedValue(t testing.TB, d *json.Decoder) any {
	t.Helper()
	tok, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			l := []any{}
			for d.More() {
				l = append(l, orderedValue(t, d))
			}
			_, _ = d.Token()
			return l
		}
		m := &Map{}
		for d.More() {
			k := orderedValue(t, d)
			m.Set(k, orderedValue(t, d))
		}
		_, _ = d.Token()
		return m
	case json.Number:
		if n, err := tok.Int64(); err == nil {
			return n
		}
		f, err := tok.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	default:
		return tok
	}
}
