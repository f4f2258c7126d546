package master

import (
	"testing"

	"github.com/saltern-io/saltern/pki"
)

// TestSealedKeys: blocks are sent again only when every key they were made of is still the same.
func TestSealedKeys(t *testing.T) {
	newKey := func() *pki.PublicKey {
		t.Helper()
		key, err := pki.GenerateKey(2048)
		if err != nil {
			t.Fatal(err)
		}
		return key.Public()
	}
	first := sealedPair{epoch: &pki.KeyEpoch{}, session: "s1", reader: newKey(), alg: pki.OAEPSHA1}
	kept := first
	kept.aes, kept.sess = []byte("a"), []byte("s")
	s := newSealedKeys()
	if _, _, ok := s.find("m1", first); ok {
		t.Fatal("found something in an empty set")
	}
	s.keep("m1", kept)
	if aes, sess, ok := s.find("m1", first); !ok || string(aes) != "a" || string(sess) != "s" {
		t.Fatalf("find = %q, %q, %v", aes, sess, ok)
	}
	for name, change := range map[string]func(*sealedPair){
		"rotated":         func(p *sealedPair) { p.epoch = &pki.KeyEpoch{} },
		"session renewed": func(p *sealedPair) { p.session = "s2" },
		"other key":       func(p *sealedPair) { p.reader = newKey() },
		"other algorithm": func(p *sealedPair) { p.alg = pki.OAEPSHA224 },
	} {
		other := first
		change(&other)
		if _, _, ok := s.find("m1", other); ok {
			t.Errorf("%s: the old blocks were found", name)
		}
	}
	if _, _, ok := s.find("m2", first); ok {
		t.Error("blocks of another minion were found")
	}
	s.forget("m1")
	if _, _, ok := s.find("m1", first); ok {
		t.Error("blocks of a forgotten minion were found")
	}
}
