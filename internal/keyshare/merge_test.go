package keyshare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// node is the name of the nth master of a test.
func node(n int) string { return fmt.Sprintf("%016x", n) }

// version reads "1:2 2:1".
func version(text string) Version {
	v := Version{}
	for _, part := range strings.Fields(text) {
		var n int
		var count uint64
		if _, err := fmt.Sscanf(part, "%d:%d", &n, &count); err != nil {
			panic(err)
		}
		v[node(n)] = count
	}
	return v
}

// entry is a decision about "web"; the key text stands for itself.
func entry(state State, key, v string) Entry {
	return Entry{ID: "web", State: state, Pub: key, Version: version(v)}
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ours, theirs Entry
		none         bool // we know nothing
		want         Entry
		apply        bool
		conflict     bool
	}{
		{name: "unknown here", none: true, theirs: entry(Accepted, "K", "1:1"), want: entry(Accepted, "K", "1:1"), apply: true},
		{name: "unknown tombstone", none: true, theirs: entry(Deleted, "", "1:2"), want: entry(Deleted, "", "1:2"), apply: true},
		{name: "known", ours: entry(Accepted, "K", "1:1"), theirs: entry(Accepted, "K", "1:1"), want: entry(Accepted, "K", "1:1")},
		{name: "deleted there", ours: entry(Accepted, "K", "1:1"), theirs: entry(Deleted, "", "1:2"), want: entry(Deleted, "", "1:2"), apply: true},
		{name: "deleted here", ours: entry(Deleted, "", "1:2"), theirs: entry(Accepted, "K", "1:1"), want: entry(Deleted, "", "1:2")},
		{name: "accepted again", ours: entry(Deleted, "", "1:2"), theirs: entry(Accepted, "L", "1:3"), want: entry(Accepted, "L", "1:3"), apply: true},
		{name: "newer, same decision", ours: entry(Accepted, "K", "1:1"), theirs: entry(Accepted, "K", "1:1 2:1"), want: entry(Accepted, "K", "1:1 2:1")},
		{name: "accepted on both", ours: entry(Accepted, "K", "1:1"), theirs: entry(Accepted, "K", "2:1"), want: entry(Accepted, "K", "1:1 2:1")},
		{name: "deleted on both", ours: entry(Deleted, "", "1:2"), theirs: entry(Deleted, "", "1:1 2:1"), want: entry(Deleted, "", "1:2 2:1")},
		{name: "another key", ours: entry(Accepted, "K", "1:1"), theirs: entry(Accepted, "L", "2:1"), want: entry(Accepted, "K", "1:1"), conflict: true},
		{name: "another decision", ours: entry(Rejected, "K", "1:1"), theirs: entry(Accepted, "K", "2:1"), want: entry(Rejected, "K", "1:1"), conflict: true},
		{name: "deleted here, rejected there", ours: entry(Deleted, "", "1:2"), theirs: entry(Rejected, "K", "1:1 2:1"), want: entry(Deleted, "", "1:2"), conflict: true},
		{name: "decided with knowledge", ours: entry(Accepted, "K", "1:1"), theirs: entry(Accepted, "L", "1:1 2:2"), want: entry(Accepted, "L", "1:1 2:2"), apply: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ledger := map[string]Record{}
			if !tt.none {
				ledger["web"] = tt.ours.record()
			}
			m := Merge(ledger, nil, []Entry{tt.theirs}, "b")
			if diff := cmp.Diff(tt.want.record(), m.Ledger["web"]); diff != "" {
				t.Error(diff)
			}
			if (len(m.Apply) == 1) != tt.apply || (len(m.Conflicts) == 1) != tt.conflict {
				t.Errorf("apply %+v, conflicts %+v", m.Apply, m.Conflicts)
			}
		})
	}
}

func TestMerge_conflictEndsWithADecision(t *testing.T) {
	ledger := map[string]Record{"web": new(entry(Accepted, "K", "1:1")).record()}
	m := Merge(ledger, nil, []Entry{entry(Accepted, "L", "2:1")}, "b")
	if len(m.Conflicts) != 1 {
		t.Fatal("no conflict")
	}
	m = Merge(m.Ledger, m.Conflicts, nil, "")
	if len(m.Conflicts) != 1 {
		t.Error("forgotten")
	}
	m = Merge(m.Ledger, m.Conflicts, []Entry{entry(Accepted, "L", "1:1 2:2")}, "b") // decided there, knowing ours
	if len(m.Conflicts) != 0 || len(m.Apply) != 1 {
		t.Errorf("%+v", m)
	}
}

