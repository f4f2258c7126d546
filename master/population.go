package master

import (
	"fmt"
	"slices"

	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/pki"
)

// population is everybody whom a publication of this master can reach, as far as the master knows. It is built again
// when keys, syndics or inventories change, and never altered.
type population struct {
	accepted, registry, inventories uint64 // what it was built from

	ids     []string            // minions here and below syndics, syndics left out; sorted as accepted keys are
	here    map[string]struct{} // accepted keys; nil unless something stands below
	syndics []string            // registered and accepted
}

// reach returns the population now. With order_masters the minions below the syndics belong to it.
func (m *Master) reach(orderMasters bool) (*population, error) {
	accepted, generation, err := m.keys.AcceptedIDs()
	if err != nil {
		return nil, fmt.Errorf("list accepted keys: %w", err)
	}
	if !orderMasters {
		return &population{ids: accepted}, nil
	}
	if p := m.people.Load(); p != nil && p.accepted == generation && p.registry == m.syndics.age() && p.inventories == m.inventories.age() {
		return p, nil
	}
	p := &population{accepted: generation, ids: accepted}
	var registered []string
	registered, p.registry = m.syndics.known()
	p.here = make(map[string]struct{}, len(accepted))
	for _, id := range accepted {
		p.here[id] = struct{}{}
	}
	isSyndic := map[string]bool{}
	for _, id := range registered {
		if _, ok := p.here[id]; ok {
			isSyndic[id] = true
			p.syndics = append(p.syndics, id)
		}
	}
	ids := make([]string, 0, len(accepted))
	for _, id := range accepted {
		if !isSyndic[id] {
			ids = append(ids, id)
		}
	}
	own := len(ids)
	// A list whose syndic has lost its key counts for nothing, even before it is dropped.
	ids, p.inventories = m.inventories.appendIDs(ids, func(syndic string) bool { return isSyndic[syndic] })
	if len(ids) > own {
		pki.SortIDs(ids)
		ids = slices.Compact(ids)
	}
	p.ids = ids
	m.people.Store(p)
	return p, nil
}

// isSyndic reports whether an id is an accepted syndic.
func (p *population) isSyndic(id string) bool {
	_, found := slices.BinarySearch(p.syndics, id)
	return found
}

// resolve finds the minions of the job among the accepted keys and, with order_masters, among those that the syndics
// have listed. Ids that are syndics are left out there: nobody returns under a syndic's own id (spec: syndic §9,
// "Do better").
func (m *Master) resolve(j *job, orderMasters bool) error {
	delimiter := j.kwargs.Str("delimiter")
	if delimiter == "" {
		delimiter = ":"
	}
	p, err := m.reach(orderMasters)
	if err != nil {
		return err
	}
	j.population = p
	matcher, err := target.Parse(j.tgtType, j.tgt, delimiter)
	if err == nil {
		j.minions, j.missing, err = matcher.MatchErr(p.ids)
	}
	if err != nil {
		m.log.Info("Target cannot be resolved", "tgt_type", j.tgtType, "err", err)
		j.undecided = true
		return nil // nobody: the caller is told that no minion matched
	}
	if len(p.syndics) > 0 {
		j.missing = slices.DeleteFunc(slices.Clone(j.missing), p.isSyndic)
	}
	return nil
}

// complete reports whether nobody but the job's minions can return: the target was decided from ids, and the list of
// every syndic is current.
func (m *Master) complete(j *job) bool {
	if j.undecided {
		return false
	}
	since := m.now().Add(-m.cfg.Load().SyndicSeen)
	for _, id := range j.population.syndics {
		if r, ok := m.syndics.record(id); !ok || r.seen.Before(since) || !m.inventories.state(id).Current {
			return false
		}
	}
	return true
}
