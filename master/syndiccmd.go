package master

import (
	"context"
	"errors"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/pki"
)

// syndicReturn takes `_syndic_return`: the returns of many minions, relayed by the syndic whose id
// the request carries (spec: syndic §8, master-functions §2.5). The whole batch is one commit and
// one burst of events; then it is acknowledged.
func (m *Master) syndicReturn(r *request) ([]byte, error) {
	items, err := wire.ParseSyndicReturns(r.load)
	if err != nil {
		return valueNil, nil // as stock: what is no return is skipped, and the sender is content
	}
	answer := r.seal(valueNil)
	var batch []jobcache.Return
	var events [][]event.Event // per return
	sender := r.id             // level 2 sends none with this command
	stamp := event.Stamp(m.now())
	for _, item := range items {
		if !m.mayRelay(r, item.ID) || !usableJID(item.JID) || item.JID == "" {
			m.limited.Warn("Syndic return refused", "minion", r.id, "syndic", printable(item.ID))
			continue
		}
		sender = item.ID
		m.noteSyndic(item.ID)
		m.adoptSyndicLoad(item)
		for _, minion := range item.Minions {
			ret, err := wire.ParseReturn(item.AppendReturn(nil, minion))
			if err != nil || pki.CheckID(ret.ID) != nil || !m.relayedSignatureGood(ret) {
				continue
			}
			fired := append([]event.Event{m.returnEvent(&ret, stamp)}, m.stateFailures(ret)...)
			if !m.keepsReturns(ret) {
				m.bus.Fire(fired...)
				continue
			}
			batch = append(batch, jobcache.Return{JID: ret.JID, MinionID: ret.ID, Body: ret.AppendStored(nil)})
			events = append(events, fired)
		}
	}
	m.stats.syndicReturns.Add(int64(len(batch)))
	if len(batch) == 0 {
		return valueNil, nil
	}
	m.jobs.SaveReturns(batch, func(outcomes []jobcache.Outcome) {
		var fresh []event.Event
		repeats := int64(0)
		for i, o := range outcomes {
			if o.Err != nil {
				m.stats.failed.Add(1)
				m.limited.Error("Returns of a syndic not stored", "minion", r.id, "err", o.Err)
				r.reply(valueEmptyStr)
				return
			}
			if o.Duplicate {
				m.stats.duplicates.Add(1)
				repeats++
				continue // a batch sent again must not double the events
			}
			if m.cfg.Load().JobCacheStoreEndtime {
				m.ends.note(batch[i].JID, m.now())
			}
			fresh = append(fresh, events[i]...)
		}
		m.bus.Fire(fresh...)
		m.syndics.heard(sender, m.now(), func(s *syndicRecord) { s.returns += int64(len(outcomes)) - repeats; s.repeats += repeats })
		r.raw.Reply(answer)
	})
	return nil, errLater
}

// mayRelay reports whether the sender of a request may speak as the syndic of one item. At level 3 the
// sender is proven and that is who it must be; below, any minion has the key that the request is
// sealed with, and the syndic's id must at least be an accepted one.
func (m *Master) mayRelay(r *request, syndic string) bool {
	if r.level >= 3 {
		return syndic == r.id && pki.CheckID(syndic) == nil
	}
	entry, err := m.keys.Lookup(syndic)
	return err == nil && entry.State == pki.Accepted
}

// relayedSignatureGood applies the policy of signed returns to a relayed one, as stock does: a minion
// must not get round require_minion_sign_messages by calling itself a syndic.
func (m *Master) relayedSignatureGood(ret wire.Return) bool {
	if !m.cfg.Load().RequireMinionSignMessages && ret.Sig == nil {
		return true
	}
	ok, err := m.returnSignatureGood(ret)
	return ok && err == nil
}

// adoptSyndicLoad stores the job's load that a syndic sends along, when the job is not known here:
// a load that this master published itself is never overwritten.
func (m *Master) adoptSyndicLoad(item wire.SyndicReturn) {
	if len(item.Load) == 0 || !wire.IsMap(item.Load) || wire.Len(item.Load) == 0 {
		return
	}
	if job, known, err := m.jobs.Job(item.JID); err != nil || known && job.Load != nil {
		return
	}
	load, err := wire.DecodeMap(item.Load, wire.Wire, wire.LoadLimits)
	if err != nil {
		return
	}
	kwargs := load.Map("kwargs")
	if kwargs == nil {
		kwargs = wire.NewMap()
	}
	stripCredentials(load, kwargs)
	raw, err := wire.Encode(load, wire.Wire)
	if err != nil {
		return
	}
	minions := stringList(load.List("Minions"))
	stored, err := m.jobs.SaveLoadIfAbsent(context.Background(), jobcache.Job{JID: item.JID, Load: raw, Minions: minions})
	if err != nil {
		m.log.Error("Job load of a syndic not stored", "jid", item.JID, "err", err)
	} else if !stored {
		return // another syndic was first
	}
	if err := m.loads.SaveLoad(item.JID, raw, minions); err != nil {
		m.log.Error("Job load not written to the job directory", "jid", item.JID, "err", err)
	}
}

// noteSyndic marks an accepted id as a syndic, and never lets a name become a path.
func (m *Master) noteSyndic(id string) {
	if err := m.syndics.add(id); err != nil {
		m.limited.Warn("Syndic not registered", "syndic", printable(id), "err", err)
	}
}

// noteMinionList stores the minions that a syndic announced for a job.
func (m *Master) noteMinionList(jid, syndicID string, minions []string) {
	if !usableJID(jid) || jid == "" || m.listedAlready(jid, minions) {
		return
	}
	if err := m.jobs.AddMinions(context.Background(), jid, syndicID, minions); err != nil {
		m.limited.Error("Minion list of a syndic not stored", "jid", jid, "syndic", syndicID, "err", err)
	}
	if err := m.loads.AddMinions(jid, syndicID, minions); err != nil {
		m.limited.Error("Minion list of a syndic not written", "jid", jid, "syndic", syndicID, "err", err)
	}
}

// listedAlready reports whether all these minions were known when the job was published, from the syndic's inventory:
// storing them again would double each job.
func (m *Master) listedAlready(jid string, minions []string) bool {
	job, known, err := m.jobs.Job(jid)
	if err != nil || !known || len(job.Minions) < len(minions) {
		return false
	}
	listed := make(map[string]struct{}, len(job.Minions))
	for _, id := range job.Minions {
		listed[id] = struct{}{}
	}
	for _, id := range minions {
		if _, ok := listed[id]; !ok {
			return false
		}
	}
	return true
}

// noteSyndicStart takes a start event: what the syndic told before has to be told again.
func (m *Master) noteSyndicStart(id string) {
	m.inventories.restarted(id)
	m.syndics.heard(id, m.now(), func(s *syndicRecord) { s.started = s.seen; s.starts++ })
}

// forgetSyndic drops what belongs to a syndic whose key is gone.
func (m *Master) forgetSyndic(id string) error {
	return errors.Join(m.syndics.forget(id), m.inventories.forget(id))
}

func stringList(l []any) []string {
	out := make([]string, 0, len(l))
	for _, v := range l {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
