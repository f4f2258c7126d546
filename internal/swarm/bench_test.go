package swarm

import (
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// BenchmarkSealReturn is what one return costs the swarm before it is written.
func BenchmarkSealReturn(b *testing.B) {
	m := vectorMinion(b, testKey(b, "minion"), 3)
	cipher := must(pki.NewCipher(pki.NewKeyString()))
	creds := &credentials{session: cipher, shared: &sharedKey{cipher: cipher}}
	pub := wire.NewMap("fun", "test.ping", "arg", []any{}, "jid", "20261120140005546255", "user", "root")
	b.ReportAllocs()
	for b.Loop() {
		f, err := returnFields(m.id, pub, outcome{ret: true, retcode: int64(0), success: true}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.sealed(f, creds, wire.NewNonce()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenPublication is what a publication costs each minion after the first.
func BenchmarkOpenPublication(b *testing.B) {
	m := vectorMinion(b, testKey(b, "minion"), 3)
	master := testKey(b, "master")
	cipher := must(pki.NewCipher(pki.NewKeyString()))
	shared := &sharedKey{cipher: cipher, masterKey: master.Public()}
	load := must(wire.Encode(wire.NewMap("fun", "test.ping", "arg", []any{}, "tgt", "*", "jid", "20261120140005546255", "serial", int64(1)), wire.Wire))
	box := cipher.Seal(nil, wire.AppendPlain(nil, "", load))
	frame := wire.AppendPubEnvelope(nil, box, string(pki.PKCS1v15SHA1), must(master.Sign(pki.PKCS1v15SHA1, box)))
	b.ReportAllocs()
	for b.Loop() {
		if pub, err := shared.open(m.swarm, frame, time.Now()); err != nil || !pub.targeted(0) {
			b.Fatal(err)
		}
	}
}
