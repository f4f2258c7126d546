package master

import (
	"testing"

	"github.com/saltern-io/saltern/pki"
)

// TestDecideAuth walks the table of spec auth-and-crypto §7.1, row by row.
func TestDecideAuth(t *testing.T) {
	base := authFacts{IDValid: true, KeyUsable: true}
	with := func(change func(*authFacts)) authFacts {
		f := base
		change(&f)
		return f
	}
	tests := []struct {
		name    string
		facts   authFacts
		verdict authVerdict
		store   pki.State
		event   bool
		act     string
	}{
		{"1 invalid id", with(func(f *authFacts) { f.IDValid = false }), authRefuse, pki.None, false, ""},
		{"2 full", with(func(f *authFacts) { f.Full = true }), authFull, pki.None, true, "full"},
		{"3 open mode stores", with(func(f *authFacts) { f.OpenMode = true }), authAccept, pki.Accepted, true, "accept"},
		{"3 open mode over rejected", with(func(f *authFacts) { f.OpenMode, f.State = true, pki.Rejected }), authAccept, pki.Accepted, true, "accept"},
		{"3 open mode same key", with(func(f *authFacts) { f.OpenMode, f.State, f.SameKey = true, pki.Accepted, true }), authAccept, pki.None, true, "accept"},
		{"3 open mode empty key", with(func(f *authFacts) { f.OpenMode, f.KeyEmpty, f.KeyUsable = true, true, false }), authRefuse, pki.None, false, ""},
		{"4 rejected", with(func(f *authFacts) { f.State = pki.Rejected }), authRefuse, pki.None, true, ""},
		{"4 rejected wins over autosign", with(func(f *authFacts) { f.State, f.AutoSign = pki.Rejected, true }), authRefuse, pki.None, true, ""},
		{"5 accepted, other key", with(func(f *authFacts) { f.State = pki.Accepted }), authRefuse, pki.Denied, true, "denied"},
		{"5 accepted, other key is garbage", with(func(f *authFacts) { f.State, f.KeyUsable = pki.Accepted, false }), authRefuse, pki.None, true, "denied"},
		{"6 accepted, same key", with(func(f *authFacts) { f.State, f.SameKey = pki.Accepted, true }), authAccept, pki.None, true, "accept"},
		{"6 accepted wins over autoreject", with(func(f *authFacts) { f.State, f.SameKey, f.AutoReject = pki.Accepted, true, true }), authAccept, pki.None, true, "accept"},
		{"7 unknown, autoreject", with(func(f *authFacts) { f.AutoReject = true }), authRefuse, pki.Rejected, true, "reject"},
		{"8 unknown", base, authPending, pki.Pending, true, "pend"},
		{"8 unknown, no room", with(func(f *authFacts) { f.NoRoom = true }), authFull, pki.None, true, "full"},
		{"9 unknown, autosign", with(func(f *authFacts) { f.AutoSign = true }), authAccept, pki.Accepted, true, "accept"},
		{"10 pending, autoreject", with(func(f *authFacts) { f.State, f.AutoReject = pki.Pending, true }), authRefuse, pki.Rejected, true, "reject"},
		{"11a pending, other key", with(func(f *authFacts) { f.State = pki.Pending }), authRefuse, pki.Denied, true, "denied"},
		{"11b pending", with(func(f *authFacts) { f.State, f.SameKey = pki.Pending, true }), authPending, pki.None, true, "pend"},
		{"11c pending, autosign, other key", with(func(f *authFacts) { f.State, f.AutoSign = pki.Pending, true }), authRefuse, pki.Denied, true, ""},
		{"11d pending, autosign", with(func(f *authFacts) { f.State, f.AutoSign, f.SameKey = pki.Pending, true, true }), authAccept, pki.Accepted, true, "accept"},
		{"13 stored text is no key", with(func(f *authFacts) { f.State, f.StoredBad = pki.Accepted, true }), authRefuse, pki.None, false, ""},
		{"unknown, garbage key is not stored", with(func(f *authFacts) { f.KeyUsable = false }), authRefuse, pki.None, false, ""},
		{"unknown, garbage key, autosign", with(func(f *authFacts) { f.KeyUsable, f.AutoSign = false, true }), authRefuse, pki.None, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decideAuth(tt.facts)
			if d.Verdict != tt.verdict || d.Store != tt.store || d.Event != tt.event || d.EventAct != tt.act {
				t.Errorf("decideAuth = verdict %d store %v event %v act %q; want %d %v %v %q",
					d.Verdict, d.Store, d.Event, d.EventAct, tt.verdict, tt.store, tt.event, tt.act)
			}
		})
	}
}