func TestObserve(t *testing.T) {
	ledger := map[string]Record{
		"kept":    {State: Accepted, Key: "K", Version: version("1:1")},
		"gone":    {State: Accepted, Key: "K", Version: version("1:1 2:3")},
		"other":   {State: Accepted, Key: "K", Version: version("2:1")},
		"deleted": {State: Deleted, Version: version("1:2")},
		"back":    {State: Deleted, Version: version("1:2")},
	}
	seen := map[string]Record{
		"kept": {State: Accepted, Key: "K"}, "other": {State: Rejected, Key: "K"}, "back": {State: Accepted, Key: "L"}, "new": {State: Accepted, Key: "M"},
	}
	got, changed := Observe(ledger, seen, node(1), 7)
	slices.Sort(changed)
	if !slices.Equal(changed, []string{"back", "gone", "new", "other"}) {
		t.Errorf("changed %q", changed)
	}
	want := maps.Clone(ledger)
	want["gone"] = Record{State: Deleted, Version: version("1:2 2:3"), Time: 7}
	want["other"] = Record{State: Rejected, Key: "K", Version: version("1:1 2:1"), Time: 7}
	want["back"] = Record{State: Accepted, Key: "L", Version: version("1:3"), Time: 7}
	want["new"] = Record{State: Accepted, Key: "M", Version: version("1:1"), Time: 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExpire(t *testing.T) {
	got := Expire(map[string]Record{
		"old": {State: Deleted, Time: 1}, "young": {State: Deleted, Time: 9}, "live": {State: Accepted, Time: 1},
	}, 5)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"live", "young"}) {
		t.Errorf("left %q", names)
	}
}

// replica is one master of the property test: its ledger is its directory as well.
type replica struct {
	ledger    map[string]Record
	conflicts map[string]Conflict
	pubs      map[string]string // by key hash
}

func (r *replica) entries() (list []Entry) {
	for _, id := range slices.Sorted(maps.Keys(r.ledger)) {
		rec := r.ledger[id]
		list = append(list, Entry{ID: id, State: rec.State, Pub: r.pubs[rec.Key], Version: rec.Version, Time: rec.Time})
	}
	return list
}

func (r *replica) pull(from *replica) {
	m := Merge(r.ledger, r.conflicts, from.entries(), "x")
	r.ledger, r.conflicts = m.Ledger, m.Conflicts
}

// TestMerge_replicasAgree: whatever is decided where and told to whom, after everybody has heard everybody twice they
// agree on every id about which no conflict is reported, every difference is a reported conflict on both sides, and
// nothing was decided that nobody had decided.
func TestMerge_replicasAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pubs := map[string]string{"": ""}
		keys := []string{"K", "L", "M"}
		for _, k := range keys {
			pubs[keyHash(k)] = k
		}
		n := rapid.IntRange(2, 4).Draw(t, "masters")
		all := make([]*replica, n)
		for i := range all {
			all[i] = &replica{ledger: map[string]Record{}, pubs: pubs}
		}
		ids := []string{"a", "b"}
		steps := rapid.IntRange(1, 25).Draw(t, "steps")
		for range steps {
			at := rapid.IntRange(0, n-1).Draw(t, "at")
			r := all[at]
			if rapid.Bool().Draw(t, "tell") {
				r.pull(all[rapid.IntRange(0, n-1).Draw(t, "from")])
				continue
			}
			id := rapid.SampledFrom(ids).Draw(t, "id")
			seen := map[string]Record{}
			for known, rec := range r.ledger {
				if rec.State != Deleted {
					seen[known] = Record{State: rec.State, Key: rec.Key}
				}
			}
			switch state := rapid.SampledFrom([]State{Accepted, Rejected, Deleted}).Draw(t, "state"); state {
			case Deleted:
				delete(seen, id)
			default:
				seen[id] = Record{State: state, Key: keyHash(rapid.SampledFrom(keys).Draw(t, "key"))}
			}
			r.ledger, _ = Observe(r.ledger, seen, node(at), 1)
		}
		for range 2 {
			for _, r := range all {
				for _, other := range all {
					r.pull(other)
				}
			}
		}
		for _, id := range ids {
			for i, a := range all {
				for _, b := range all[i+1:] {
					ra, oka := a.ledger[id]
					rb, okb := b.ledger[id]
					if oka != okb {
						t.Fatalf("%s: known to one only", id)
					}
					if ra.same(rb) {
						continue
					}
					if _, ca := a.conflicts[id]; !ca {
						t.Fatalf("%s: %+v and %+v without a conflict here", id, ra, rb)
					}
					if _, cb := b.conflicts[id]; !cb {
						t.Fatalf("%s: %+v and %+v without a conflict there", id, ra, rb)
					}
				}
			}
		}
	})
}

func TestVersion_compare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Version {
			return Version(rapid.MapOfN(rapid.SampledFrom([]string{node(1), node(2), node(3)}), rapid.Uint64Range(1, 3), 0, 3).Draw(t, name))
		}
		a, b := draw("a"), draw("b")
		mirror := map[Order]Order{Same: Same, Before: After, After: Before, Concurrent: Concurrent}
		if b.Compare(a) != mirror[a.Compare(b)] {
			t.Fatalf("%v and %v: %v, %v", a, b, a.Compare(b), b.Compare(a))
		}
		j := a.Join(b)
		for _, v := range []Version{a, b} {
			if o := v.Compare(j); o != Same && o != Before {
				t.Fatalf("join %v of %v and %v", j, a, b)
			}
		}
		if a.Next(node(1)).Compare(a) != After {
			t.Fatal("next is not after")
		}
	})
}
