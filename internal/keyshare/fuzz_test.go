package keyshare

import (
	"encoding/json"
	"testing"
)

// FuzzExport: a file from elsewhere is parted before its signature is checked, and its entries keep the rules of Check.
func FuzzExport(f *testing.F) {
	f.Add([]byte(exportMagic + `{"from":"m1","entries":0}` + "\n" + exportSig + "AAAA\n"))
	f.Add([]byte(exportMagic + `{"from":"m1","entries":1}` + "\n" + `{"id":"web1","state":"deleted"}` + "\n" + exportSig + "AAAA\n"))
	f.Add([]byte(exportMagic + exportSig))
	f.Fuzz(func(t *testing.T, text []byte) {
		body, _, err := splitExport(text)
		if err != nil {
			return
		}
		head, list, err := parseExport(body)
		if err != nil {
			return
		}
		if len(list) != head.Entries {
			t.Fatalf("%d entries, the head says %d", len(list), head.Entries)
		}
		for _, e := range list {
			if err := e.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzEntry: what Check lets through survives being written and read.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"id":"web1","state":"accepted","pub":"x","version":{"m1":1},"time":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e, again Entry
		if json.Unmarshal(text, &e) != nil || e.Check() != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || again.Check() != nil {
			t.Fatalf("%s: %v, %v", out, err, again.Check())
		}
		if c := e.Version.Compare(again.Version); c != Same {
			t.Fatalf("%v is not %v: %v", e.Version, again.Version, c)
		}
	})
}
