package master

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// presenceWindow is how long a minion counts as present after its last proven request, when no
// connection of it is seen.
const presenceWindow = 10 * time.Minute

// maxAddrs bounds the addresses kept of one minion.
const maxAddrs = 32

// presence remembers when each minion was last heard of and which addresses it has. It holds at most
// one entry per accepted key, since only requests proven to come from one get here.
type presence struct {
	mu    sync.Mutex
	seen  map[string]time.Time
	addrs map[string][]netip.Addr // of the grains ipv4 and ipv6, without loopback
}

func newPresence() *presence {
	return &presence{seen: map[string]time.Time{}, addrs: map[string][]netip.Addr{}}
}

// heard notes a proven request of the minion.
func (p *presence) heard(id string, now time.Time) {
	p.mu.Lock()
	p.seen[id] = now
	p.mu.Unlock()
}

// learn notes the addresses in the grains of an accepted minion.
func (p *presence) learn(id string, grains *wire.Map) {
	var addrs []netip.Addr
	for _, key := range []string{"ipv4", "ipv6"} {
		for _, text := range stringList(grains.List(key)) {
			addr, err := netip.ParseAddr(text)
			if err == nil && !addr.IsLoopback() && !addr.IsUnspecified() && len(addrs) < maxAddrs {
				addrs = append(addrs, addr.Unmap().WithZone(""))
			}
		}
	}
	p.mu.Lock()
	p.addrs[id] = addrs
	p.mu.Unlock()
}

// knows reports whether addresses of the minion were learned, none included.
func (p *presence) knows(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.addrs[id]
	return ok
}

// forget drops a minion whose key is gone.
func (p *presence) forget(id string) {
	p.mu.Lock()
	delete(p.seen, id)
	delete(p.addrs, id)
	p.mu.Unlock()
}

// has reports whether the minion was heard of since the master started.
func (p *presence) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.seen[id]
	return ok
}

// count is how many minions were heard of since the master started.
func (p *presence) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

// present lists, sorted, those of ids that were heard of after t or have an address among connected.
func (p *presence) present(ids []string, t time.Time, connected map[netip.Addr]bool) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, id := range ids {
		at, heard := p.seen[id]
		if heard && at.After(t) || slices.ContainsFunc(p.addrs[id], func(a netip.Addr) bool { return connected[a] }) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// retain forgets every minion that is not in the sorted list: the places of those that went away are
// free again (max_minions).
func (p *presence) retain(present []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.seen {
		if _, found := slices.BinarySearch(present, id); !found {
			delete(p.seen, id)
		}
	}
}

// watchPresence fires the presence events (spec: event-bus §6.4) and frees the places of minions that
// went away, where either is asked for. It returns the new list.
//
// A minion is present when it was heard of lately, or when a connection to the publish port comes
// from one of its addresses: who has nothing to do sends nothing for hours.
func (m *Master) watchPresence(before []string) []string {
	cfg := m.cfg.Load()
	if !cfg.PresenceEvents && cfg.MaxMinions == 0 {
		return nil
	}
	ids, _, err := m.keys.AcceptedIDs()
	if err != nil {
		m.log.Error("Maintenance failed", "task", "presence", "err", err)
		return before
	}
	for _, id := range ids {
		if !m.presence.knows(id) {
			grains, _, _, err := m.minions.Data(id)
			if err != nil {
				m.limited.Warn("Minion data is unreadable", "minion", id, "err", err)
			}
			m.presence.learn(id, grains) // nothing known is nothing learned, and not asked again
		}
	}
	now := m.presence.present(ids, m.now().Add(-presenceWindow), m.connectedAddrs())
	if cfg.MaxMinions > 0 {
		m.presence.retain(now)
	}
	if !cfg.PresenceEvents {
		return now
	}
	fresh, lost := difference(now, before), difference(before, now)
	if len(fresh)+len(lost) > 0 {
		m.fire(event.TagPresenceChange, wire.NewMap("new", anyList(fresh), "lost", anyList(lost)))
	}
	m.fire(event.TagPresencePresent, wire.NewMap("present", anyList(now)))
	return now
}

// difference is what stands in the sorted list a and not in the sorted list b.
func difference(a, b []string) []string {
	var out []string
	for _, id := range a {
		if _, found := slices.BinarySearch(b, id); !found {
			out = append(out, id)
		}
	}
	return out
}
