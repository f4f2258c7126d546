package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyPeerAddresses(t *testing.T) {
	m, _, err := LoadMaster(options(write(t, map[string]string{
		"master": "saltern_key_peers:\n  b: 10.0.0.2\n  c: '[fd00::2]:5506'\n  d: ''\n  e:\n  f: fd00::3\n",
	})))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.KeyPeerAddresses()
	want := map[string]string{"b": "10.0.0.2:4506", "c": "[fd00::2]:5506", "d": "", "e": "", "f": "[fd00::3]:4506"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	for _, bad := range []string{"b: [1]", "b: host:x", ".b: host", "b/c: host", "b: ':4506'"} {
		_, _, err := LoadMaster(options(write(t, map[string]string{"master": "saltern_key_peers:\n  " + bad + "\n"})))
		if err == nil || !strings.Contains(err.Error(), "saltern_key_peers") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
