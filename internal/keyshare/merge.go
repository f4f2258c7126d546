package keyshare

import "maps"

// Conflict is two decisions about one id that do not know of each other and differ.
type Conflict struct {
	ID     string `json:"id"`
	Ours   Record `json:"ours"`
	Theirs Entry  `json:"theirs"`
	From   string `json:"from"` // who told
}

// Merged is the outcome of a merge.
type Merged struct {
	Ledger    map[string]Record   // what is decided now
	Apply     []Entry             // decisions of others that are newer than ours: to be carried out
	Conflicts map[string]Conflict // open ones, by id
}

// Merge takes entries of others into a ledger. It is a pure function: neither argument changes, and the outcome does not
// depend on the order in which non-contradicting entries come.
//
//	ours unknown or older   theirs is applied
//	theirs known or older   nothing
//	neither knows the other, same decision       the versions join
//	neither knows the other, another decision    a conflict: ours stays, somebody has to decide
//
// conflicts are those open before; one is over as soon as one side's decision knows the other's.
func Merge(ledger map[string]Record, conflicts map[string]Conflict, theirs []Entry, from string) Merged {
	m := Merged{Ledger: maps.Clone(ledger), Conflicts: maps.Clone(conflicts)}
	if m.Ledger == nil {
		m.Ledger = map[string]Record{}
	}
	if m.Conflicts == nil {
		m.Conflicts = map[string]Conflict{}
	}
	applied := map[string]int{} // place in Apply
	for _, e := range theirs {
		ours, known := m.Ledger[e.ID]
		record := e.record()
		order := Before
		if known {
			order = ours.Version.Compare(record.Version)
		}
		switch {
		case order == Before:
			m.Ledger[e.ID] = record
			if !known || !ours.same(record) {
				if at, again := applied[e.ID]; again {
					m.Apply[at] = e
				} else {
					applied[e.ID] = len(m.Apply)
					m.Apply = append(m.Apply, e)
				}
			}
		case order == Concurrent && ours.same(record):
			ours.Version = ours.Version.Join(record.Version)
			ours.Time = max(ours.Time, record.Time)
			m.Ledger[e.ID] = ours
		case order == Concurrent:
			m.Conflicts[e.ID] = Conflict{ID: e.ID, Ours: ours, Theirs: e, From: from}
		}
	}
	m.settle()
	return m
}

// settle drops the conflicts that are over.
func (m *Merged) settle() {
	for id, c := range m.Conflicts {
		ours, known := m.Ledger[id]
		if !known || ours.Version.Compare(c.Theirs.Version) != Concurrent || ours.same(c.Theirs.record()) {
			delete(m.Conflicts, id)
			continue
		}
		c.Ours = ours
		m.Conflicts[id] = c
	}
}

// Observe compares what lies in the directory with the ledger: every difference is a decision made here by hand, with a
// key tool of any make, and gets the next version of node. seen maps the ids of accepted and rejected keys. The result
// is a new ledger and the ids that changed.
func Observe(ledger, seen map[string]Record, node string, now int64) (map[string]Record, []string) {
	next := maps.Clone(ledger)
	if next == nil {
		next = map[string]Record{}
	}
	var changed []string
	decide := func(id string, r Record) {
		r.Version, r.Time = ledger[id].Version.Next(node), now
		next[id] = r
		changed = append(changed, id)
	}
	for id, r := range seen {
		if known, ok := ledger[id]; !ok || !known.same(r) {
			decide(id, r)
		}
	}
	for id, known := range ledger {
		if _, ok := seen[id]; !ok && known.State != Deleted {
			decide(id, Record{State: Deleted})
		}
	}
	return next, changed
}

// Expire drops tombstones from before then: a master that was away for longer brings their keys back.
func Expire(ledger map[string]Record, then int64) map[string]Record {
	next := maps.Clone(ledger)
	maps.DeleteFunc(next, func(_ string, r Record) bool { return r.State == Deleted && r.Time < then })
	return next
}
