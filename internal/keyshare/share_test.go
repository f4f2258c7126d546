package keyshare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// keys are pairs that all tests share: making one takes longer than most tests.
var keys = [6]func() *pki.PrivateKey{
	sync.OnceValue(newKey), sync.OnceValue(newKey), sync.OnceValue(newKey),
	sync.OnceValue(newKey), sync.OnceValue(newKey), sync.OnceValue(newKey),
}

func newKey() *pki.PrivateKey {
	key, err := pki.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return key
}

// testMaster is one master of a test: its directory, its own key, and the keys of the others pinned.
type testMaster struct {
	*Share
	t       testing.TB
	name    string
	dir     string
	key     *pki.PrivateKey
	store   *pki.DirStore // what salt-key works on
	revoked []string
	ahead   time.Duration
}

// newMasters makes n masters that know each other.
func newMasters(t testing.TB, n int) []*testMaster {
	t.Helper()
	var all []*testMaster
	for i := range n {
		m := &testMaster{t: t, name: fmt.Sprintf("m%d", i), dir: t.TempDir(), key: keys[i]()}
		m.open()
		all = append(all, m)
	}
	for _, m := range all {
		for _, other := range all {
			if other != m {
				if _, err := m.Pin(other.name, other.key.Public().PEM(), false); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return all
}

func (m *testMaster) open() {
	m.t.Helper()
	var err error
	m.Share, err = Open(Options{
		PKIDir: m.dir, Name: m.name, Now: func() time.Time { return time.Now().Add(m.ahead) },
		Revoked: func(id string) error { m.revoked = append(m.revoked, id); return nil },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if m.store, err = pki.OpenDirStore(m.dir, pki.DirOptions{}); err != nil {
		m.t.Fatal(err)
	}
}

func minionKey(n int) []byte { return keys[3+n]().Public().PEM() }

func (m *testMaster) put(id string, s pki.State, pub []byte) {
	m.t.Helper()
	if err := m.store.Put(id, s, pub); err != nil {
		m.t.Fatal(err)
	}
}

func (m *testMaster) remove(id string, s pki.State) {
	m.t.Helper()
	if err := m.store.Delete(id, s); err != nil {
		m.t.Fatal(err)
	}
}

// has is the state of id with the number of its key: "accepted 0".
func (m *testMaster) has(id string) string {
	m.t.Helper()
	e, err := m.store.Lookup(id)
	if err != nil {
		m.t.Fatal(err)
	}
	if e.State == pki.None {
		return "none"
	}
	for n := range 3 {
		if pki.CleanKey(string(e.PEM)) == pki.CleanKey(string(minionKey(n))) {
			return fmt.Sprintf("%s %d", e.State.Dir(), n)
		}
	}
	return e.State.Dir() + " ?"
}

// pull has m ask other, over nothing but the bytes.
func (m *testMaster) pull(other *testMaster) (Report, error) {
	return m.Pull(context.Background(), other.name, m.key, func(_ context.Context, body []byte) ([]byte, error) {
		env, refusal := wire.ParseEnvelope(body)
		if refusal != nil {
			return refusal, nil
		}
		load, err := wire.DecodeMap(env.Load, wire.Wire, wire.LoadLimits)
		if err != nil {
			return nil, err
		}
		reply, _ := other.Serve(load, other.key, func(string) bool { return true })
		return reply, nil
	})
}

func (m *testMaster) mustPull(other *testMaster) Report {
	m.t.Helper()
	r, err := m.pull(other)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// exportTo carries an export of m to other.
func (m *testMaster) exportTo(other *testMaster) (Report, error) {
	m.t.Helper()
	var file bytes.Buffer
	if _, err := m.Export(&file, m.key); err != nil {
		m.t.Fatal(err)
	}
	return other.Import(&file, other.key.Public())
}

// TestShare_lifeOfAKey: accepted on one, accepted on the others; deleted on one, deleted on all; by either way.
func TestShare_lifeOfAKey(t *testing.T) {
	ways := map[string]func(from, to *testMaster) Report{
		"pull": func(from, to *testMaster) Report { return to.mustPull(from) },
		"file": func(from, to *testMaster) Report {
			r, err := from.exportTo(to)
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
	}
	for name, carry := range ways {
		t.Run(name, func(t *testing.T) {
			ms := newMasters(t, 3)
			a, b, c := ms[0], ms[1], ms[2]
			a.put("web", pki.Accepted, minionKey(0))
			b.put("web", pki.Pending, minionKey(0)) // the minion was here before
			c.put("web", pki.Pending, minionKey(1)) // somebody else was here
			if r := carry(a, b); len(r.Applied) != 1 || len(r.Conflicts) != 0 || b.has("web") != "minions 0" {
				t.Fatalf("%+v, %s", r, b.has("web"))
			}
			if r := carry(b, c); len(r.Applied) != 1 || !r.Applied[0].Denied || c.has("web") != "minions 0" { // at second hand
				t.Fatalf("%+v, %s", r, c.has("web"))
			}
			if e, err := c.store.Read("web", pki.Denied); err != nil || e.State != pki.Denied {
				t.Errorf("the other pending key is gone: %v", err)
			}
			if r := carry(a, b); len(r.Applied) != 0 {
				t.Errorf("carried out again: %+v", r)
			}
			b.remove("web", pki.Accepted) // deleted with any key tool
			for _, m := range []*testMaster{a, c} {
				if carry(b, m); m.has("web") != "none" || len(m.revoked) != 1 {
					t.Errorf("%s after the deletion: %s, revoked %q", m.name, m.has("web"), m.revoked)
				}
			}
			carry(c, a)
			a.put("web", pki.Accepted, minionKey(2)) // a new key for the old name
			if carry(a, b); b.has("web") != "minions 2" {
				t.Errorf("accepted anew: %s", b.has("web"))
			}
			a.put("web", pki.Rejected, minionKey(2))
			if carry(a, b); b.has("web") != "minions_rejected 2" || len(b.revoked) != 1 {
				t.Errorf("rejected: %s, revoked %q", b.has("web"), b.revoked)
			}
		})
	}
}

// TestShare_conflicts: what contradicts is reported on both sides and changes nothing until somebody decides.
func TestShare_conflicts(t *testing.T) {
	ms := newMasters(t, 2)
	a, b := ms[0], ms[1]
	a.put("web", pki.Accepted, minionKey(0))
	b.put("web", pki.Accepted, minionKey(1))
	a.put("db", pki.Accepted, minionKey(0))
	b.put("db", pki.Rejected, minionKey(0))
	a.put("same", pki.Accepted, minionKey(0))
	b.put("same", pki.Accepted, minionKey(0))
	for _, r := range []Report{a.mustPull(b), b.mustPull(a)} {
		if len(r.Conflicts) != 2 || r.Conflicts[0].ID != "db" || r.Conflicts[1].ID != "web" || len(r.Applied) != 0 {
			t.Fatalf("%+v", r)
		}
	}
	if a.has("web") != "minions 0" || b.has("web") != "minions 1" || b.has("db") != "minions_rejected 0" {
		t.Error("something was decided")
	}
	if err := b.Resolve("same", true); !errors.Is(err, ErrNoConflict) {
		t.Errorf("resolved nothing: %v", err)
	}
	if err := errors.Join(b.Resolve("web", true), b.Resolve("db", false)); err != nil {
		t.Fatal(err)
	}
	if r := a.mustPull(b); len(r.Conflicts) != 0 || a.has("web") != "minions 0" || b.has("web") != "minions 0" || a.has("db") != "minions_rejected 0" {
		t.Errorf("%+v: %s, %s, %s", r, a.has("web"), b.has("web"), a.has("db"))
	}
	if r := b.mustPull(a); len(r.Conflicts) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestShare_refusals: nothing is taken from, or told to, whoever is not pinned and listed.
func TestShare_refusals(t *testing.T) {
	ms := newMasters(t, 2)
	a, b := ms[0], ms[1]
	a.put("web", pki.Accepted, minionKey(0))
	var file bytes.Buffer
	if _, err := a.Export(&file, keys[2]()); err != nil { // a key that nobody has pinned
		t.Fatal(err)
	}
	if _, err := b.Import(&file, b.key.Public()); !errors.Is(err, ErrPeer) {
		t.Errorf("foreign export: %v", err)
	}
	file.Reset()
	if _, err := a.Export(&file, a.key); err != nil {
		t.Fatal(err)
	}
	good := file.String()
	for name, text := range map[string]string{
		"changed":   strings.Replace(good, `"accepted"`, `"rejected"`, 1),
		"cut":       good[:len(good)/2],
		"empty":     "",
		"unsigned":  good[:strings.LastIndex(good, exportSig)],
		"other sig": good[:strings.LastIndex(good, exportSig)] + exportSig + "AAAA\n",
	} {
		if _, err := b.Import(strings.NewReader(text), b.key.Public()); !errors.Is(err, ErrPeer) && !errors.Is(err, ErrExport) {
			t.Errorf("%s export: %v", name, err)
		}
	}
	if err := a.Unpin("m1"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.pull(a); !errors.Is(err, ErrRefused) {
		t.Errorf("asked by a master that is not pinned: %v", err)
	}
	if _, err := a.Pin("m1", b.key.Public().PEM(), false); err != nil {
		t.Fatal(err)
	}
	b.ahead = time.Hour
	if _, err := b.pull(a); !errors.Is(err, ErrRefused) {
		t.Errorf("asked with an old clock: %v", err)
	}
	b.ahead = 0
	if _, err := b.Pin("m0", keys[2]().Public().PEM(), false); err == nil {
		t.Error("a pin was replaced without a word")
	}
	if _, err := b.Pin("m0", keys[2]().Public().PEM(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.pull(a); err == nil {
		t.Error("another master answered under the name")
	}
	if b.has("web") != "none" {
		t.Errorf("taken all the same: %s", b.has("web"))
	}
}

// TestShare_oneKeyPairForAll: failover masters often have the same master.pem. They need no pins, and still count apart.
func TestShare_oneKeyPairForAll(t *testing.T) {
	ms := newMasters(t, 2)
	a, b := ms[0], ms[1]
	b.key = a.key
	if err := errors.Join(a.Unpin("m1"), b.Unpin("m0")); err != nil {
		t.Fatal(err)
	}
	a.put("web", pki.Accepted, minionKey(0))
	b.put("web", pki.Accepted, minionKey(1))
	if r := b.mustPull(a); len(r.Conflicts) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestShare_copyOfADirectory counts under a name of its own.
func TestShare_copyOfADirectory(t *testing.T) {
	ms := newMasters(t, 1)
	first, err := ms[0].Status()
	if err != nil {
		t.Fatal(err)
	}
	copied := &testMaster{t: t, name: "m9", dir: t.TempDir(), key: keys[1]()}
	if err := os.CopyFS(copied.dir, os.DirFS(ms[0].dir)); err != nil {
		t.Fatal(err)
	}
	copied.open()
	second, err := copied.Status()
	if err != nil || second.Node == first.Node {
		t.Errorf("node %s twice, %v", first.Node, err)
	}
}

// TestShare_crashBetweenDirectoryAndLedger: what was carried out and not noted looks decided here, and joins.
func TestShare_crashBetweenDirectoryAndLedger(t *testing.T) {
	ms := newMasters(t, 2)
	a, b := ms[0], ms[1]
	a.put("web", pki.Accepted, minionKey(0))
	before, err := os.ReadFile(b.ledgerPath())
	b.mustPull(a)
	if err == nil {
		err = os.WriteFile(b.ledgerPath(), before, 0o600)
	} else {
		err = os.Remove(b.ledgerPath())
	}
	if err != nil {
		t.Fatal(err)
	}
	b.open()
	if r := b.mustPull(a); len(r.Conflicts) != 0 || b.has("web") != "minions 0" {
		t.Errorf("%+v", r)
	}
	if r := a.mustPull(b); len(r.Conflicts) != 0 || len(r.Applied) != 0 {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(b.ledgerPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Status(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged ledger: %v", err)
	}
}

// TestShare_oldTombstonesGo, and do not come back from somebody who still has them.
func TestShare_oldTombstonesGo(t *testing.T) {
	ms := newMasters(t, 2)
	a, b := ms[0], ms[1]
	a.put("web", pki.Accepted, minionKey(0))
	b.mustPull(a)
	a.remove("web", pki.Accepted)
	b.mustPull(a)
	a.ahead, b.ahead = DefaultKeep+time.Hour, DefaultKeep+time.Hour
	for range 2 {
		st, err := b.Status()
		if err != nil || st.Counts[Deleted] != 0 {
			t.Errorf("%+v, %v", st.Counts, err)
		}
		b.mustPull(a)
	}
}

// TestShare_manyKeys goes over several pages.
func TestShare_manyKeys(t *testing.T) {
	ms := newMasters(t, 2)
	a, b := ms[0], ms[1]
	const n = pullPage + 10
	pub := []byte(pki.CleanKey(string(minionKey(0))))
	for i := range n {
		if err := os.WriteFile(filepath.Join(a.dir, "minions", fmt.Sprintf("m%05d", i)), pub, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	r := b.mustPull(a)
	t.Logf("%d keys pulled in %v", len(r.Applied), time.Since(begun).Round(time.Millisecond))
	if len(r.Applied) != n {
		t.Errorf("%d applied", len(r.Applied))
	}
	begun = time.Now()
	if r = b.mustPull(a); len(r.Applied) != 0 || r.Taken != n {
		t.Errorf("%d of %d applied again", len(r.Applied), r.Taken)
	}
	t.Logf("and again, with nothing new, in %v", time.Since(begun).Round(time.Millisecond))
}
